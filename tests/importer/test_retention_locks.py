"""Retention beside others: chunks in use are left, writers lose nothing."""

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, transaction

from history.candle_locks import lock_candles
from history.models import Tick
from importer import retention
from importer.retention import Dropped, drop_old_ticks
from tests.brokers.processes import database_url
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
    assert is_reading.wait(60)
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


@pytest.fixture
def while_marking(monkeypatch):
    """Takes a function that retention is to call while it goes over a chunk's rows."""
    mark = retention._mark

    def call(function):
        def mark_after(*arguments, **options):
            function()
            return mark(*arguments, **options)

        monkeypatch.setattr(retention, "_mark", mark_after)

    return call


def start(function):
    """Start a thread that closes its connection, and return it with its results."""
    results = []

    def run_and_close():
        try:
            results.append(function())
        except Exception as exc:
            results.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=run_and_close)
    thread.start()
    return thread, results


def wait_for_a_waiter(thread):
    """Wait until somebody waits for a lock of a chunk, or the thread has ended."""
    deadline = time.monotonic() + 60
    with psycopg.connect(database_url(), autocommit=True) as other:
        while thread.is_alive():
            assert time.monotonic() < deadline
            waiting = "SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
            if other.execute(waiting).rowcount:
                return
            time.sleep(0.01)


def test_drop_old_ticks_lets_readers_pass_while_it_counts(tmp_path, while_marking):
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)
    counts = []

    def read():
        with psycopg.connect(database_url()) as reader:
            reader.execute("SET statement_timeout = '300ms'")
            counts.extend(reader.execute("SELECT count(*) FROM ticks").fetchone())

    while_marking(read)

    assert drop_old_ticks(20, now=NOW).chunks == 1
    assert counts == [5]


def test_drop_old_ticks_twice_at_once_drops_once(tmp_path, while_marking):
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)
    others = []

    def begin_another():
        others.append(start(lambda: drop_old_ticks(20, now=NOW)))
        wait_for_a_waiter(others[0][0])

    while_marking(begin_another)
    dropped = drop_old_ticks(20, now=NOW)
    thread, results = others[0]
    thread.join()

    assert dropped.chunks == 1
    assert results == [Dropped()]
    assert series_of().tick_count == 0


def test_drop_old_ticks_gives_way_to_a_writer_that_has_read(tmp_path, while_marking):
    """Both have what the other wants: it is retention that can try again tomorrow."""
    write_hour(tmp_path, OLD_US, 5)
    run(tmp_path, OLD, OLD)
    writer = psycopg.connect(database_url())
    writer.execute("SELECT count(*) FROM ticks")
    insert = "INSERT INTO ticks SELECT series_id, time, 99, bid, ask FROM ticks LIMIT 1"
    writers = []

    def write():
        writers.append(start(lambda: writer.execute(insert).rowcount))
        wait_for_a_waiter(writers[0][0])

    while_marking(write)
    with writer:
        dropped = drop_old_ticks(20, now=NOW)
        thread, results = writers[0]
        thread.join()

    assert (dropped.chunks, dropped.busy) == (0, 1)
    assert results == [1]
    assert Tick.objects.count() == 6
