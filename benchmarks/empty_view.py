"""An empty view on our server, by Django's handler or by ours: the least there can be.

python -m benchmarks.empty_view django|rest
"""

import asyncio
import sys

from marketdata.server import LiveServer, tcp_endpoint  # isort: skip  # before any of Django

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=[], ROOT_URLCONF=__name__, LOGGING_CONFIG=None
)

from history.rest_application import RestApplication  # noqa: E402


async def empty(request: HttpRequest) -> HttpResponse:
    """Answer two bytes."""
    return HttpResponse(b"{}", content_type="application/json")


urlpatterns = [path("empty", empty)]


def serve(kind: str) -> None:
    """Serve it on a free port until a signal comes."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    application = ASGIHandler() if kind == "django" else RestApplication(None, __name__)
    server = LiveServer(application, endpoints=[tcp_endpoint("127.0.0.1", 0)])
    server.on_listening = lambda host, port: print(f"listening {port}", flush=True)
    server.run()


if __name__ == "__main__":
    serve(sys.argv[1])
