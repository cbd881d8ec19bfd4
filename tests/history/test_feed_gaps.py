"""Gaps of feeds: stored once, told in the answers that they touch."""

import pytest
from msgspec import structs

from history.feed_gaps import FeedGapRow, select_ends, store_feed_gaps
from history.models import FeedGap, Series
from history.timestamps import to_us
from marketdata.models import Instrument
from marketdata.records import Kind
from tests.history.factories import T0, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000
GAP = FeedGapRow(
    "EURUSD", Kind.TICK, (T0 + 50) * S, (T0 + 130) * S + 7, "connection lost"
)


@pytest.fixture
def series():
    """Ticks of EURUSD by oanda, one in each of five minutes."""
    return store_quotes(
        [(T0 + 60 * minute, 1.1, 1.2) for minute in range(5)], broker="oanda"
    )


def revision():
    return Series.objects.get(broker="oanda").revision


def test_store_feed_gaps_stores_each_once_and_raises_the_revision(series):
    before = revision()

    assert store_feed_gaps("oanda", [GAP, structs.replace(GAP, kind=Kind.TRADE)]) == 2
    assert revision() == before + 1
    assert store_feed_gaps("oanda", [GAP]) == 0
    assert revision() == before + 1

    row = FeedGap.objects.filter(kind="tick").get()
    assert (row.series_id, to_us(row.start), to_us(row.end), row.reason) == (
        series.pk,
        GAP.from_us,
        GAP.to_us,
        "connection lost",
    )


@pytest.mark.usefixtures("series")
def test_store_feed_gaps_of_a_series_whose_first_records_are_on_their_way():
    Instrument.objects.create(
        symbol="GBPUSD", base="GBP", quote="USD", type="forex", decimals=5
    )

    assert store_feed_gaps("oanda", [structs.replace(GAP, symbol="GBPUSD")]) == 1

    gap = FeedGap.objects.get()
    assert gap.series.instrument.symbol == "GBPUSD"
    assert Series.objects.get(pk=gap.series_id).latest is None


@pytest.mark.usefixtures("series")
def test_store_feed_gaps_leaves_out_what_is_not_recorded_or_has_no_length():
    gaps = [
        structs.replace(GAP, symbol="GBPUSD"),
        structs.replace(GAP, to_us=GAP.from_us),
    ]
    assert store_feed_gaps("oanda", gaps) == 0
    assert store_feed_gaps("nowhere", [GAP]) == 0
    Instrument.objects.update(record=False)
    assert store_feed_gaps("oanda", [GAP]) == 0


@pytest.mark.usefixtures("series")
def test_select_ends_is_of_the_kinds_that_are_stored():
    assert select_ends("oanda") == {(Kind.TICK, "EURUSD"): (T0 + 240) * S}
    assert select_ends("binance") == {}


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize(
    ("timeframe", "complete"),
    [
        ("1m", [False, False, False, True, True]),
        ("1s", [True, False, False, True, True]),
        ("5m", [False]),
        ("30m", [False]),
    ],
)
def test_candles_that_a_gap_touches_are_not_complete(rest, timeframe, complete):
    query = {
        "symbol": "EURUSD",
        "broker": "oanda",
        "timeframe": timeframe,
        "from": T0,
        "to": T0 + 299,
        "fields": "full",
    }
    before = rest.get("/api/candles", query)
    store_feed_gaps("oanda", [structs.replace(GAP, kind=Kind.TRADE)])
    assert all(candle["complete"] for candle in rest.get("/api/candles", query).json())

    store_feed_gaps("oanda", [GAP])

    after = rest.get("/api/candles", query)
    assert [candle["complete"] for candle in after.json()] == complete
    assert after.headers["ETag"] != before.headers["ETag"]
