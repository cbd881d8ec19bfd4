"""The page at `/`; live data come over WebSocket, not from views."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# The chart library sets styles of its own, so these are not held to our files.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def index(request: HttpRequest) -> HttpResponse:
    """Show the watch list and the chart."""
    response = render(request, "index.html")
    policy = CONTENT_SECURITY_POLICY.format(host=request.get_host())
    response["Content-Security-Policy"] = policy
    response["Cache-Control"] = "no-cache"
    return response
