"""Whether this process and what it depends on are well: for people and for machines.

Every check ends within its own time limit, so an answer comes within 3 s even from a
database that accepts connections and says nothing.
"""

import asyncio

import psycopg
import redis.asyncio
import structlog
from django.conf import settings
from django.db import connections as databases
from django.http import HttpRequest, HttpResponse
from django.views import View
from psycopg.conninfo import make_conninfo

from history.api_errors import error_response, json_response
from marketdata.connections import connections

log = structlog.get_logger(__name__)

CHECK_TIMEOUT_S = 2.0  # leaves a third of the 3 s that a prober waits
SERVICE = "market-data-server"
# Options of a Django database that are not libpq's.
_DJANGO_OPTIONS = {"pool", "isolation_level", "server_side_binding", "assume_role"}


class StatusView(View):
    """What the views here have in common: JSON for all, GET and HEAD alone."""

    http_method_names = ["get", "head"]

    async def http_method_not_allowed(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponse:
        """Answer 405 in the shape of all errors."""
        response = error_response("METHOD_NOT_ALLOWED")
        response.headers["Allow"] = "GET, HEAD"
        return response


class HealthView(StatusView):
    """`/health`, as server A answers it."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer 200, or 503 with the reason while there is no database."""
        problem = await database_problem()
        body = {
            "status": "unhealthy" if problem else "healthy",
            "database": "disconnected" if problem else "connected",
            "clients": connections.clients,
            "uptime": connections.uptime_s,
        }
        if problem:
            return json_response({**body, "reason": problem}, 503)
        return json_response(body)


class LiveView(StatusView):
    """`/health/live`, `/healthz`: the process answers."""

    async def get(self, request: HttpRequest, *args: str) -> HttpResponse:
        """Answer 200, whatever the state of anything else."""
        return json_response({"status": "ok", "service": SERVICE})


class ReadyView(StatusView):
    """`/health/ready`, `/readyz`: what is configured can be reached."""

    async def get(self, request: HttpRequest, *args: str) -> HttpResponse:
        """Answer 200, or 503 with a reason for each part that is away."""
        checks = [redis_problem()]
        # A server that is meant to stream alone is ready without a database.
        if settings.DATABASE_URL:
            checks.append(database_problem())
        reasons = [problem for problem in await asyncio.gather(*checks) if problem]
        body = {
            "status": "unavailable" if reasons else "ok",
            "service": SERVICE,
            "activeUsers": connections.clients,
            "reasons": reasons,
        }
        return json_response(body, 503 if reasons else 200)


class MetricsView(StatusView):
    """`/metrics`, as server A answers it."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer the numbers of this process."""
        return json_response(
            {
                "connections": connections.clients,
                "subscriptions": connections.subscriptions,
            }
        )


async def database_problem() -> str:
    """Return why the database cannot be used, empty if it answers a query.

    The connection is a new one: those of requests may have been cut unnoticed, and
    this one can be given up in time.
    """
    if not settings.DATABASE_URL:
        return "database: DATABASE_URL is not set"
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            async with await psycopg.AsyncConnection.connect(_conninfo()) as database:
                await database.execute("SELECT 1")
    except (psycopg.Error, OSError) as exc:
        log.warning("database does not answer", error=type(exc).__name__)
        return "database: no answer"
    return ""


async def redis_problem() -> str:
    """Return why Redis cannot be used, empty if it answers a ping."""
    client = redis.asyncio.from_url(settings.REDIS_URL)
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await client.ping()
    except (redis.RedisError, OSError) as exc:
        log.warning("redis does not answer", error=type(exc).__name__)
        return "redis: no answer"
    finally:
        await client.aclose()
    return ""


def _conninfo() -> str:
    """Return where the database is; in tests that is the test database."""
    values = databases["default"].settings_dict
    options = {
        name: value
        for name, value in values["OPTIONS"].items()
        if name not in _DJANGO_OPTIONS
    }
    return make_conninfo(
        host=values["HOST"],
        port=values["PORT"],
        user=values["USER"],
        password=values["PASSWORD"],
        dbname=values["NAME"],
        **options,
    )
