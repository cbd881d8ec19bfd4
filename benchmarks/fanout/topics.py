"""The topics of the benchmarks: those of one broker that a new installation knows."""

import csv
from typing import NamedTuple

from benchmarks.fanout.processes import BROKER, ROOT
from marketdata.records import Kind

_INSTRUMENTS = ROOT / "marketdata" / "data" / "instruments.csv"
_KINDS = (Kind.TICK, Kind.TRADE)


class BenchTopic(NamedTuple):
    """A topic, without its broker."""

    kind: Kind
    symbol: str


def bench_topics(count: int) -> list[BenchTopic]:
    """Return so many topics: ticks, and trades once all symbols have their ticks."""
    with _INSTRUMENTS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[BROKER]]
    symbols = [row["base"] + row["quote"] for row in rows]
    topics = [BenchTopic(kind, name) for kind in _KINDS for name in symbols]
    if count > len(topics):
        raise ValueError(f"expected at most {len(topics)} topics, found {count}")
    return topics[:count]
