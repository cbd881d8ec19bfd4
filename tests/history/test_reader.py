"""The reader's own connections; the tests' are Django's."""

import asyncio

import psycopg
import pytest

from history import reader as reader_module
from history.exceptions import DatabaseUnavailable
from history.reader import Plans, Reader
from history.statement import Statement
from tests.marketdata.polling import STALL_S

pytestmark = pytest.mark.django_db


def run(use, **settings):
    """Return what ``use(reader)`` gives, in a loop of its own."""

    async def main():
        options = {"max_connections": 2, "timeout_s": 2, "plans": Plans.OF_EACH}
        reader = Reader(**{**options, **settings})
        try:
            return await use(reader)
        finally:
            await reader.close()

    return asyncio.run(main())


def test_fetch_returns_rows_with_parameters():
    async def use(reader):
        return await reader.fetch("SELECT %(a)s::int, 'x'", {"a": 7})

    assert run(use) == [(7, "x")]


def test_fetch_columns_returns_an_array_per_expression_in_order():
    async def use(reader):
        statement = Statement(
            "SELECT n, n / 2.0::float8 AS half FROM generate_series(1, %(to)s) AS n "
            "ORDER BY n DESC",
            {"to": 3},
        )
        return await reader.fetch_columns(statement, ("r.half", "r.n"))

    half, n = run(use)

    assert (half.tolist(), n.tolist()) == ([1.5, 1.0, 0.5], [3, 2, 1])


def test_fetch_columns_of_nothing_returns_empty_arrays():
    async def use(reader):
        statement = Statement("SELECT 1::int8 AS n WHERE FALSE", {})
        return await reader.fetch_columns(statement, ("r.n",))

    assert [len(column) for column in run(use)] == [0]


@pytest.mark.parametrize("plans", list(Plans))
def test_connections_are_set_up(plans):
    async def use(reader):
        return await reader.fetch(
            "SELECT current_setting('plan_cache_mode'), "
            "current_setting('statement_timeout'), current_setting('jit')"
        )

    assert run(use, plans=plans) == [(plans.value, "30s", "off")]


def test_statements_run_at_the_same_time():
    async def use(reader):
        started = asyncio.get_running_loop().time()
        pauses = (reader.fetch("SELECT pg_sleep(0.3)") for _ in range(2))
        await asyncio.gather(*pauses)
        return asyncio.get_running_loop().time() - started

    assert run(use) < 0.6


def test_fetch_after_all_connections_were_cut_opens_new_ones():
    async def use(reader):
        await asyncio.gather(*(reader.fetch("SELECT pg_sleep(0.1)") for _ in range(2)))
        pids = await reader.fetch("SELECT pg_backend_pid()")
        async with await psycopg.AsyncConnection.connect(
            reader_module.conninfo(), autocommit=True
        ) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = %s",
                (reader_module.APPLICATION_NAME,),
            )
        return pids, await reader.fetch("SELECT pg_backend_pid()")

    before, after = run(use)

    assert before != after


def test_fetch_of_a_statement_that_takes_too_long_ends(monkeypatch):
    monkeypatch.setattr(reader_module, "STATEMENT_TIMEOUT_S", 1)

    async def use(reader):
        with pytest.raises(psycopg.errors.QueryCanceled):
            await reader.fetch("SELECT pg_sleep(5)")
        return await reader.fetch("SELECT 1")

    assert run(use) == [(1,)]


def test_fetch_from_a_database_that_is_away_ends_in_time(monkeypatch):
    monkeypatch.setattr(
        reader_module, "conninfo", lambda: "host=127.0.0.1 port=1 dbname=x"
    )

    async def use(reader):
        started = asyncio.get_running_loop().time()
        with pytest.raises(psycopg.OperationalError):
            await reader.fetch("SELECT 1")
        return asyncio.get_running_loop().time() - started

    assert run(use, timeout_s=1) < 1 + STALL_S


def test_fetch_without_database_url_says_so(settings):
    settings.DATABASE_URL = ""

    async def use(reader):
        with pytest.raises(DatabaseUnavailable):
            await reader.fetch("SELECT 1")

    run(use)


def test_close_and_fetch_again_opens_new_connections():
    async def use(reader):
        await reader.fetch("SELECT 1")
        await reader.close()
        return await reader.fetch("SELECT 2")

    assert run(use) == [(2,)]
