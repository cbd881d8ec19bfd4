"""Indexes of ticks: dropped, made again, whole on every chunk, whatever happened."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from structlog.testing import capture_logs

from history import tick_indexes
from history.tick_indexes import (
    configured_indexes,
    drop_indexes,
    recreate_indexes,
    select_indexes,
    without_indexes,
)
from tests.brokers.processes import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def indexes(settings, transactional_db):
    """Ticks in three chunks, and both indexes; none when the test is over."""
    settings.TICK_INDEXES = ["time", "brin"]
    execute(
        """
        INSERT INTO ticks (series_id, time, seq, bid, ask)
        SELECT 1, time, 0, 1, 1
        FROM generate_series('2001-01-01'::timestamptz, '2001-03-15', '1 hour') AS time
        """
    )
    recreate_indexes()
    yield
    drop_indexes()


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def everything():
    """Return each index of ticks and its chunks: table, name, definition, validity."""
    return execute(
        """
        SELECT i.indrelid::regclass::text, c.relname, i.indisvalid,
               pg_get_indexdef(i.indexrelid)
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'ticks'::regclass
           OR i.indrelid IN (SELECT show_chunks('ticks'))
        ORDER BY 1, 2
        """
    )


def complete():
    return {state.name: state.is_complete for state in select_indexes()}


WHOLE = {"ticks_pkey": True, "ticks_time_brin": True, "ticks_time_idx": True}


def test_drop_and_recreate_give_the_same_indexes():
    before = everything()

    dropped = drop_indexes()
    between = complete()
    made = recreate_indexes()

    assert sorted(dropped) == sorted(made) == ["ticks_time_brin", "ticks_time_idx"]
    assert between == {
        "ticks_pkey": True,
        "ticks_time_brin": False,
        "ticks_time_idx": False,
    }
    assert everything() == before
    assert len(before) >= 3 * 3
    assert (drop_indexes(), drop_indexes()) == (dropped, [])
    assert (recreate_indexes(), recreate_indexes()) == (made, [])
    assert complete() == WHOLE


def test_recreate_indexes_finishes_a_build_that_was_killed():
    drop_indexes()
    execute("CREATE INDEX ticks_time_idx ON ticks (time)")
    chunk = execute("SELECT min(chunk::text) FROM show_chunks('ticks') AS chunk")[0][0]
    name = execute(
        f"""
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = '{chunk}'::regclass AND NOT indisprimary
        """
    )[0][0]
    execute(f"DROP INDEX {name}")
    gaps = {state.name: list(state.gaps) for state in select_indexes()}

    made = recreate_indexes()

    assert gaps["ticks_time_idx"] == [chunk]
    assert sorted(made) == ["ticks_time_brin", "ticks_time_idx"]
    assert complete() == WHOLE


def test_recreate_indexes_replaces_one_that_is_not_valid():
    execute("UPDATE pg_index SET indisvalid = FALSE "
            "WHERE indexrelid = 'ticks_time_idx'::regclass")  # fmt: skip

    assert not complete()["ticks_time_idx"]
    assert recreate_indexes() == ["ticks_time_idx"]
    assert complete() == WHOLE


def test_without_indexes_brings_them_back_if_the_block_fails():
    before = everything()

    def fail():
        with without_indexes():
            assert not complete()["ticks_time_idx"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert everything() == before


def test_without_indexes_brings_back_one_that_went_before_the_drop_failed(
    monkeypatch,
):
    before = everything()
    drop = tick_indexes._drop

    def drop_one(name):
        if name == "ticks_time_idx":
            raise OperationalError("canceling statement due to statement timeout")
        drop(name)

    with monkeypatch.context() as patch:
        patch.setattr(tick_indexes, "_drop", drop_one)
        with pytest.raises(OperationalError, match="timeout"), without_indexes():
            pass

    assert everything() == before


def test_without_indexes_brings_them_back_over_a_new_connection():
    before = everything()

    def break_the_session():
        with without_indexes():
            pid = connection.connection.info.backend_pid
            with psycopg.connect(database_url(), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            execute("SELECT 1")

    with pytest.raises(OperationalError, match="terminat"):
        break_the_session()

    assert everything() == before


def test_without_indexes_says_what_to_run_if_it_cannot_bring_them_back(monkeypatch):
    def refuse():
        raise OperationalError("the database is shutting down")

    monkeypatch.setattr(tick_indexes, "recreate_indexes", refuse)
    with (
        capture_logs() as logs,
        pytest.raises(ValueError, match="block"),
        without_indexes(),
    ):
        raise ValueError("the block's own")

    assert logs == [
        {
            "event": "indexes of ticks are missing, run recreate_indexes",
            "error": "the database is shutting down",
            "log_level": "error",
        }
    ]


def test_drop_indexes_leaves_what_no_setting_names(settings):
    settings.TICK_INDEXES = ["brin"]

    assert drop_indexes() == ["ticks_time_brin"]
    assert complete() == WHOLE | {"ticks_time_brin": False}
    settings.TICK_INDEXES = ["time", "brin"]


def test_drop_indexes_gives_up_where_somebody_holds_the_table(monkeypatch):
    monkeypatch.setattr(tick_indexes, "DROP_TRIES", 1)
    monkeypatch.setattr(tick_indexes, "DROP_TIMEOUT_MS", 50)
    with psycopg.connect(database_url()) as reader:
        reader.execute("SELECT count(*) FROM ticks")

        with pytest.raises(OperationalError):
            drop_indexes()

    assert complete() == WHOLE


def test_compat_check_45_dropping_and_making_do_not_block_readers_for_a_second():
    stop = threading.Event()

    def read():
        limit = "-c lock_timeout=1s"
        with psycopg.connect(database_url(), autocommit=True, options=limit) as reader:
            count = 0
            while not stop.is_set():
                reader.execute("SELECT max(bid) FROM ticks WHERE time < '2001-02-15'")
                count += 1
        return count

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        try:
            for _ in range(2):
                drop_indexes()
                recreate_indexes()
        finally:
            stop.set()

    assert reading.result() > 0


def test_configured_indexes_of_an_unknown_kind_says_which_there_are(settings):
    settings.TICK_INDEXES = ["hash"]

    with pytest.raises(ImproperlyConfigured, match="of time, brin, found hash"):
        configured_indexes()
    settings.TICK_INDEXES = []


def test_commands_list_what_there_is():
    drop, recreate = StringIO(), StringIO()

    call_command("drop_indexes", stdout=drop)
    call_command("recreate_indexes", stdout=recreate)

    lines = drop.getvalue().splitlines()
    assert sorted(lines[:2]) == ["dropped ticks_time_brin", "dropped ticks_time_idx"]
    assert lines[2].startswith("ticks_pkey")
    assert lines[2].endswith("complete, the key")
    assert lines[3].endswith("missing")
    assert sorted(recreate.getvalue().splitlines()[:2]) == [
        "made ticks_time_brin",
        "made ticks_time_idx",
    ]
    assert recreate.getvalue().splitlines()[-1].endswith("  complete")


def test_recreate_indexes_command_at_a_start_makes_only_what_is_missing():
    first, second = StringIO(), StringIO()
    drop_indexes()

    call_command("recreate_indexes", "--only-missing", stdout=first)
    before = last_analyze()
    call_command("recreate_indexes", "--only-missing", stdout=second)

    assert first.getvalue().startswith("made ticks_time_")
    assert complete() == WHOLE
    assert (second.getvalue(), last_analyze()) == ("", before)


def last_analyze():
    return execute(
        """
        SELECT pg_stat_force_next_flush(), max(last_analyze)
        FROM pg_stat_user_tables
        WHERE relid IN (SELECT show_chunks('ticks'))
        """
    )[0][1]


def test_recreate_indexes_command_fails_if_one_is_not_complete(monkeypatch):
    drop_indexes()
    command = "history.management.commands.recreate_indexes.recreate_indexes"
    monkeypatch.setattr(command, list)

    with pytest.raises(CommandError, match="found ticks_time_brin, ticks_time_idx"):
        call_command("recreate_indexes", stdout=StringIO())
