"""Sessions that start in the past: stored records, then the ring, then live.

The ring has what was delivered lately, the store what was published up to a number that
its feed tells. So the store is read up to there, as soon as the ring reaches back to
it; what came meanwhile is in the ring, or is read from the store in the next pass.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from marketdata.candle_catch_up import CandleCatchUp
from marketdata.codes import StatusCode
from marketdata.effects import Follow, Resume
from marketdata.encodings import Encoding
from marketdata.exceptions import HistoryUnavailable
from marketdata.hub import Hub
from marketdata.joining import Joining
from marketdata.outbox import Outbox
from marketdata.past import Past
from marketdata.record_catch_up import RecordCatchUp, parse_position
from marketdata.records import Kind
from marketdata.resumption import Days
from marketdata.seam import STORED_TIMEOUT_S, Seam
from marketdata.topics import Topic

Pair = tuple[Topic, Encoding]

log = structlog.get_logger(__name__)


def _now_us() -> int:
    return time.time_ns() // 1_000


class CatchUpOptions(msgspec.Struct, frozen=True):
    """How long the newest records may take into the store, and what time it is."""

    stored_timeout_s: float = STORED_TIMEOUT_S
    now_us: Callable[[], int] = _now_us


class CatchUps:
    """The catch-ups of one session, a task for each of its topics that needs one."""

    def __init__(
        self,
        hub: Hub,
        past: Past,
        outbox: Outbox,
        *,
        options: CatchUpOptions | None = None,
    ) -> None:
        self._hub = hub
        self._past = past
        self._outbox = outbox
        self._options = options or CatchUpOptions()
        self._turn = asyncio.Lock()
        self._running: dict[Pair, _Running] = {}

    def start(self, follow: Follow, *, since_days: int) -> None:
        """Send what lacks since ``follow.since``, then live records; never blocks.

        In place of `Hub.attach`: after `Hub.prepare` and the reply, without a turn of
        the loop between them. What ran or was attached for the pair before is stopped.
        """
        self.stop(follow.topic, follow.encoding)
        joining = Joining(self._hub, self._outbox, follow, self._turn)
        if isinstance(follow.since, Resume) and follow.topic.kind is not Kind.CANDLE:
            position = parse_position(follow.since)
            if position is not None and joining.join_at_once(position):
                return
        days = Days(since_days, self._options.now_us())
        running = _Running(joining)
        self._running[follow.topic, follow.encoding] = running
        running.task = asyncio.create_task(self._run(running, days), name="catch-up")

    def stop(self, topic: Topic, encoding: Encoding) -> None:
        """Send nothing more of a topic's past, if that was under way."""
        running = self._running.pop((topic, encoding), None)
        if running is not None:
            running.stop()

    def close(self) -> None:
        """Stop all."""
        for running in self._running.values():
            running.stop()
        self._running.clear()

    def is_running(self, topic: Topic, encoding: Encoding) -> bool:
        """Return True while stored records of the pair go out."""
        return (topic, encoding) in self._running

    async def _run(self, running: "_Running", days: Days) -> None:
        joining = running.joining
        try:
            await self._catch_up(joining, days)
        except Exception:  # a defect here must not cost the client its live records
            log.exception("catch-up failed", topic=joining.topic)
            joining.tell(StatusCode.PARTIAL_HISTORY, "the server failed")
            joining.attach()
        finally:
            pair = joining.topic, joining.encoding
            if self._running.get(pair) is running:
                del self._running[pair]

    async def _catch_up(self, joining: Joining, days: Days) -> None:
        if joining.topic.kind is Kind.CANDLE:
            await CandleCatchUp(joining, self._past, days, self._options.now_us).run()
            return
        seam = Seam(joining.hub, joining.topic, self._past, joining.encoding)
        seam.stored_timeout_s = self._options.stored_timeout_s
        now_us = self._options.now_us
        catch_up = RecordCatchUp(joining, seam, self._past, days, now_us=now_us)
        try:
            await catch_up.run()
        except HistoryUnavailable:
            await catch_up.fall_back("the store cannot be read")


class _Running:
    """A catch-up and its task."""

    def __init__(self, joining: Joining) -> None:
        self.joining = joining
        self.task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
        self.joining.release()
