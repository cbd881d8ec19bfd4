"""The admin's page of feeds: how each is, and its switch."""

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from brokers.feed_table import SELECT_FEEDS, FeedRow, feed_rows
from brokers.registry import adapter_names
from marketdata.models import Broker
from marketdata.process_figures import Processes, select_processes

# The values of the form's field.
SWITCHES = {"on": True, "off": False, "configured": None}


def feeds_page(request: HttpRequest) -> HttpResponse:
    """Show the feeds, or switch one."""
    if not request.user.has_perm("brokers.view_feed"):
        raise PermissionDenied
    may_switch = request.user.has_perm("brokers.change_feed")
    if request.method == "POST":
        if not may_switch:
            raise PermissionDenied
        _switch(request)
        return HttpResponseRedirect(request.path)
    processes = select_processes()
    context = {
        **admin.site.each_context(request),
        "title": "Feeds",
        "is_fullwidth": "1",
        "processes": processes,
        "feeds": select_feeds(processes),
        "may_switch": may_switch,
    }
    name = "feeds_part.html" if "HX-Request" in request.headers else "feeds.html"
    return TemplateResponse(request, f"admin/pages/{name}", context)


def select_feeds(processes: Processes) -> list[FeedRow]:
    """Return the feeds of all brokers that have one."""
    with connection.cursor() as cursor:
        cursor.execute(SELECT_FEEDS, [settings.LEASE_EXPIRY_S])
        rows = cursor.fetchall()
    return feed_rows(
        rows,
        processes.feeds,
        configured=settings.BROKERS_ENABLED,
        known=adapter_names(),
    )


def _switch(request: HttpRequest) -> None:
    name, wish = request.POST.get("broker", ""), request.POST.get("switch", "")
    broker = Broker.objects.filter(pk=name).first()
    if broker is None or wish not in SWITCHES or name not in adapter_names():
        messages.error(request, "There is no such feed.")
        return
    broker.is_enabled = SWITCHES[wish]
    broker.save(update_fields=["is_enabled"])
    LogEntry.objects.log_actions(
        request.user.pk, [broker], CHANGE, f"Feed: {wish}", single_object=True
    )
    messages.success(request, f"{broker.title}: {wish}. It takes effect within 10 s.")
