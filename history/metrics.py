"""The numbers of all processes: as server A gave them, and for Prometheus.

The process that is asked asks the others over Redis, so one address tells of all,
whichever process of a shared port answers.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
import psycopg
import structlog
from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from history.api_errors import json_response
from history.api_schema import documented_status
from history.exceptions import DatabaseUnavailable
from history.health import CHECK_TIMEOUT_S, PAUSE_S, SharedCheck, StatusView
from history.reader import Reader
from history.rest_services import RestServices, SharedMetrics
from marketdata.metric_families import Family, gauge, merge
from marketdata.own_metrics import own_metrics
from marketdata.process_messages import AskMetrics, ProcessMetrics
from marketdata.process_talk import ask_processes

# Media types of Prometheus's formats; `*/*` and JSON get server A's.
_TEXT, _OPENMETRICS = _FORMATS = ("text/plain", "application/openmetrics-text")
_SILENT = "Processes that were asked and did not answer; -1: Redis is away."

log = structlog.get_logger(__name__)


class MetricsBody(msgspec.Struct):
    """Numbers of all web processes."""

    connections: int
    subscriptions: int


@documented_status("metrics", MetricsBody)
class MetricsView(StatusView):
    """`/metrics`, as server A answers it; Prometheus text if Accept names that."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer the numbers of all processes."""
        accept = request.META.get("HTTP_ACCEPT", "")
        if any(name in accept for name in _FORMATS):
            return await _prometheus_text(accept, request.services)
        metrics, _ = await _processes()
        body = MetricsBody(
            _total(metrics, "marketdata_connections"),
            _total(metrics, "marketdata_subscriptions"),
        )
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
        """Answer the numbers of all processes in Prometheus's format."""
        accept = request.META.get("HTTP_ACCEPT", "")
        return await _prometheus_text(accept, request.services)


async def _ask_processes() -> tuple[Sequence[ProcessMetrics], int]:
    """Return what each process has counted, this one's too, and how many were silent.

    -1 if nobody but this one could be asked.
    """
    silent = -1
    found: list[ProcessMetrics] = []
    try:
        asked = await ask_processes(get_channel_layer("control"), AskMetrics)
    except (RedisError, OSError) as exc:
        log.warning("metrics are of one process only", error=repr(exc))
    else:
        silent = asked.silent
        found = [item for item in asked.answers if isinstance(item, ProcessMetrics)]
    own = own_metrics.answer()
    if all(item.labels != own.labels for item in found):
        found.append(own)
    return found, silent


_processes = SharedCheck(_ask_processes, pause_s=PAUSE_S)


async def _prometheus_text(accept: str, services: RestServices) -> HttpResponse:
    form = _OPENMETRICS if _OPENMETRICS in accept else _TEXT
    text, content_type = await _texts[form](services)
    return HttpResponse(text, content_type=content_type)


async def _make_text(form: str, services: RestServices) -> tuple[bytes, str]:
    """Return all metrics as a text, and its media type."""
    (processes, silent), shared = await asyncio.gather(_processes(), _shared(services))
    shared.append(gauge("marketdata_processes_silent", _SILENT, silent))
    parts: list[tuple[Mapping[str, str], Iterable[Family]]] = [
        (item.labels, item.families) for item in processes
    ]
    registry = CollectorRegistry()
    registry.register(_Merged(merge([*parts, ({}, shared)])))
    # Of the client's own words it raises errors.
    encode, content_type = choose_encoder(form)
    return encode(registry), content_type


_texts = {
    form: SharedCheck(partial(_make_text, form), pause_s=PAUSE_S) for form in _FORMATS
}


async def _shared(services: RestServices) -> list[Family]:
    """Return what the database tells, nothing while it is away."""
    parts = [_read(read, services.lookups) for read in services.shared_metrics]
    return [family for part in await asyncio.gather(*parts) for family in part]


async def _read(read: SharedMetrics, reader: Reader) -> Sequence[Family]:
    try:
        # A database that was cut off does not say so.
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await read(reader)
    except (DatabaseUnavailable, psycopg.Error, TimeoutError) as exc:
        log.warning("metrics lack what the database knows", error=repr(exc))
        return ()


class _Merged(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _total(processes: Sequence[ProcessMetrics], name: str) -> int:
    return int(
        sum(
            value
            for process in processes
            for family in process.families
            if family.name == name
            for _, _, value in family.samples
        )
    )
