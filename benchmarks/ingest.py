"""What one feed process takes of 200 symbols, in frames a second, by broker's format.

    python -m benchmarks.ingest [--frames 60000]

Needs DATABASE_URL and REDIS_URL; works in a test database of its own. For each format:
parsing alone; and all that a feed does at once, read from a real local server in a
process of its own: numbered, journalled, published to Redis, stored. For bookTicker
the steps between, too. CPU time is that of this process with all its threads, so other
load on the machine changes little: 1,000,000 / (us per frame) is what one core does.
Fails if bookTicker is below LIMIT_PER_S.
"""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import django
import uvloop
from django.conf import settings
from django.db import connection

from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SECRET_KEY", "benchmark")
os.environ.setdefault("LOG_LEVEL", "warning")
os.environ["CHANNEL_PREFIX"] = f"ingest-{uuid4().hex[:8]}"
django.setup()

from benchmarks.ingest_formats import FORMATS, Format  # noqa: E402
from benchmarks.ingest_instruments import (  # noqa: E402
    SYMBOLS,
    make_instruments,
    make_series,
)
from benchmarks.ingest_rig import JOURNAL_BYTES, TURN_FRAMES, Rig  # noqa: E402
from benchmarks.ingest_sources import playing  # noqa: E402
from history.journal import Journal  # noqa: E402

BOOK_TICKER = FORMATS[0]
PACED_PER_S = 20_000
LIMIT_PER_S = 20_000  # of bookTicker: read, published, journalled and stored
BROKERS = ("binance", "oanda", "kraken", "simulated")


async def report(name: str, count: int, work: Callable[[], Awaitable[None]]) -> float:
    """Run the work, print its CPU and wall time, return frames per CPU second."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    await work()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    print(
        f"{name:<36}{1e6 * cpu_s / count:6.1f} us CPU/frame"
        f"{count / cpu_s:10,.0f} frames per CPU s{count / wall_s:10,.0f} per wall s",
        flush=True,
    )
    return count / cpu_s


async def journal_all(data: Sequence[bytes], folder: Path) -> None:
    """Append the records to a journal, a block for each turn of the loop."""
    names = {symbol: symbol for symbol in SYMBOLS}
    rows = [
        (BOOK_TICKER.parse(frame, 1, names), 7, number)
        for number, frame in enumerate(data[:TURN_FRAMES])
    ]
    journal = Journal(folder, 7, max_bytes=JOURNAL_BYTES)
    for _ in range(0, len(data), TURN_FRAMES):
        assert journal.append(rows)  # type: ignore[arg-type]
        if journal.is_segment_full and (segment := journal.seal()):
            journal.delete(segment)
    journal.close()


async def all_of(source: Format, count: int, folder: Path, per_s: int = 0) -> float:
    """Measure the whole feed, from the socket on."""
    title = f"{source.name}: all at {per_s:,}/s" if per_s else f"{source.name}: all"
    folder = folder / title.replace("/", "-")
    if not source.server:
        rig = Rig(source, folder=folder)
        return await report(title, count, lambda: rig.read(count, None))
    async with playing(source, count, per_s=per_s) as (address, begin):
        rig = Rig(source, address=address, folder=folder)
        wait = begin if source.server == "redis" else None
        return await report(title, count, lambda: rig.read(count, wait))


async def steps_of(count: int, folder: Path) -> None:
    """Measure what becomes of book tickers, a step more each time."""
    data = BOOK_TICKER.frames(count)
    alone = folder / "alone"
    await report("  journal alone", count, lambda: journal_all(data, alone))
    rigs = {
        "  parse, number": Rig(BOOK_TICKER, stores=False, publishes=False),
        "  + publish to Redis": Rig(BOOK_TICKER, stores=False),
        "  + store in the database": Rig(BOOK_TICKER),
        "  + journal": Rig(BOOK_TICKER, folder=folder / "memory"),
    }
    for name, rig in rigs.items():
        await report(name, count, lambda rig=rig: rig.take(data))  # type: ignore[misc]


async def main(count: int, folder: Path) -> bool:
    """Print the figures; True if the limit is held."""
    held = []
    for source in FORMATS:
        data = source.frames(count)
        parse = partial(source.parse_all, data)
        await report(f"{source.name}: parse", count, parse)
        if source is BOOK_TICKER:
            await steps_of(count, folder)
            held = [await all_of(source, count, folder, per_s=PACED_PER_S)]
        per_cpu_s = await all_of(source, count, folder)
        if source is BOOK_TICKER:
            held.append(per_cpu_s)
    return min(held) >= LIMIT_PER_S


def run(count: int) -> int:
    # Not the name that a test run uses at the same time.
    connection.settings_dict["TEST"]["NAME"] = f"ingest_{os.getpid()}"
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    print(f"database {name}, {count:,} frames over {len(SYMBOLS)} symbols")
    try:
        make_instruments(*BROKERS)
        make_series()
        connection.close()
        with TemporaryDirectory() as name:
            is_held = uvloop.run(main(count, Path(name)))
        word = "held" if is_held else "MISSED"
        print(f"limit {LIMIT_PER_S:,} bookTicker frames per CPU s: {word}")
        return 0 if is_held else 1
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], 0)


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("ingest", __doc__, "", "--frames 6000")
    result.add_argument("--frames", type=int, default=60_000)
    return result


if __name__ == "__main__":
    run_benchmark(lambda: run(parser().parse_args().frames), "ingest")
