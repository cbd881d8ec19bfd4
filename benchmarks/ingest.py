"""What one feed process takes: book tickers of 200 symbols, in frames a second.

    python -m benchmarks.ingest [--frames 200000]

Needs DATABASE_URL and REDIS_URL; works in a test database of its own. CPU time is that
of this process with all its threads, so other load on the machine changes little:
1,000,000 / (us per frame) is what one core does. Fails below LIMIT_PER_S.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import django
import uvloop
import websockets
from django.conf import settings
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SECRET_KEY", "benchmark")
os.environ.setdefault("LOG_LEVEL", "warning")
os.environ["CHANNEL_PREFIX"] = f"ingest-{uuid4().hex[:8]}"
django.setup()

from channels.layers import get_channel_layer  # noqa: E402

from benchmarks.ingest_instruments import SYMBOLS, make_instruments  # noqa: E402
from brokers.binance.feed import BinanceFeed  # noqa: E402
from brokers.binance.intake import Intake  # noqa: E402
from brokers.binance.messages import parse_frame  # noqa: E402
from brokers.feed import FollowedInstrument  # noqa: E402
from brokers.runner import FeedRunner, Outputs, Timing  # noqa: E402
from history.journal import Journal  # noqa: E402
from history.recorder import Recorder  # noqa: E402
from marketdata.publisher import Publisher  # noqa: E402
from marketdata.records import Kind  # noqa: E402

NAMES = {symbol: symbol for symbol in SYMBOLS}
TURN_FRAMES = 100  # what a busy socket holds when the loop comes back to it
PACED_PER_S = 20_000
LIMIT_PER_S = 20_000  # read from a WebSocket, published, journalled and stored
JOURNAL_BYTES = 1 << 30
PACE_S = 0.001


def frames(count: int) -> list[bytes]:
    """Return book tickers in turn over the symbols, each as Binance wraps it."""
    return [
        (
            f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"u":{number},'
            f'"s":"{symbol}","b":"{37123 + number % 97}.44000000","B":"3.20000000",'
            f'"a":"{37123 + number % 97}.45000000","A":"0.75000000"}}}}'
        ).encode()
        for number in range(count)
        for symbol in (SYMBOLS[number % len(SYMBOLS)],)
    ]


async def report(name: str, count: int, work: Callable[[], Awaitable[None]]) -> float:
    """Run the work, print its CPU and wall time, return frames per CPU second."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    await work()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    print(
        f"{name:<34}{1e6 * cpu_s / count:6.1f} us CPU/frame"
        f"{count / cpu_s:10,.0f} frames per CPU s{count / wall_s:10,.0f} per wall s"
    )
    return count / cpu_s


class Rig:
    """A runner without connection; ``emit`` is what a feed would call."""

    def __init__(
        self,
        *,
        stores: bool = True,
        publishes: bool = True,
        folder: Path | None = None,
    ) -> None:
        layer = get_channel_layer() if publishes else NullLayer()
        self.recorder = Recorder(
            flush_s=settings.RECORDER_FLUSH_S,
            flush_rows=settings.RECORDER_FLUSH_ROWS,
            max_rows=settings.RECORDER_MAX_ROWS,
            journal=Journal(folder, 7, max_bytes=JOURNAL_BYTES) if folder else None,
        )
        self.publisher = Publisher(layer, 7, before_send=self.recorder.write_block)
        self.feed = BinanceFeed("ws://127.0.0.1:1", {Kind.TICK: "bookTicker"})
        self.runner = FeedRunner(
            self.feed,
            Outputs(self.publisher, self.recorder if stores else None),
            load_instruments=followed,
            timing=Timing(
                silence_s=60, reconnect_min_s=1, reconnect_max_s=1, refresh_s=60
            ),
        )
        self.feed.follow(followed_now())

    async def take(self, data: Sequence[bytes]) -> None:
        """Take all frames as the read loop does, and wait until they are out."""
        intake = Intake(self.feed.counters, self.runner._emit, None)
        intake.symbols = NAMES
        for start in range(0, len(data), TURN_FRAMES):
            for frame in data[start : start + TURN_FRAMES]:
                intake.take(0, frame)
            await asyncio.sleep(0)
        await self.finish()

    async def finish(self) -> None:
        await self.publisher.drain(timeout_s=60)
        await self.recorder.drain()
        assert not self.publisher.counters.dropped, self.publisher.counters
        assert not self.recorder.counters.dropped, self.recorder.counters


