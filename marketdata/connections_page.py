"""The admin's page of live connections: all clients of all web processes."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from marketdata.process_figures import ask, select_processes
from marketdata.process_messages import AskClose, ClientFigures, Closed, WebFigures

MAX_SHOWN = 200  # the worst of all processes
MAX_TEXT = 100
# A busy process closes the client in the end; that nobody answered must not be said.
CLOSE_TIMEOUT_S = 5.0
_NUMBER = re.compile("[0-9]{1,18}")

log = structlog.get_logger(__name__)


def connections_page(request: HttpRequest) -> HttpResponse:
    """Show who is connected, or close one connection."""
    if not request.user.has_perm("marketdata.view_connections"):
        raise PermissionDenied
    if request.method == "POST":
        if not request.user.has_perm("marketdata.close_connections"):
            raise PermissionDenied
        _close(request)
        return HttpResponseRedirect(request.get_full_path())
    text = request.GET.get("q", "")[:MAX_TEXT]
    processes = select_processes(clients=MAX_SHOWN, text=text)
    context = {
        **admin.site.each_context(request),
        "title": "Live connections",
        "is_fullwidth": "1",
        "processes": processes,
        "rows": worst_first(processes.webs)[:MAX_SHOWN],
        "matching": sum(web.matching for web in processes.webs),
        "text": text,
        "may_close": request.user.has_perm("marketdata.close_connections"),
    }
    is_part = "HX-Request" in request.headers
    name = "connections_part.html" if is_part else "connections.html"
    return TemplateResponse(request, f"admin/pages/{name}", context)


def worst_first(webs: Iterable[WebFigures]) -> list[dict[str, Any]]:
    """Return the clients of all processes: most bytes waiting, then the oldest."""
    rows = [
        {
            "web": web,
            "client": item,
            "since": datetime.fromtimestamp(item.since_s, UTC),
        }
        for web in webs
        for item in web.listed
    ]
    return sorted(rows, key=lambda row: _badness(row["client"]))


def _badness(client: ClientFigures) -> tuple[int, float]:
    return -client.queued_bytes, client.since_s


def _close(request: HttpRequest) -> None:
    process, number = request.POST.get("process", ""), request.POST.get("client", "")
    if not _NUMBER.fullmatch(number):
        messages.error(request, "That is no client.")
        return
    asked = ask(
        lambda group: AskClose(group, process, int(number)), timeout_s=CLOSE_TIMEOUT_S
    )
    answers = asked.answers if asked else []
    closed = [item for item in answers if isinstance(item, Closed)]
    client = closed[0].client if closed else None
    if client is not None:
        log.info(
            "client closed",
            by=request.user.get_username(),
            client=client.name,
            address=client.address,
        )
        name = client.name or "an anonymous client"
        messages.success(request, f"Closed {name} from {client.address}.")
    elif closed:
        messages.warning(request, "That client had left already.")
    else:
        messages.error(request, "The client's process does not answer.")
