"""The ASGI application: Django over HTTP, the live side over WebSocket.

Runs under `manage.py serve` and, without its extras, under any ASGI server:
`daphne config.asgi:application`.
"""

import copy
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from structlog.contextvars import bind_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# These need Django set up. Its pages come now, not in the loop at the first request.
import config.urls  # noqa: E402, F401
from brokers.enabled_metrics import enabled_metrics  # noqa: E402
from config.accounts import make_accounts, make_connection_limits  # noqa: E402
from config.request_ids import request_id_of, with_request_id  # noqa: E402
from config.sides import HealthApplication, refuse_websocket  # noqa: E402
from history.answer_cache import AnswerCache  # noqa: E402
from history.clients import Clients  # noqa: E402
from history.http_counts import counted, http_counts  # noqa: E402
from history.live_pages import LivePages  # noqa: E402
from history.rate_limits import RateLimiter  # noqa: E402
from history.reader import Plans, Reader  # noqa: E402
from history.rest_application import RestApplication  # noqa: E402
from history.rest_services import RestServices  # noqa: E402
from importer.import_metrics import import_metrics  # noqa: E402
from marketdata.accounts import Accounts  # noqa: E402
from marketdata.addresses import AddressReader  # noqa: E402
from marketdata.admission import Admission  # noqa: E402
from marketdata.broker_credentials import owner_key  # noqa: E402
from marketdata.catalog_store import CatalogLoader  # noqa: E402
from marketdata.connections import connections  # noqa: E402
from marketdata.consumer import LiveConsumer  # noqa: E402
from marketdata.dialect_paths import ROOT_DIALECTS, dialect_of  # noqa: E402
from marketdata.dialects import ServerFacts  # noqa: E402
from marketdata.own_metrics import own_metrics  # noqa: E402
from marketdata.past import Past  # noqa: E402
from marketdata.runtime import Options, Runtime  # noqa: E402
from marketdata.sessions.gateway import gateway_dialect  # noqa: E402
from marketdata.web_metrics import client_metrics  # noqa: E402

# First parts of the paths that need no session, user or middleware, and those below
# them that do: pages of packages, with templates.
REST_PATHS = {"api", "udf", "health", "healthz", "readyz", "metrics"}
PAGES = ("/api/schema", "/api/docs")


def make_rest(accounts: Accounts) -> RestApplication:
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
        identify=Clients(
            accounts,
            AddressReader(settings.TRUSTED_PROXIES),
            limits_loopback=settings.RATE_LIMIT_LOOPBACK,
            is_limited=not settings.RATE_LIMIT_DISABLED,
        ),
        allowed_origins=settings.ALLOWED_ORIGINS,
        cache=AnswerCache(settings.REST_CACHE_BYTES),
        shared_metrics=[import_metrics, enabled_metrics],
    )
    return RestApplication(services, "config.rest_urls")


class HttpApplication:
    """Serves REST by the application made for it, everything else by Django's."""

    def __init__(self, rest: RestApplication) -> None:
        self._rest = rest
        self._pages = counted(django_application, "pages")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request; log lines of it have its id, and so has the answer."""
        request_id = request_id_of(scope)
        bind_contextvars(request=request_id)
        send = with_request_id(send, request_id)
        path = scope["path"]
        is_rest = path[1:].partition("/")[0] in REST_PATHS
        if is_rest and not path.startswith(PAGES):
            await self._rest(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


class Application(ProtocolTypeRouter):
    """HTTP and WebSocket.

    Our server asks ``admits`` before a WebSocket's handshake, and calls ``start``.
    """

    def __init__(self, rest: RestApplication, runtime: Runtime) -> None:
        self._rest = rest
        self._runtime = runtime
        self._starts: Callable[[], Awaitable[Any]] = runtime.hub
        self.admits = runtime.options.admission.admits
        super().__init__(
            {
                "http": HttpApplication(rest),
                "websocket": LiveConsumer.as_asgi(runtime=runtime),
            }
        )

    async def start(self) -> None:
        """Begin to report and to load the catalog; other servers' first client does."""
        await self._starts()

    def only(self, side: str) -> "Application":
        """Return what serves ``ws`` and health checks, or ``http``, alone."""
        part = copy.copy(self)
        instead: dict[str, Any] = {"websocket": refuse_websocket}
        if side == "http":
            part._starts = self._runtime.answer_only
        if side == "ws":
            instead = {"http": HealthApplication(self._rest)}
        part.application_mapping = {**self.application_mapping, **instead}
        return part


def make_past() -> Past:
    """Return what live sessions read of the store, on connections of their own."""
    reader = Reader(
        max_connections=settings.REST_CONNECTIONS,
        timeout_s=settings.DB_CONNECT_TIMEOUT_S,
        plans=Plans.OF_EACH,
    )
    return Past(LivePages(reader, max_queries=settings.REST_CONNECTIONS))


def make_runtime(admission: Admission) -> Runtime:
    """Return the live side as the settings want it."""
    facts = ServerFacts(
        server=uuid4().hex[:8],
        heartbeat_s=settings.HEARTBEAT_S,
        max_frame_bytes=settings.MAX_FRAME_BYTES,
        max_queue_bytes=settings.MAX_QUEUE_BYTES,
    )
    root = settings.WS_ROOT_DIALECT
    if root not in ROOT_DIALECTS:
        raise ImproperlyConfigured(
            f"WS_ROOT_DIALECT: expected {', '.join(ROOT_DIALECTS)}, found {root!r}"
        )
    gateway = gateway_dialect(
        new_connection_id=lambda: str(uuid4()), now_us=lambda: time.time_ns() // 1_000
    )
    options = Options(
        facts=facts,
        dialect_of=partial(dialect_of, root=root, gateway=gateway),
        admission=admission,
        grace_s=settings.GROUP_GRACE_S,
        catalog_refresh_s=settings.CATALOG_REFRESH_S,
        auth_timeout_s=settings.AUTH_TIMEOUT_S,
        max_malformed=settings.WS_MAX_MALFORMED,
        feed_silent_s=settings.FEED_SILENT_S,
        ring_bytes=settings.RING_BYTES,
        statistics_s=settings.STATISTICS_S,
        owner_key=owner_key(settings.SECRET_KEY),
    )
    return Runtime(
        get_channel_layer(),
        CatalogLoader().load_in_thread,
        options,
        make_past=make_past,
        control=get_channel_layer("control"),
    )


own_metrics.add(partial(client_metrics, connections))
own_metrics.add(http_counts.families)
accounts = make_accounts()
admission = Admission(
    accounts,
    make_connection_limits(),
    AddressReader(settings.TRUSTED_PROXIES),
    tuple(settings.ALLOWED_ORIGINS),
)
application = Application(make_rest(accounts), make_runtime(admission))
