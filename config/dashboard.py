"""The figures on the admin's first page; each for whoever may see its details."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import django.db
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from brokers.feeds_page import select_feeds
from history.models import FeedGap, Series
from importer.models import ImportJob, JobState
from marketdata.process_figures import Processes, select_processes

GAPS_SHOWN = 8
JOBS_SHOWN = 8
GAP_HOURS = 24
# It looks at each file of the database: seldom enough with years of chunks.
DATABASE_SIZE_S = 300


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the admin's first page with what it shows."""
    may = request.user.has_perm
    context["may_see_feeds"] = may("brokers.view_feed")
    context["may_see_clients"] = may("marketdata.view_connections")
    if context["may_see_feeds"] or context["may_see_clients"]:
        processes = select_processes()
        context["processes"] = processes
        context["totals"] = totals(processes)
    if context["may_see_feeds"]:
        context["feeds"] = select_feeds(processes)
        context["gaps"], context["gap_count"] = _gaps()
    if may("importer.view_importjob"):
        context["jobs"] = _jobs()
    context["disk"] = shutil.disk_usage(_existing(Path(settings.JOURNAL_DIR)))
    context["database_bytes"] = _database_bytes()
    return context


def totals(processes: Processes) -> dict[str, float]:
    """Return sums over the processes that answered; rates per second."""
    webs, feeds = processes.webs, processes.feeds.values()
    return {
        "clients": sum(web.clients for web in webs),
        "subscriptions": sum(web.subscriptions for web in webs),
        "delivered_per_s": sum(web.sent_per_s for web in webs),
        "queued_bytes": sum(web.queued_bytes for web in webs),
        "records_per_s": sum(feed.records_per_s for feed in feeds),
        "stored_per_s": sum(feed.stored_per_s for feed in feeds),
        "held": sum(feed.held for feed in feeds),
    }


def _gaps() -> tuple[list[FeedGap], int]:
    """Return the newest gaps of the last day, and how many there are."""
    since = timezone.now() - timedelta(hours=GAP_HOURS)
    # By series, as the index is.
    gaps = FeedGap.objects.filter(
        series_id__in=Series.objects.values("pk"), end__gte=since
    )
    newest = gaps.select_related("series__instrument").order_by("-end")[:GAPS_SHOWN]
    return list(newest), gaps.count()


def _jobs() -> list[ImportJob]:
    active = (JobState.QUEUED, JobState.RUNNING)
    return list(ImportJob.objects.filter(state__in=active)[:JOBS_SHOWN])


def _existing(folder: Path) -> Path:
    """Return the folder or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(item for item in (folder, *folder.parents) if item.exists())


def _database_bytes() -> int | None:
    """Return the size of the database, None if it cannot be told."""
    try:
        return cache.get_or_set("admin-database-bytes", _ask_size, DATABASE_SIZE_S)
    except (RedisError, django.db.Error):
        return None


def _ask_size() -> int:
    with django.db.connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
