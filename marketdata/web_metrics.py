"""What a web process counts, as metrics: clients, what they were sent, how late."""

from marketdata.connections import Connections
from marketdata.hub import Hub
from marketdata.metric_families import Family, counter, counters, gauge, histogram

LAG = "marketdata_lag_seconds"
LAG_HELP = "From the record's arrival to the stage; broker: from its time to arrival."


def client_metrics(counts: Connections) -> list[Family]:
    """Return the metrics of WebSockets."""
    codes = {str(code): number for code, number in sorted(counts.closed.items())}
    return [
        gauge("marketdata_connections", "Open WebSockets.", counts.clients),
        gauge(
            "marketdata_subscriptions",
            "Topics that sessions follow.",
            counts.subscriptions,
        ),
        counter("marketdata_clients", "WebSockets since the start.", counts.total),
        counter("marketdata_frames_sent", "Frames to WebSocket clients.", counts.sent),
        counter(
            "marketdata_frames_received",
            "Frames of WebSocket clients.",
            counts.received,
        ),
        counter(
            "marketdata_records_conflated",
            "Records that conflation left out, per client.",
            counts.skipped,
        ),
        gauge(
            "marketdata_queue_bytes",
            "Bytes that wait for slow sockets.",
            counts.queued_bytes,
        ),
        counters(
            "marketdata_closed",
            "WebSockets that the server closed, by close code.",
            "code",
            codes,
        ),
        gauge(
            "marketdata_uptime_seconds",
            "Since the process began to count.",
            counts.uptime_s,
        ),
    ]


def hub_metrics(hub: Hub) -> list[Family]:
    """Return the metrics of a process's fan-out."""
    counts = hub.counters
    wrong = {
        "invalid": counts.invalid,
        "lost": counts.lost,
        "stale": counts.stale,
        "repeated": counts.repeated,
        "left_out": hub.left_out,
    }
    return [
        counter("marketdata_hub_messages", "Messages of feeds.", counts.messages),
        counter("marketdata_hub_records", "Records of feeds.", counts.records),
        counters(
            "marketdata_hub_dropped",
            "Not delivered, by reason; invalid counts messages, the others records.",
            "reason",
            wrong,
        ),
        counter("marketdata_hub_gaps", "Holes in the numbers of topics.", counts.gaps),
        counter(
            "marketdata_frames_delivered",
            "Frames of records, times the clients they were for.",
            hub.delivered,
        ),
        histogram(LAG, LAG_HELP, [({"stage": "delivered"}, hub.lag)]),
    ]
