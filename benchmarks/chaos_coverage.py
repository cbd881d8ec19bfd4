"""Whether REST shows the chaos' gaps."""

import json
import urllib.request
from collections.abc import Collection

from benchmarks.chaos_account import StoredGap
from benchmarks.chaos_market import TICK
from benchmarks.ingest_instruments import SYMBOLS

COVERAGE_LOOKS = 5  # symbols


def count_hidden(port: int | None, gaps: Collection[StoredGap]) -> int:
    """Return how many gaps of ticks of some symbols are not shown. Blocks."""
    missing = 0
    for place in range(0, len(SYMBOLS), len(SYMBOLS) // COVERAGE_LOOKS):
        mine = [gap for gap in gaps if (gap.kind, gap.place) == (TICK, place)]
        if not mine:
            continue
        first_s = min(gap.from_us for gap in mine) // 1_000_000
        address = (
            f"http://127.0.0.1:{port}/api/coverage?symbol={SYMBOLS[place]}"
            f"&broker=binance&from={first_s}"
        )
        with urllib.request.urlopen(address, timeout=30) as answer:
            shown = json.load(answer)["gaps"]
        missing += sum(
            not any(
                item.get("type") == "tick"
                and item["from"] * 1_000_000 <= gap.from_us
                and item["to"] * 1_000_000 >= gap.to_us
                for item in shown
            )
            for gap in mine
        )
    return missing
