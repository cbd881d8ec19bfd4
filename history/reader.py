"""Runs the statements of REST on connections of its own, in the event loop.

Django's connections live in threads, and the way there and back costs a request more
than its statements do (0.3 against 0.1 ms). These are read only, binary, prepared.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
import psycopg
from django.conf import settings
from psycopg.pq import Format
from psycopg_pool import AsyncConnectionPool

from history.array_loaders import register_array_loaders
from history.columns import Array
from history.database_address import conninfo
from history.exceptions import DatabaseUnavailable
from history.statement import Statement

APPLICATION_NAME = "marketdata rest"  # in pg_stat_activity
STATEMENT_TIMEOUT_S = 30  # of one page of an answer
# After an outage a connection is tried again this late at most.
RECONNECT_S = 5.0


class Plans(Enum):
    """How PostgreSQL plans a prepared statement.

    A range of time wants a plan of its own, which leaves out the chunks of other times.
    A lookup wants one plan for all its values: planning costs 0.6 of its 0.8 ms.
    """

    OF_EACH = "force_custom_plan"
    ONE_FOR_ALL = "force_generic_plan"


class Reader:
    """Fetches rows; belongs to the event loop of its first statement."""

    def __init__(self, *, max_connections: int, timeout_s: float, plans: Plans) -> None:
        self._max_connections = max_connections
        self._plans = plans
        self._timeout_s = timeout_s
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] | None = None
        self._opening = asyncio.Lock()
        self.statements = 0

    async def fetch(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows; arrays of numbers are numpy arrays.

        Raises:
            DatabaseUnavailable: there is none by the settings.
            psycopg.Error: the database is away, or the statement took too long.
        """
        if not settings.DATABASE_URL:
            raise DatabaseUnavailable
        pool = self._pool or await self._open()
        try:
            return await self._fetch(pool, statement, parameters)
        except _ConnectionCut:
            # A restart of the database cuts idle connections unnoticed: look at all
            # of them now. Asking each before its use would be a round trip more.
            await pool.check()
        return await self._fetch(pool, statement, parameters)

    async def fetch_columns(
        self, statement: Statement, expressions: Sequence[str]
    ) -> list[Array]:
        """Return columns of numbers, in the order of the statement's rows.

        Args:
            expressions: of columns of the statement; none may give NULL.
        """
        sql = _as_columns(statement.sql, tuple(expressions))
        rows = await self.fetch(sql, statement.parameters)
        return [np.empty(0) if column is None else column for column in rows[0]]

    async def close(self) -> None:
        """Close the connections; the next statement opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _fetch(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        statement: str,
        parameters: Mapping[str, Any] | None,
    ) -> list[tuple[Any, ...]]:
        self.statements += 1
        async with pool.connection() as connection:
            try:
                cursor = psycopg.AsyncCursor(connection)
                cursor.format = Format.BINARY
                await cursor.execute(statement.encode(), parameters)
                return await cursor.fetchall()
            except psycopg.OperationalError as exc:
                if connection.closed:
                    raise _ConnectionCut(str(exc)) from exc
                raise

    async def _open(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
        async with self._opening:
            if self._pool is None:
                pool = AsyncConnectionPool(
                    conninfo(),
                    kwargs={
                        "autocommit": True,
                        "prepare_threshold": 0,
                        "application_name": APPLICATION_NAME,
                    },
                    configure=self._configure,
                    min_size=1,
                    max_size=self._max_connections,
                    timeout=self._timeout_s,
                    reconnect_timeout=RECONNECT_S,
                    open=False,
                )
                await pool.open()
                self._pool = pool
            return self._pool

    async def _configure(self, connection: psycopg.AsyncConnection[Any]) -> None:
        register_array_loaders(connection)
        await connection.execute(
            f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; SET jit = off; "
            f"SET plan_cache_mode = {self._plans.value}",
            prepare=False,
        )


class _ConnectionCut(psycopg.OperationalError):
    """Raised when the connection was lost, before or during a statement."""


@lru_cache(maxsize=1024)
def _as_columns(sql: str, expressions: tuple[str, ...]) -> str:
    arrays = ", ".join(f"array_agg({expression})" for expression in expressions)
    return f"SELECT {arrays} FROM ({sql}) AS r"
