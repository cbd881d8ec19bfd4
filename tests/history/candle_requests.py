"""What tests of REST ask for candles of check 27's ticks, and what they get."""

import time

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOUR = 3600
YEAR = 365 * 86_400
NOW = int(time.time())
SIX = ["1m", "5m", "15m", "1h", "4h", "12h"]
ALL = [*SIX, "1s", "30m", "1d", "1w"]


def candles(rest, **query):
    """Return the answer of `/api/candles` to a query of EURUSD."""
    return rest.get("/api/candles", {"symbol": "EURUSD", **query})


def range_of(start, end):
    """Return the two parameters."""
    return {"from": start, "to": end}


def row(at, first, high, low, last):
    """Return a candle's body."""
    return {"time": at, "open": first, "high": high, "low": low, "close": last}


HOURS = [
    row(1704153600, 1.10005, 1.10519, 1.10005, 1.10519),
    row(1704157200, 1.1052, 1.11004, 1.1052, 1.11004),
]
