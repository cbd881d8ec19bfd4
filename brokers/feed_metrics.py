"""What a feed counts, as metrics: records in, published and stored, and how late."""

import time
from collections.abc import Mapping

from brokers.feed_answers import FeedCounts
from marketdata.lag_histogram import LagHistogram
from marketdata.metric_families import Family, counter, gauge, histogram
from marketdata.web_metrics import LAG, LAG_HELP

# Names and help of what `FeedRunner.figures` has, by its names there.
_COUNTERS = {
    "received": ("marketdata_feed_frames", "Messages of the broker."),
    "malformed": ("marketdata_feed_malformed", "Messages that could not be read."),
    "unknown": ("marketdata_feed_unknown", "Of unknown symbols or kinds."),
    "reconnects": ("marketdata_feed_reconnects", "Connections lost or given up."),
    "published": ("marketdata_records_published", "Records that Redis took."),
    "unpublished": (
        "marketdata_records_unpublished",
        "Records dropped while Redis was away.",
    ),
    "stored": ("marketdata_rows_stored", "Ticks and trades in the database."),
    "duplicates": ("marketdata_rows_duplicate", "Had been stored before."),
    "skipped": ("marketdata_rows_skipped", "Of instruments that are not recorded."),
    "unstored": ("marketdata_rows_dropped", "Lost on their way to the database."),
    "replayed": ("marketdata_rows_replayed", "Stored for processes that had died."),
}
_UP = ("live", "idle")


def feed_metrics(
    broker: str,
    counts: FeedCounts,
    figures: Mapping[str, int],
    lags: Mapping[str, LagHistogram],
) -> list[Family]:
    """Return the metrics of a feed; ``figures`` are `FeedRunner.figures`."""
    labels = {"broker": broker}
    families = [
        gauge(
            "marketdata_feed_up",
            "1 while the broker's records arrive, or nobody wants any.",
            float(counts.state in _UP),
            labels,
        ),
        gauge(
            "marketdata_feed_instruments",
            "Instruments that are followed.",
            counts.instruments,
            labels,
        ),
        gauge(
            "marketdata_rows_held",
            "Ticks and trades that wait for the database, in memory and journal.",
            counts.held,
            labels,
        ),
        counter(
            "marketdata_records_in", "Records of the broker.", counts.records, labels
        ),
    ]
    if counts.received_us is not None:
        age_s = time.time() - counts.received_us / 1e6
        help = "Since the last record arrived."
        families.append(gauge("marketdata_feed_age_seconds", help, age_s, labels))
    for figure, (name, help) in _COUNTERS.items():
        if figure in figures:
            families.append(counter(name, help, figures[figure], labels))
    by_stage = [({**labels, "stage": stage}, lag) for stage, lag in lags.items()]
    families.append(histogram(LAG, LAG_HELP, by_stage))
    return families
