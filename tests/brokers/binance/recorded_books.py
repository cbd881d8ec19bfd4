"""The books of the recordings, computed without any of our code: texts in dicts."""

import gzip
import json
import re
from typing import Any

from tests.brokers.recordings import FOLDER, recorded_frames

_ANSWER = re.compile(r"\S+symbol=(\w+)\S* -> [\d.]+: (\{.*)")


class TrueBook:
    """A book as Binance has it; ``symbol`` None: nothing is known of it yet."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.last_id = answer["lastUpdateId"]
        self.bids = dict(answer["bids"])
        self.asks = dict(answer["asks"])

    def apply(self, payload: dict[str, Any]) -> None:
        """Take a change unless it is older than the book."""
        if payload["u"] <= self.last_id:
            return
        assert payload["U"] <= self.last_id + 1
        self.last_id = payload["u"]
        for side, changes in ((self.bids, payload["b"]), (self.asks, payload["a"])):
            for price, size in changes:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)

    def answer(self) -> dict[str, Any]:
        """Return what REST says now."""
        bids = sorted(self.bids.items(), key=lambda item: -float(item[0]))
        asks = sorted(self.asks.items(), key=lambda item: float(item[0]))
        return {"lastUpdateId": self.last_id, "bids": bids, "asks": asks}

    def levels(self, count: int) -> tuple[list[tuple[float, float]], ...]:
        """Return the best levels of both sides as numbers."""
        answer = self.answer()
        return tuple(
            [(float(price), float(size)) for price, size in answer[side][:count]]
            for side in ("bids", "asks")
        )


def recorded_answers() -> dict[str, dict[str, Any]]:
    """Return what REST answered, by symbol."""
    april = FOLDER / "cryptofeed_2021-04-17_10symbols_http_depth.raw"
    august = FOLDER / "cryptofeed_2021-08-14_4symbols_http_depth.raw.gz"
    text = april.read_text() + gzip.decompress(august.read_bytes()).decode()
    return {name: json.loads(body) for name, body in _ANSWER.findall(text)}


def recorded_changes() -> dict[str, list[str]]:
    """Return the frames of depth streams by symbol, in order."""
    changes: dict[str, list[str]] = {}
    for frame in recorded_frames():
        data = json.loads(frame)["data"]
        if data.get("e") == "depthUpdate":
            changes.setdefault(data["s"], []).append(frame)
    return changes
