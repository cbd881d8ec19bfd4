"""Addresses of the history, mounted at the root of the HTTP side."""

from django.urls import path, re_path

from history.api_errors import not_found
from history.health import HealthView, LiveView, MetricsView, ReadyView
from history.views import CandlesView, MetadataView

# Server A took a slash at the end or none, so both are served. A symbol in a path may
# hold a slash: servers decode EUR%2FUSD before Django sees it.
urlpatterns = [
    re_path(r"^health/?$", HealthView.as_view(), name="health"),
    re_path(r"^(health/live|healthz)/?$", LiveView.as_view(), name="live"),
    re_path(r"^(health/ready|readyz)/?$", ReadyView.as_view(), name="ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    re_path(r"^api/candles/?$", CandlesView.as_view(), name="candles"),
    re_path(
        r"^api/candles/(?P<symbol>.+)/(?P<timeframe>[^/]+)/?$",
        CandlesView.as_view(),
        name="candles-of-symbol",
    ),
    re_path(r"^api/metadata/?$", MetadataView.as_view(), name="metadata"),
    re_path(
        r"^api/metadata/(?P<symbol>.+?)/?$",
        MetadataView.as_view(),
        name="metadata-of-symbol",
    ),
    # Also with DEBUG, where Django would show its own page.
    re_path(r"^api(/|$)", not_found),
]
