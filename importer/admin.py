"""Import jobs in the admin: started, watched, stopped, tried again."""

from collections.abc import Iterable

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from history.models import Series
from history.timestamps import to_us
from importer import jobs
from importer.coverage import Cover, by_month
from importer.hours import HourRange
from importer.instruments import ARCHIVE
from importer.job_form import StartForm
from importer.models import ImportJob
from importer.series_coverage import select_coverage
from marketdata.catalog import InstrumentType

STATE_LABELS = {
    "queued": "info",
    "running": "info",
    "done": "success",
    "holes": "warning",
    "failed": "danger",
    "stopped": "warning",
}


@admin.register(ImportJob)
class ImportJobAdmin(ModelAdmin):
    """Jobs are made by a form of their own, and never edited."""

    list_display = (
        *("id", "kind", "symbol", "first_day", "last_hour", "labelled", "progress"),
        *("ticks", "holes", "requested_by", "started_at", "finished_at"),
    )
    list_filter = ("state", "kind", "requested_by")
    search_fields = ("symbol",)
    actions = ("stop", "retry")
    list_fullwidth = True
    readonly_fields = ("progress", "coverage")
    fields = (
        *("state", "progress", "detail", "kind", "symbol", "start", "end", "source"),
        *("ticks", "holes", "hole_list", "coverage", "options", "requested_by"),
        *("queued_at", "started_at", "heartbeat_at", "finished_at", "position"),
        *("is_stop_requested", "lease_until", "claims", "deaths"),
    )

    def has_change_permission(
        self, request: HttpRequest, obj: ImportJob | None = None
    ) -> bool:
        """Return whether the user may stop and retry jobs; no field is edited."""
        return obj is None and super().has_change_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: object = None
    ) -> HttpResponse:
        """Show the form that starts jobs, or start them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = StartForm(request.POST or None, user=request.user)
        if form.is_valid():
            queued = form.queue(request.user.get_username())
            names = ", ".join(f"{job.pk} ({job.symbol})" for job in queued)
            messages.success(request, f"Queued: {names}")
            return HttpResponseRedirect(reverse("admin:importer_importjob_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Start import jobs",
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/importer/start_jobs.html", context)

    @admin.action(description="Stop", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[ImportJob]) -> None:
        """Stop the chosen jobs."""
        count = jobs.request_stop(_ids(queryset))
        messages.info(request, f"{count} jobs stop after the day they are at")

    @admin.action(description="Try again, or go on", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[ImportJob]) -> None:
        """Queue the chosen jobs again."""
        count = jobs.retry(_ids(queryset))
        messages.info(request, f"{count} jobs queued again")

    @display(description="state", ordering="state", label=STATE_LABELS)
    def labelled(self, job: ImportJob) -> str:
        """Return the state, coloured."""
        return str(job.state)

    @admin.display(description="from", ordering="start")
    def first_day(self, job: ImportJob) -> str:
        """Return the first hour."""
        return f"{job.start:%Y-%m-%d %H}h"

    @admin.display(description="until", ordering="end")
    def last_hour(self, job: ImportJob) -> str:
        """Return the hour after the last."""
        return f"{job.end:%Y-%m-%d %H}h"

    @admin.display(description="progress")
    def progress(self, job: ImportJob) -> str:
        """Return a bar."""
        return format_html(
            '<progress value="{}" max="{}" aria-label="Hours done"></progress>'
            " {} / {} h",
            *(job.hours_done, job.hours_total, job.hours_done, job.hours_total),
        )

    @admin.display(description="ledger of the range")
    def coverage(self, job: ImportJob) -> str:
        """Return the hours per month and state."""
        return format_html_join(
            "", "{}: {}<br>", ((period, text) for period, text in _coverage(job))
        )


def _ids(queryset: QuerySet[ImportJob]) -> list[int]:
    return list(queryset.values_list("pk", flat=True))


def _coverage(job: ImportJob) -> Iterable[tuple[str, str]]:
    series = Series.objects.filter(instrument__symbol=job.symbol, broker=ARCHIVE)
    for item in series.select_related("instrument"):
        covered = select_coverage(
            item.pk,
            InstrumentType(item.instrument.type),
            HourRange(to_us(job.start), to_us(job.end)),
        )
        for month in by_month(covered):
            counts = [f"{month.hours[s]} {s.value}" for s in Cover if month.hours[s]]
            yield month.name, f"{month.rows:,} ticks, {', '.join(counts)}"