class NullLayer:
    async def group_send_many(self, messages: object) -> None: ...


def followed_now() -> list[FollowedInstrument]:
    return [FollowedInstrument(symbol, symbol, 2) for symbol in SYMBOLS]


async def followed() -> list[FollowedInstrument]:
    return followed_now()


async def parse_all(data: Sequence[bytes]) -> None:
    for frame in data:
        parse_frame(frame, time.time_ns() // 1_000, NAMES)


async def journal_all(data: Sequence[bytes], folder: Path) -> None:
    """Append the records to a journal, a block for each turn of the loop."""
    rows = [
        (parse_frame(frame, 1, NAMES), 7, number)
        for number, frame in enumerate(data[:TURN_FRAMES])
    ]
    journal = Journal(folder, 7, max_bytes=JOURNAL_BYTES)
    for _ in range(0, len(data), TURN_FRAMES):
        assert journal.append(rows)
        if journal.is_segment_full:
            journal.delete(journal.seal())
    journal.close()


async def through_a_socket(rig: Rig, address: str, count: int) -> None:
    """Read the frames from a WebSocket server with the whole feed."""
    rig.feed._address = address
    reading = asyncio.create_task(rig.feed.run(rig.runner._emit))
    while rig.publisher.counters.records < count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await rig.finish()


async def serve_frames(data: Sequence[bytes]) -> None:
    """Serve all frames to each client that has subscribed; evenly below `/paced`."""

    async def play(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"result":null,"id":1}')
        begin_s = time.monotonic()
        for number, frame in enumerate(data):
            if socket.request.path.startswith("/paced"):
                early_s = begin_s + number / PACED_PER_S - time.monotonic()
                if early_s > PACE_S:
                    await asyncio.sleep(early_s)
            await socket.send(frame, text=True)
        await socket.wait_closed()

    async with websockets.serve(play, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def main(count: int, folder: Path) -> bool:
    """Print the figures; True if the limit is held."""
    data = frames(count)
    await report("parse", count, lambda: parse_all(data))
    await report("journal alone", count, lambda: journal_all(data, folder / "alone"))
    steps = {
        "+ number": Rig(stores=False, publishes=False),
        "+ publish to Redis": Rig(stores=False),
        "+ store in the database": Rig(),
        "+ journal": Rig(folder=folder / "memory"),
    }
    for name, rig in steps.items():
        await report(name, count, lambda rig=rig: rig.take(data))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.ingest", "--serve", str(count)),
        stdout=asyncio.subprocess.PIPE,
    )
    found = []
    try:
        port = int(await process.stdout.readline())
        base = f"ws://127.0.0.1:{port}"
        for name, path in (
            ("all, read from a WebSocket", "/stream"),
            (f"the same at {PACED_PER_S:,} a second", "/paced/stream"),
        ):
            rig, address = Rig(folder=folder / path.replace("/", "-")), base + path
            each = await report(
                name,
                count,
                lambda rig=rig, address=address: through_a_socket(rig, address, count),
            )
            found.append(each)
    finally:
        process.terminate()
        await process.wait()
    return min(found) >= LIMIT_PER_S


def run(count: int) -> int:
    # Not the name that a test run uses at the same time.
    connection.settings_dict["TEST"]["NAME"] = f"ingest_{os.getpid()}"
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    print(f"database {name}, {count:,} frames over {len(SYMBOLS)} symbols")
    try:
        make_instruments()
        connection.close()
        with TemporaryDirectory() as name:
            is_held = uvloop.run(main(count, Path(name)))
        word = "held" if is_held else "MISSED"
        print(f"limit {LIMIT_PER_S:,} frames per CPU s: {word}")
        return 0 if is_held else 1
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve_frames(frames(options.serve)))
    else:
        sys.exit(run(options.frames))
