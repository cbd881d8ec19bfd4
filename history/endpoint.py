"""What all addresses of REST have in common, whichever app they belong to.

An endpoint answers programs by an async function. DRF is there for people: its page
wraps the same answer, and its description of the view becomes the OpenAPI document.
"""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, HttpResponse
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from history.api_errors import add_headers, error_response, response_to
from history.clients import Client
from history.codes import RestCode
from history.cors import cors_headers, preflight_headers
from history.exceptions import RateLimitExceeded
from history.formats import Format, accepted_format
from history.renderers import AlwaysThePage, FastJSONRenderer
from history.rest_services import RestServices

_METHODS = "GET, HEAD, OPTIONS"
# What tells who asks. To look for them in `request.headers` takes 4 us.
_SHOWN = {
    "HTTP_AUTHORIZATION": "authorization",
    "HTTP_X_API_KEY": "x-api-key",
    "HTTP_X_REAL_IP": "x-real-ip",
}
_COMMON_HEADERS = {
    "Vary": "Accept, Origin",
    "X-Content-Type-Options": "nosniff",
}


class Endpoint(APIView):
    """One address; a subclass writes ``answer`` and is listed among the addresses."""

    renderer_classes = [FastJSONRenderer, BrowsableAPIRenderer]
    content_negotiation_class = AlwaysThePage
    # What probers and meters ask for is neither counted nor wrapped into a page.
    is_limited = True
    has_page = True
    checks_host = True
    too_many = "Too many requests from this IP, please try again later"

    # Takes whatever parts of the path its address names.
    async def answer(self, request: HttpRequest, *_: Any, **path: Any) -> HttpResponse:
        """Return the answer to GET; what it raises becomes the answer of an error.

        ``request.services`` has what endpoints share, ``request.form`` is what Accept
        asks for, ``request.client`` who asks, where requests are counted.
        """
        raise NotImplementedError

    def get(self, request: Request, **path: str) -> Response:
        """Return DRF's page of the answer; it runs in a thread, the answer does not."""
        found = async_to_sync(_respond)(self, request._request, path)
        headers = {**found.headers}
        headers.pop("Content-Type", None)
        body = msgspec.json.decode(found.content) if found.content else None
        return Response(body, status=found.status_code, headers=headers)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, which is async."""
        page = sync_to_async(_rendered(super().as_view()), thread_sensitive=False)

        async def view(request: HttpRequest, **path: str) -> HttpResponse:
            form = _form_asked_for(request) if cls.has_page else Format.JSON
            request.form = form
            if form is Format.PAGE and request.method in ("GET", "HEAD"):
                return await page(request, **path)
            return await _respond(cls(), request, path)

        return as_drfs(view, cls, initkwargs)


def as_drfs(view: Any, cls: type[APIView], initkwargs: dict[str, Any]) -> Any:
    """Return the view with what DRF and drf-spectacular know a view of theirs by."""
    view.cls = cls
    view.initkwargs = initkwargs
    return view


async def _respond(
    endpoint: Endpoint, request: HttpRequest, path: dict[str, str]
) -> HttpResponse:
    services: RestServices = request.services
    if request.method == "OPTIONS":
        response = HttpResponse(status=204, headers={"Allow": _METHODS})
        del response.headers["Content-Type"]
        allowed = preflight_headers(request.headers, services.allowed_origins)
        add_headers(response, allowed)
    else:
        try:
            response = await _answer(endpoint, request, path)
        except Exception as exc:
            response = response_to(exc, request.path)
        origin = request.headers.get("Origin")
        add_headers(response, cors_headers(origin, services.allowed_origins))
    return add_headers(response, _COMMON_HEADERS)


async def _answer(
    endpoint: Endpoint, request: HttpRequest, path: dict[str, str]
) -> HttpResponse:
    if endpoint.checks_host:
        request.get_host()  # refuses a host that is not ours
    if request.method not in ("GET", "HEAD"):
        response = error_response(RestCode.METHOD_NOT_ALLOWED)
        response.headers["Allow"] = _METHODS
        return response
    if not endpoint.is_limited:
        return await endpoint.answer(request, **path)
    client = await _identify(request)
    usage = await request.services.limiter.count(client)
    headers = usage.headers()
    if usage.is_exceeded:
        headers["Retry-After"] = headers["RateLimit-Reset"]
        raise RateLimitExceeded(endpoint.too_many, headers)
    try:
        if client.refusal is not None:
            raise client.refusal
        response = await endpoint.answer(request, **path)
    except Exception as exc:
        response = response_to(exc, request.path)
    if not client.is_anonymous:
        _keep_private(response)
    return add_headers(response, headers)


async def _identify(request: HttpRequest) -> Client:
    """Return the client, which endpoints find as ``request.client``."""
    services: RestServices = request.services
    meta = request.META
    shown = {name: meta[key] for key, name in _SHOWN.items() if key in meta}
    request.client = await services.identify(meta.get("REMOTE_ADDR", ""), shown)
    return request.client


def _keep_private(response: HttpResponse) -> None:
    """Let no shared cache hand on what a client's plan allows to that client."""
    lifetime = response.headers.get("Cache-Control")
    if lifetime is not None:
        response.headers["Cache-Control"] = lifetime.replace("public", "private")


def _form_asked_for(request: HttpRequest) -> Format:
    asked = request.GET.get("format")
    if asked == Format.PAGE.value:
        return Format.PAGE
    if asked:
        return Format.JSON  # or what the endpoint makes of it
    return accepted_format(request.META.get("HTTP_ACCEPT", ""))


def _rendered(page: Any) -> Any:
    def view(request: HttpRequest, **path: str) -> HttpResponse:
        return page(request, **path).render()

    return view
