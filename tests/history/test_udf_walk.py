"""A charting library's way through the datafeed, over a socket.

The client does what the library's own adapter does (datafeeds/udf/src): it reads the
configuration, searches, resolves the ticker that it found, and asks for page after page
of older bars until there are none. What it has then must be every bar there is, once.
"""

import http.client
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection

from marketdata.timeframes import Timeframe
from tests.history.factories import Quote, store_quotes
from tests.history.test_rest_over_socket import start_server, stop_server

NEW_YORK = ZoneInfo("America/New_York")
# Two weekends, between which the clocks of New York go forward (2024-03-10).
FIRST = int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp())
LAST = int(datetime(2024, 3, 12, 12, tzinfo=UTC).timestamp())
RESOLUTIONS = {
    "1": Timeframe.M1,
    "5": Timeframe.M5,
    "15": Timeframe.M15,
    "30": Timeframe.M30,
    "60": Timeframe.H1,
    "240": Timeframe.H4,
    "720": Timeframe.H12,
}
MAX_REQUESTS = 2_000

Bar = tuple[float, ...]


class ChartClient:
    """Asks one datafeed on one connection, as the library's adapter does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.requests = 0

    def send(self, path: str, **parameters: object) -> Any:
        self.requests += 1
        assert self.requests < MAX_REQUESTS, "the client asks for ever"
        self._connection.request("GET", f"/udf/{path}?{urlencode(parameters)}")
        response = self._connection.getresponse()
        body = json.loads(response.read())
        assert response.status == 200, body
        return body

    def close(self) -> None:
        self._connection.close()

    def walk(self, ticker: str, resolution: str, count: int) -> list[Bar]:
        """Return all bars, asking for so many before the oldest one that it has."""
        bars: list[Bar] = []
        end = int(time.time())
        while True:
            # `from` is the library's guess, which takes no account of gaps.
            body = self.send(
                "history",
                **{"symbol": ticker, "resolution": resolution, "countback": count},
                **{"from": end - 60 * count, "to": end},
            )
            page = rows(body)
            if page:
                assert len(page) <= count
                end = int(page[0][0])
                bars = page + bars
            elif "nextTime" in body:
                assert body["nextTime"] < end
                end = body["nextTime"] + 1  # exclusive
            else:
                return bars

    def walk_by_ranges(self, ticker: str, resolution: str, width: int) -> list[Bar]:
        """Return all bars, as libraries before `countback` asked for them."""
        bars: list[Bar] = []
        end = int(time.time())
        while True:
            ends = {"from": end - width, "to": end}
            body = self.send("history", symbol=ticker, resolution=resolution, **ends)
            if body["s"] == "no_data" and "nextTime" not in body:
                return bars
            bars = rows(body) + bars
            if body["s"] == "ok":
                end -= width
            else:
                assert body["nextTime"] < end - width
                end = body["nextTime"] + 1


def rows(body: dict[str, Any]) -> list[Bar]:
    """Return the rows of the table, which must have its shape."""
    if body["s"] == "no_data":
        assert set(body) <= {"s", "nextTime"}
        return []
    assert list(body) == ["s", "t", "o", "h", "l", "c", "v"]
    assert body["s"] == "ok"
    found = list(zip(*(body[name] for name in "tohlcv"), strict=True))
    times = [bar[0] for bar in found]
    assert found
    assert times == sorted(set(times))
    return found


def is_open(second: int) -> bool:
    local = datetime.fromtimestamp(second, NEW_YORK) + timedelta(hours=7)
    return local.weekday() < 5


def week_quotes() -> list[Quote]:
    """Return a quote about every ten minutes in which forex is open."""
    times = [at for at in range(FIRST, LAST, 613) if is_open(at)]
    return [
        (at, round(1.08 + (i * 37 % 500) * 1e-5, 5), round(1.0801 + i * 1e-6, 5))
        for i, at in enumerate(times)
    ]


def bars_of(quotes: list[Quote], label: Any) -> list[Bar]:
    """Return the bars of quotes, computed apart: mid prices, a lot each."""
    bars: list[Bar] = []
    for start, group in groupby(quotes, key=lambda quote: label(int(quote[0]))):
        prices = [(bid + ask) / 2 for _, bid, ask in group]
        ends = prices[0], max(prices), min(prices), prices[-1]
        bars.append((start, *(round(p, 6) for p in ends), float(len(prices))))
    return bars


def trading_day(second: int) -> int:
    local = datetime.fromtimestamp(second, NEW_YORK) + timedelta(hours=7)
    day = datetime(local.year, local.month, local.day, tzinfo=UTC)
    return int(day.timestamp())


def trading_week(second: int) -> int:
    return trading_day(second) - (trading_day(second) // 86_400 + 3) % 7 * 86_400


@pytest.fixture
def chart(transactional_db) -> Iterator[ChartClient]:
    """A client of a web process that reads the tests' database."""
    address, _, _ = settings.DATABASE_URL.rpartition("/")
    server, port = start_server(f"{address}/{connection.settings_dict['NAME']}")
    client = ChartClient(port)
    yield client
    client.close()
    stop_server(server)


