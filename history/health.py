"""Whether this process and what it depends on are well: for people and for machines.

Every check ends within its own time limit, so an answer comes within 3 s even from a
database that accepts connections and says nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Any, Generic, TypeVar

import msgspec
import psycopg
import redis.asyncio
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from history.api_errors import json_response
from history.api_schema import documented_status
from history.database_address import conninfo
from history.endpoint import Endpoint
from marketdata.connections import connections
from marketdata.redis_pipe import redis_client

log = structlog.get_logger(__name__)

CHECK_TIMEOUT_S = 2.0  # leaves a third of the 3 s that a prober waits
SERVICE = "market-data-server"
# The addresses have no limit: what their answers cost is paid once in this time at
# most, however often somebody asks.
PAUSE_S = 0.1

Found = TypeVar("Found")


class StatusView(Endpoint):
    """What the views here have in common: JSON for all, as often as they like.

    Probers name a container by its address, which no setting knows.
    """

    is_limited = False
    has_page = False
    checks_host = False


class HealthBody(msgspec.Struct, omit_defaults=True):
    """`clients` are open WebSockets, `uptime` seconds; `reason` says what is wrong."""

    status: str
    database: str
    clients: int
    uptime: float
    reason: str = ""


class LiveBody(msgspec.Struct):
    """The process answers."""

    status: str
    service: str


class ReadyBody(LiveBody):
    """`activeUsers` are open WebSockets; a reason for each part that is away."""

    activeUsers: int
    reasons: list[str]


@documented_status("health", HealthBody, unwell=True)
class HealthView(StatusView):
    """`/health`, as server A answers it."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer 200, or 503 with the reason while there is no database."""
        problem = await database_problem()
        body = HealthBody(
            status="unhealthy" if problem else "healthy",
            database="disconnected" if problem else "connected",
            clients=connections.clients,
            uptime=connections.uptime_s,
            reason=problem,
        )
        return json_response(body, 503 if problem else 200)


@documented_status("live", LiveBody)
class LiveView(StatusView):
    """`/health/live`, `/healthz`: the process answers."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer 200, whatever the state of anything else."""
        return json_response(LiveBody("ok", SERVICE))


@documented_status("healthz", LiveBody)
class HealthzView(LiveView):
    """The same under Kubernetes' name."""


@documented_status("ready", ReadyBody, unwell=True)
class ReadyView(StatusView):
    """`/health/ready`, `/readyz`: what is configured can be reached."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer 200, or 503 with a reason for each part that is away."""
        checks = [redis_problem()]
        # A server that is meant to stream alone is ready without a database.
        if settings.DATABASE_URL:
            checks.append(database_problem())
        reasons = [problem for problem in await asyncio.gather(*checks) if problem]
        status = "unavailable" if reasons else "ok"
        body = ReadyBody(status, SERVICE, connections.clients, reasons)
        return json_response(body, 503 if reasons else 200)


@documented_status("readyz", ReadyBody, unwell=True)
class ReadyzView(ReadyView):
    """The same under Kubernetes' name."""


class SharedCheck(Generic[Found]):
    """A check that runs once at a time, however many ask: each waits for its result.

    Called often, it would otherwise take as many connections as it is asked. It begins
    ``pause_s`` after it last began at the soonest; who asks before waits for that.
    """

    def __init__(
        self, check: Callable[..., Awaitable[Found]], *, pause_s: float = 0
    ) -> None:
        self._check = check
        self._pause_s = pause_s
        self._begun_s = -inf
        self._running: asyncio.Future[Found] | None = None

    async def __call__(self, *given: Any) -> Found:
        """Return what the check returns; it is given what the first who asks gives."""
        running = self._running
        if running is None or running.done() or not _is_of_this_loop(running):
            running = self._running = asyncio.ensure_future(self._run(given))
        return await asyncio.shield(running)

    async def _run(self, given: Sequence[Any]) -> Found:
        await asyncio.sleep(self._begun_s + self._pause_s - time.monotonic())
        self._begun_s = time.monotonic()
        return await self._check(*given)


def _is_of_this_loop(future: asyncio.Future[Any]) -> bool:
    return future.get_loop() is asyncio.get_running_loop()


async def _ask_database() -> str:
    """Return why the database cannot be used, empty if it answers a query.

    The connection is a new one: those of requests may have been cut unnoticed, and
    this one can be given up in time.
    """
    if not settings.DATABASE_URL:
        return "database: DATABASE_URL is not set"
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            async with await psycopg.AsyncConnection.connect(conninfo()) as database:
                await database.execute("SELECT 1")
    except (psycopg.Error, OSError) as exc:
        log.warning("database does not answer", error=type(exc).__name__)
        return "database: no answer"
    return ""


async def _ask_redis() -> str:
    """Return why Redis cannot be used, empty if it answers a ping."""
    client = redis_client(settings.REDIS_URL)
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await client.ping()
    except (redis.RedisError, OSError) as exc:
        log.warning("redis does not answer", error=type(exc).__name__)
        return "redis: no answer"
    finally:
        await client.aclose()
    return ""


database_problem = SharedCheck(_ask_database, pause_s=PAUSE_S)
redis_problem = SharedCheck(_ask_redis, pause_s=PAUSE_S)
