"""Two imports of one series at once."""

import json
import threading

import psycopg
import pytest
from django.db import connection

from importer.single_flight import LOCK_SPACE, only_import_of
from tests.brokers.processes import database_url
from tests.importer.bi5_files import DAY, DAY_TICKS, PAYLOADS
from tests.importer.imports import run, series_of

pytestmark = pytest.mark.django_db


def test_only_import_of_holds_the_series_and_lets_go():
    with psycopg.connect(database_url(), autocommit=True) as other:
        with only_import_of(5, on_wait=pytest.fail):
            assert not try_lock(other, 5)
            assert try_lock(other, 6)
        assert try_lock(other, 5)


def test_only_import_of_lets_go_after_an_error():
    with psycopg.connect(database_url(), autocommit=True) as other:
        with pytest.raises(ZeroDivisionError), only_import_of(5, on_wait=pytest.fail):
            raise ZeroDivisionError
        assert try_lock(other, 5)


def test_only_import_of_a_held_series_says_so_and_waits():
    with psycopg.connect(database_url(), autocommit=True) as other:
        assert try_lock(other, 5)
        release = threading.Timer(
            0.05, other.execute, ("SELECT pg_advisory_unlock_all()",)
        )

        with only_import_of(5, on_wait=release.start):
            assert not try_lock(other, 5)
        release.join()


def try_lock(session, series_id):
    row = session.execute(
        "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, series_id)
    ).fetchone()
    return row[0]


def test_import_ticks_leaves_no_lock_behind(instruments):
    run(PAYLOADS, "2019-02-04T00", "2019-02-04T00")

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*)
            FROM pg_locks
            JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE locktype = %s AND classid = %s AND datname = current_database()
            """,
            ["advisory", LOCK_SPACE],
        )
        assert cursor.fetchone() == (0,)


def test_import_ticks_of_one_series_twice_at_once_stores_it_once(
    committed_instruments, manage
):
    argv = ["--from", DAY, "--to", DAY, f"--source=bi5-dir:{PAYLOADS}", "--json"]

    results = [process.result() for process in [manage(*argv), manage(*argv)]]

    hours = [json.loads(out)["hours"] for _, out, _ in results]
    assert [code for code, _, _ in results] == [0, 0]
    assert sorted(item["stored"] for item in hours) == [0, 24]
    assert sorted(item["unchanged"] for item in hours) == [0, 24]
    assert series_of().tick_count == DAY_TICKS
