"""The ASGI application: Django over HTTP, the live side over WebSocket.

Runs under `manage.py serve` and, without its extras, under any ASGI server:
`daphne config.asgi:application`.
"""

import os
from uuid import uuid4

from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http_application = get_asgi_application()

# These need Django set up.
from marketdata.catalog_store import load_catalog_in_thread  # noqa: E402
from marketdata.consumer import LiveConsumer  # noqa: E402
from marketdata.dialects import Dialect, ServerFacts  # noqa: E402
from marketdata.runtime import Options, Runtime  # noqa: E402
from marketdata.session import UNIFIED  # noqa: E402


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
            max_subscriptions=settings.MAX_SUBSCRIPTIONS,
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
        "http": http_application,
        "websocket": LiveConsumer.as_asgi(runtime=runtime),
    }
)
