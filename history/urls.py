"""Addresses of the history, mounted at the root of REST."""

from django.urls import include, path, re_path

from history.health import (
    HealthView,
    HealthzView,
    LiveView,
    ReadyView,
    ReadyzView,
)
from history.metrics import MetricsView, PrometheusView
from history.views import (
    CandlesOfSymbolView,
    CandlesView,
    MetadataOfSymbolView,
    MetadataView,
    SymbolsView,
    TicksView,
)

# Server A took a slash at the end or none, so both are served. A symbol in a path may
# hold a slash: servers decode EUR%2FUSD before Django sees it.
urlpatterns = [
    re_path(r"^health/?$", HealthView.as_view(), name="health"),
    re_path(r"^health/live/?$", LiveView.as_view(), name="live"),
    re_path(r"^healthz/?$", HealthzView.as_view()),
    re_path(r"^health/ready/?$", ReadyView.as_view(), name="ready"),
    re_path(r"^readyz/?$", ReadyzView.as_view()),
    re_path(r"^metrics/?$", MetricsView.as_view(), name="metrics"),
    re_path(r"^metrics/prometheus/?$", PrometheusView.as_view()),
    re_path(r"^api/candles/?$", CandlesView.as_view(), name="candles"),
    re_path(
        r"^api/candles/(?P<symbol>.+)/(?P<timeframe>[^/]+)/?$",
        CandlesOfSymbolView.as_view(),
        name="candles-of-symbol",
    ),
    re_path(r"^api/ticks/?$", TicksView.as_view(), name="ticks"),
    re_path(r"^api/symbols/?$", SymbolsView.as_view(), name="symbols"),
    re_path(r"^api/metadata/?$", MetadataView.as_view(), name="metadata"),
    re_path(
        r"^api/metadata/(?P<symbol>.+?)/?$",
        MetadataOfSymbolView.as_view(),
        name="metadata-of-symbol",
    ),
    path("udf/", include("history.udf_urls")),
]
