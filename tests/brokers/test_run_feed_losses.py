"""What a feed lost while the database was away is a gap in it, also after kill -9."""

import asyncio
import signal
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from django.db import connections

from brokers.gap_file import GapFile
from history.feed_gaps import FeedGapRow
from history.models import FeedGap
from history.timestamps import to_us
from marketdata.records import Kind
from tests.brokers.processes import database_url, manage
from tests.brokers.test_lease_without_database import via
from tests.brokers.test_standby import settings
from tests.cuttable_proxy import cuttable
from tests.marketdata.polling import until

GAP = FeedGapRow("EURUSD", Kind.TICK, 1, 2, "connection lost")


def stored_gaps() -> set[FeedGapRow]:
    try:
        rows = FeedGap.objects.values_list(
            "series__instrument__symbol", "kind", "start", "end", "reason"
        )
        return {
            FeedGapRow(symbol, Kind(kind), to_us(start), to_us(end), reason)
            for symbol, kind, start, end, reason in rows
        }
    finally:
        connections.close_all()


async def until_stored(wanted: set[FeedGapRow] | str) -> None:
    """Return once these gaps are stored, or some with that reason."""
    async with asyncio.timeout(30):
        while True:
            found = await asyncio.to_thread(stored_gaps)
            if wanted in {gap.reason for gap in found}:
                return
            if isinstance(wanted, set) and wanted <= found:
                return
            await asyncio.sleep(0.1)


def waiting(folder: Path) -> set[FeedGapRow]:
    """Return the gaps that are on disk."""
    return {
        gap
        for path in folder.glob("*.gaps")
        for gap in msgspec.msgpack.decode(path.read_bytes(), type=list[FeedGapRow])
    }


@pytest.mark.django_db(transaction=True)
async def test_losses_are_stored_as_gaps_also_by_the_next_process(
    instruments: int, prefix: str, tmp_path: Path
) -> None:
    address, folder = urlsplit(database_url()), tmp_path / "simulated"
    async with cuttable(address.hostname, address.port) as proxy:
        through = settings(prefix) | {
            "DATABASE_URL": via(proxy.port),
            "JOURNAL_DIR": str(tmp_path),
            "JOURNAL_MAX_BYTES": "20000",
            "RECORDER_MAX_ROWS": "20",
        }
        faults = {"SIMULATED_FAULTS": "disconnect=3", "RECONNECT_MIN_S": "0.3"}
        async with manage("run_feed", "simulated", **through, **faults) as feed:
            await until(lambda: "feed live" in feed.log, timeout_s=20)
            proxy.cut()
            await until(lambda: "journal refuses records" in feed.log, timeout_s=20)
            proxy.restore()
            await until_stored("not stored")

            proxy.cut()
            both = {"not stored", "connection lost"}
            await until(
                lambda: {gap.reason for gap in waiting(folder)} >= both, timeout_s=30
            )
            await feed.stop(signal.SIGKILL)
        left = waiting(folder)
        before = await asyncio.to_thread(stored_gaps)
        proxy.restore()
        async with manage("run_feed", "simulated", **through) as feed:
            await until_stored(left)
            await until(lambda: waiting(folder) == set())
            assert await feed.stop() == 0, feed.log

    assert left - before
    assert list(folder.iterdir()) == []  # noqa: ASYNC240


def test_gap_file_is_there_while_something_waits(tmp_path: Path) -> None:
    file = GapFile(tmp_path / "fake", 7)

    file.write([GAP])
    assert waiting(tmp_path / "fake") == {GAP}

    file.write([])
    assert list((tmp_path / "fake").iterdir()) == []


def test_gap_file_of_an_earlier_process_is_read_and_forgotten(tmp_path: Path) -> None:
    for epoch in (6, 8):  # a later one is not ours to store
        GapFile(tmp_path, epoch).write([GAP])
    (tmp_path / "5.gaps").write_bytes(b"damaged")
    file = GapFile(tmp_path, 7)

    assert file.read_left() == [GAP]
    assert len(waiting_files(tmp_path)) == 3
    file.forget_left()

    assert waiting_files(tmp_path) == ["5.gaps", "8.gaps"]
    assert GapFile(tmp_path / "none", 7).read_left() == []


def waiting_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
