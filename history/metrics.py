"""The numbers of this process: as server A gave them, and for Prometheus."""

from collections.abc import Iterator

import msgspec
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from history.api_errors import json_response
from history.api_schema import documented_status
from history.health import StatusView
from marketdata.connections import connections

# Media types of Prometheus's formats; `*/*` and JSON get server A's.
_FORMATS = ("text/plain", "application/openmetrics-text")


class MetricsBody(msgspec.Struct):
    """Numbers of this process."""

    connections: int
    subscriptions: int


class _Collector(Collector):
    """Reads the counts when they are asked for; nobody pays for them before."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "marketdata_connections", "Open WebSockets.", connections.clients
        )
        yield GaugeMetricFamily(
            "marketdata_subscriptions",
            "Topics that sessions follow.",
            connections.subscriptions,
        )
        yield CounterMetricFamily(
            "marketdata_clients", "WebSockets since the start.", connections.total
        )
        yield CounterMetricFamily(
            "marketdata_frames_sent", "Frames to WebSocket clients.", connections.sent
        )
        yield CounterMetricFamily(
            "marketdata_frames_received",
            "Frames of WebSocket clients.",
            connections.received,
        )
        yield GaugeMetricFamily(
            "marketdata_uptime_seconds",
            "Since the process began to count.",
            connections.uptime_s,
        )


_registry = CollectorRegistry()
_registry.register(_Collector())


@documented_status("metrics", MetricsBody)
class MetricsView(StatusView):
    """`/metrics`, as server A answers it; Prometheus text if Accept names that."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer the numbers of this process."""
        accept = request.META.get("HTTP_ACCEPT", "")
        if any(name in accept for name in _FORMATS):
            return _prometheus_text(accept)
        body = MetricsBody(connections.clients, connections.subscriptions)
        return json_response(body)


@extend_schema_view(
    get=extend_schema(
        operation_id="metrics_prometheus",
        responses={(200, "text/plain"): OpenApiResponse({"type": "string"}, "")},
        auth=[],
    )
)
class PrometheusView(StatusView):
    """`/metrics/prometheus`, whatever Accept says."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer the numbers of this process in Prometheus's format."""
        return _prometheus_text(request.META.get("HTTP_ACCEPT", ""))


def _prometheus_text(accept: str) -> HttpResponse:
    encode, content_type = choose_encoder(accept)
    return HttpResponse(encode(_registry), content_type=content_type)
