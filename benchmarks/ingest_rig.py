"""A feed with all its outputs, but without lease and hubs, for measuring it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from channels.layers import get_channel_layer
from django.conf import settings

from benchmarks.ingest_formats import Format
from brokers.binance.feed import BinanceFeed
from brokers.binance.intake import Intake
from brokers.feed import FollowedInstrument
from brokers.runner import FeedRunner, Outputs, Timing
from history.journal import Journal
from history.recorder import Recorder
from marketdata.publisher import Publisher

EPOCH = 7
TURN_FRAMES = 100  # what a busy socket holds when the loop comes back to it
JOURNAL_BYTES = 1 << 30
# What a subscription takes, where nothing says that it was made.
SUBSCRIBED_S = 0.5


class NullLayer:
    """Takes messages and does nothing with them."""

    async def group_send_many(self, messages: object) -> None: ...


class Rig:
    """The runner of a format's feed; ``folder`` is the journal's, None: without one."""

    def __init__(
        self,
        source: Format,
        *,
        address: str = "127.0.0.1:1",
        stores: bool = True,
        publishes: bool = True,
        folder: Path | None = None,
    ) -> None:
        layer = get_channel_layer() if publishes else NullLayer()
        self.recorder = Recorder(
            flush_s=settings.RECORDER_FLUSH_S,
            flush_rows=settings.RECORDER_FLUSH_ROWS,
            max_rows=settings.RECORDER_MAX_ROWS,
            journal=Journal(folder, EPOCH, max_bytes=JOURNAL_BYTES) if folder else None,
        )
        self.publisher = Publisher(layer, EPOCH, before_send=self.recorder.write_block)
        self.feed = source.feed(address)
        is_stored = stores and source.is_stored
        self._followed = source.followed()
        self.runner = FeedRunner(
            self.feed,
            Outputs(self.publisher, self.recorder if is_stored else None),
            load_instruments=self._load,
            timing=Timing(
                silence_s=60, reconnect_min_s=1, reconnect_max_s=1, refresh_s=60
            ),
        )
        self.feed.follow(self._followed)

    async def take(self, data: Sequence[bytes]) -> None:
        """Take Binance's frames as its read loop does, and wait until they are out."""
        assert isinstance(self.feed, BinanceFeed)
        intake = Intake(self.feed.counters, self.runner._emit, None)
        intake.symbols = {item.broker_symbol: item.symbol for item in self._followed}
        for start in range(0, len(data), TURN_FRAMES):
            for frame in data[start : start + TURN_FRAMES]:
                intake.take(0, frame)  # type: ignore[arg-type]
            await asyncio.sleep(0)
        await self._finish()

    async def read(self, count: int, begin: asyncio.StreamWriter | None) -> None:
        """Read so many records from the feed's address, until all are out."""
        reading = asyncio.create_task(self.feed.run(self.runner._emit))
        if begin is not None:
            await asyncio.sleep(SUBSCRIBED_S)
            begin.write(b"\n")
        counters = self.publisher.counters
        while counters.records < count and not reading.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await self._finish()
        assert counters.records >= count, self.feed.counters

    async def _finish(self) -> None:
        await self.publisher.drain(timeout_s=60)
        await self.recorder.drain()
        assert not self.publisher.counters.dropped, self.publisher.counters
        assert not self.recorder.counters.dropped, self.recorder.counters

    async def _load(self) -> list[FollowedInstrument]:
        return self._followed
