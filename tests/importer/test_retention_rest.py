"""What REST and charts answer of history whose ticks retention dropped."""

from datetime import UTC, datetime

import pytest

from history.models import Series, Tick
from importer.retention import drop_old_ticks
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.history.reads import select_series
from tests.history.test_migrations import rows as select
from tests.history.test_udf_walk import ChartClient, chart

__all__ = ["chart"]

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400
NOW = datetime.fromtimestamp(T0 + 100 * DAY, UTC)
HOURS = {"symbol": "EURUSD", "timeframe": "1h", "from": T0, "to": T0 + 3 * 3_600}


def store_live() -> None:
    store_quotes([(T0 + 90 * DAY + i, 1.2, 1.3) for i in range(5)])


def drop() -> None:
    assert drop_old_ticks(20, now=NOW).rows == 1_000


def test_candles_are_as_before_where_all_ticks_are_dropped(rest):
    store_quotes(fixture_quotes())
    before = rest.get("/api/candles", HOURS).json()
    drop()

    answer = rest.get("/api/candles", HOURS)

    assert Tick.objects.count() == 0
    assert (answer.status_code, answer.json()) == (200, before)


def test_metadata_begin_with_the_candles_and_count_the_ticks_that_are_left(rest):
    store_quotes(fixture_quotes())
    store_live()
    drop()

    body = rest.get("/api/metadata/EURUSD").json()
    (symbol,) = rest.get("/api/symbols").json()

    assert (body["earliest"], body["latest"]) == (T0, T0 + 90 * DAY + 4)
    assert body["tick_count"] == Tick.objects.count() == 5
    assert symbol["brokers"][0]["earliest"] == T0
    assert Series.objects.get().earliest.timestamp() == T0 + 90 * DAY


def test_metadata_of_a_series_without_ticks_is_there(rest):
    store_quotes(fixture_quotes())
    drop()

    body = rest.get("/api/metadata/EURUSD").json()

    assert (body["earliest"], body["latest"]) == (T0, T0 + 6_993)
    assert body["tick_count"] == 0


@pytest.mark.parametrize(
    ("address", "query"),
    [("/api/ticks", {}), ("/api/candles", {"timeframe": "1s"})],
)
def test_empty_answers_of_records_say_where_there_are_records(rest, address, query):
    store_quotes(fixture_quotes())
    drop()
    without = rest.get(address, {**HOURS, **query})
    store_live()

    answer = rest.get(address, {**HOURS, **query})

    assert (without.json(), answer.json()) == ([], [])
    assert "X-Available-From" not in without.headers
    assert answer.headers["X-Available-From"] == "2024-04-01T00:00:00.000Z"


def test_empty_answers_of_candles_say_where_there_are_candles(rest):
    store_quotes(fixture_quotes())
    drop()

    answer = rest.get("/api/candles", {**HOURS, "from": T0 - 9_000, "to": T0 - 4_000})

    assert answer.headers["X-Available-From"] == "2024-01-02T00:00:00.000Z"
    assert answer.headers["X-Available-To"] == "2024-01-02T01:56:33.000Z"


def test_default_broker_stays_dukascopy_where_its_ticks_are_dropped():
    store_quotes(fixture_quotes())
    store_quotes([(T0 + 90 * DAY, 1.2, 1.3)], broker="oanda")
    drop()

    assert select_series("EURUSD").broker == "dukascopy"
    assert select("SELECT broker FROM default_series") == [("dukascopy",)]


@pytest.mark.parametrize("has_live", [True, False])
def test_chart_walks_back_through_candles_whose_ticks_are_dropped(
    chart: ChartClient, has_live: bool
):
    store_quotes(fixture_quotes())
    if has_live:
        store_live()
    before = {
        resolution: chart.walk("EURUSD", resolution, 5)
        for resolution in ("1", "60", "1D")
    }
    drop()

    assert chart.send("symbols", symbol="EURUSD")["ticker"] == "EURUSD"
    for resolution, bars in before.items():
        assert chart.walk("EURUSD", resolution, 5) == bars
