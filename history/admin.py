"""What is stored, in the admin: to look at, and to have candles refreshed."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from kombu.exceptions import OperationalError as QueueError
from unfold.admin import ModelAdmin

from history import tasks
from history.models import Series


@admin.register(Series)
class SeriesAdmin(ModelAdmin):
    """Series are made by writers and never changed by hand."""

    list_display = [
        "instrument",
        "broker",
        "candles_from",
        "earliest",
        "latest",
        "tick_count",
        "trade_count",
        "revision",
    ]
    list_filter = ["broker", "instrument__type"]
    list_select_related = ["instrument", "broker"]
    search_fields = ["instrument__symbol", "broker__name"]
    ordering = ["instrument__symbol", "broker"]
    actions = ["refresh_candles", "rebuild_candles"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: writers make series."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse: series are never deleted, their records name them by number."""
        return False

    def get_readonly_fields(
        self, request: HttpRequest, obj: object = None
    ) -> list[str]:
        """Return all fields: writers keep them true."""
        return [field.name for field in Series._meta.fields]

    @admin.action(description="Refresh candles of what changed", permissions=["change"])
    def refresh_candles(self, request: HttpRequest, queryset: QuerySet[Series]) -> None:
        """Have a worker refresh the chosen series."""
        self._queue(request, queryset, rebuild=False)

    @admin.action(description="Build all candles anew", permissions=["change"])
    def rebuild_candles(self, request: HttpRequest, queryset: QuerySet[Series]) -> None:
        """Have a worker compute all candles of the chosen series again."""
        self._queue(request, queryset, rebuild=True)

    def _queue(
        self, request: HttpRequest, queryset: QuerySet[Series], *, rebuild: bool
    ) -> None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True))
        try:
            task = tasks.refresh_candles.delay(ids, rebuild=rebuild)
        except QueueError as exc:
            text = f"The task queue failed: {exc}"
            self.message_user(request, text, messages.ERROR)
            return
        text = f"Candles of {len(ids)} series are queued as task {task.id}"
        self.message_user(request, text, messages.SUCCESS)