def test_udf_client_walks_back_to_the_first_candle(chart):
    quotes = week_quotes()
    other = [(at, bid + 0.001, ask + 0.001) for at, bid, ask in quotes[:-300]]
    store_quotes(quotes)
    store_quotes(other, broker="oanda")

    config = chart.send("config")
    assert config["supports_search"]
    assert {item["value"] for item in config["exchanges"]} == {
        "",
        "DUKASCOPY",
        "OANDA",
    }
    found = chart.send("search", query="EURU", type="forex", exchange="", limit=30)
    assert [item["ticker"] for item in found] == ["EURUSD", "OANDA:EURUSD"]
    now = chart.send("time")
    assert abs(now - time.time()) < 5

    for item, expected in zip(found, (quotes, other), strict=True):
        symbol = chart.send("symbols", symbol=item["ticker"])
        ticker = symbol["ticker"]
        assert ticker == item["ticker"]
        assert set(RESOLUTIONS) < set(config["supported_resolutions"])
        assert set(symbol["intraday_multipliers"]) < set(RESOLUTIONS)

        for resolution, timeframe in RESOLUTIONS.items():
            length = timeframe.length_s
            bars = bars_of(expected, lambda at, s=length: at // s * s)
            assert chart.walk(ticker, resolution, 329) == bars
            assert chart.walk_by_ranges(ticker, resolution, 30 * 3600) == bars
        for resolution, label in (("1D", trading_day), ("1W", trading_week)):
            bars = bars_of(expected, label)
            assert chart.walk(ticker, resolution, 2) == bars
            assert chart.walk_by_ranges(ticker, resolution, 30 * 3600) == bars


def test_udf_client_walks_seconds_over_the_weekend(chart):
    quotes = [quote for quote in week_quotes() if quote[0] < FIRST + 5 * 86_400]
    store_quotes(quotes)

    # A page of seconds is a day at most, so the weekend is a page without bars.
    bars = bars_of(quotes, lambda at: at)
    assert chart.walk("EURUSD", "1S", 150) == bars
    assert chart.walk_by_ranges("EURUSD", "1S", 86_400) == bars


def test_udf_client_walks_crypto_without_weekends(chart):
    quotes = [(FIRST + i * 1200, 90_000.0 + i, 90_001.0 + i) for i in range(900)]
    series = store_quotes(quotes, symbol="BTCUSD", broker="kraken")
    series.instrument.type = "crypto"
    series.instrument.save()

    assert chart.send("symbols", symbol="KRAKEN:BTC/USD")["session"] == "24x7"
    for resolution, length in (("240", 14_400), ("D", 86_400)):
        bars = bars_of(quotes, lambda at, s=length: at // s * s)
        assert chart.walk("BTCUSD", resolution, 3) == bars
    monday = 4 * 86_400
    weeks = bars_of(quotes, lambda at: (at - monday) // 604_800 * 604_800 + monday)
    assert chart.walk("BTCUSD", "W", 1) == weeks
