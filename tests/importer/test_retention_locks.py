"""Retention beside others: chunks in use are left, writers lose nothing."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from history.candle_locks import lock_candles
from importer import retention
from importer.retention import drop_old_ticks
from tests.importer.archives import write_hour
from tests.importer.imports import run, series_of
from tests.importer.test_retention import NOW, OLD, OLD_US

pytestmark = pytest.mark.usefixtures("committed_instruments")


@contextmanager
def in_transaction(act):
    """Keep a transaction open that has done something."""
    is_reading, is_over = threading.Event(), threading.Event()

    def read():
        with transaction.atomic(), connection.cursor() as cursor:
            act(cursor)
            is_reading.set()
            is_over.wait(30)
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    assert is_reading.wait(10)
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_drop_old_ticks_leaves_a_chunk_in_use_to_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "LOCK_TIMEOUT", "50ms")
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)

    with in_transaction(lambda cursor: cursor.execute("SELECT FROM ticks")):
        busy = drop_old_ticks(20, now=NOW)
        kept = series_of().tick_count
    free = drop_old_ticks(20, now=NOW)

    assert (busy.chunks, busy.busy, kept) == (0, 1, 5)
    assert (free.chunks, free.busy, series_of().tick_count) == (1, 0, 0)


def test_drop_old_ticks_by_several_at_once_drops_each_chunk_once(tmp_path):
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)
    ready = threading.Barrier(3)
    reports = []

    def drop():
        ready.wait(10)
        reports.append(drop_old_ticks(20, now=NOW))
        connection.close()

    threads = [threading.Thread(target=drop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted((item.chunks, item.busy) for item in reports) == [
        (0, 0), (0, 0), (1, 0)
    ]  # fmt: skip
    assert series_of().tick_count == 0


def test_drop_old_ticks_leaves_a_series_that_is_refreshed_to_the_next_run(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(retention, "LOCK_TIMEOUT", "50ms")
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)
    series_id = series_of().pk

    with in_transaction(lambda cursor: lock_candles(cursor, [series_id])):
        busy = drop_old_ticks(20, now=NOW)
    free = drop_old_ticks(20, now=NOW)

    assert (busy.chunks, busy.busy) == (0, 1)
    assert (free.chunks, free.busy) == (1, 0)
