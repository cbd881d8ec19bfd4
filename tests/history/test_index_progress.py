"""`manage.py recreate_indexes` from outside: how far it is, and Ctrl-C in its SQL."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from history.tick_indexes import _LOCK, select_indexes
from tests.brokers.processes import database_url
from tests.marketdata.server_process import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def select(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def locked():
    """Ticks in three chunks, and the lock that drops and builds take."""
    select(
        """
        INSERT INTO ticks (series_id, time, seq, bid, ask)
        SELECT 1, time, 0, 1, 1
        FROM generate_series('2001-01-01'::timestamptz, '2001-03-15', '1 hour') AS time
        """
    )
    select("SELECT pg_advisory_lock(%s)", _LOCK)
    yield
    select("SELECT pg_advisory_unlock(%s)", _LOCK)


def waiting():
    return select(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s "
        "AND NOT granted",
        _LOCK,
    )


def test_recreate_indexes_tells_how_far_it_is_and_stops_by_ctrl_c(locked):
    chunks = len(select("SELECT show_chunks('ticks')"))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "recreate_indexes", "--json"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "DATABASE_URL": database_url(), "TICK_INDEXES": "time"},
    )  # fmt: skip

    line = process.stderr.readline()
    was_waiting = waiting()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert line == f"ticks_time_idx: 0 of {chunks} chunks\n"
    assert was_waiting
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == (
        "CommandError: stopped; an index that is not complete is made by the next run"
    )
    assert "Traceback" not in err
    assert waiting() == []
    assert {state.name for state in select_indexes()} == {"ticks_pkey"}
