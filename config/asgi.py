"""The ASGI application: Django over HTTP, the live side over WebSocket.

Runs under `manage.py serve` and, without its extras, under any ASGI server:
`daphne config.asgi:application`.
"""

import os
from typing import Any
from uuid import uuid4

from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# These need Django set up.
from history.answer_cache import AnswerCache  # noqa: E402
from history.clients import AnonymousClients  # noqa: E402
from history.rate_limits import RateLimiter  # noqa: E402
from history.reader import Plans, Reader  # noqa: E402
from history.rest_application import RestApplication  # noqa: E402
from history.rest_services import RestServices  # noqa: E402
from marketdata.catalog_store import load_catalog_in_thread  # noqa: E402
from marketdata.consumer import LiveConsumer  # noqa: E402
from marketdata.dialects import Dialect, ServerFacts  # noqa: E402
from marketdata.runtime import Options, Runtime  # noqa: E402
from marketdata.sessions.unified import UNIFIED  # noqa: E402

# First parts of the paths that need no session, user or middleware, and those below
# them that do: pages of packages, with templates.
REST_PATHS = {"api", "udf", "health", "healthz", "readyz", "metrics"}
PAGES = ("/api/schema", "/api/docs")


def make_rest() -> RestApplication:
    """Return REST as the settings want it."""
    lookups, reader = (
        Reader(
            max_connections=settings.REST_CONNECTIONS,
            timeout_s=settings.DB_CONNECT_TIMEOUT_S,
            plans=plans,
        )
        for plans in (Plans.ONE_FOR_ALL, Plans.OF_EACH)
    )
    services = RestServices(
        lookups=lookups,
        reader=reader,
        limiter=RateLimiter(settings.REDIS_URL, settings.CHANNEL_PREFIX),
        identify=AnonymousClients(
            requests_per_min=settings.REST_REQUESTS_PER_MIN,
            trusted_proxies=settings.TRUSTED_PROXIES,
            limits_loopback=settings.RATE_LIMIT_LOOPBACK,
        ),
        allowed_origins=settings.ALLOWED_ORIGINS,
        cache=AnswerCache(settings.REST_CACHE_BYTES),
    )
    return RestApplication(services, "config.rest_urls")


class HttpApplication:
    """Serves REST by the application made for it, everything else by Django's."""

    def __init__(self, rest: RestApplication) -> None:
        self._rest = rest

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        path = scope["path"]
        is_rest = path[1:].partition("/")[0] in REST_PATHS
        if is_rest and not path.startswith(PAGES):
            await self._rest(scope, receive, send)
        else:
            await django_application(scope, receive, send)


def dialect_of(path: str) -> Dialect:
    """Return what is spoken on a WebSocket path; the only table of paths."""
    return UNIFIED


runtime = Runtime(
    get_channel_layer(),
    load_catalog_in_thread,
    Options(
        facts=ServerFacts(
            server=uuid4().hex[:8],
            heartbeat_s=settings.HEARTBEAT_S,
            max_frame_bytes=settings.MAX_FRAME_BYTES,
            max_queue_bytes=settings.MAX_QUEUE_BYTES,
        ),
        dialect_of=dialect_of,
        allowed_origins=tuple(settings.ALLOWED_ORIGINS),
        grace_s=settings.GROUP_GRACE_S,
        catalog_refresh_s=settings.CATALOG_REFRESH_S,
    ),
)
application = ProtocolTypeRouter(
    {
        "http": HttpApplication(make_rest()),
        "websocket": LiveConsumer.as_asgi(runtime=runtime),
    }
)
