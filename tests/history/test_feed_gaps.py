"""Gaps of feeds: stored once, told in the answers that they touch."""

import pytest
from msgspec import structs

from history.feed_gaps import (
    FeedGapRow,
    FilledSpan,
    close_filled_gaps,
    select_ends,
    store_feed_gaps,
)
from history.models import FeedGap, Series
from history.record_batch import BatchStore
from history.series import get_or_create_series
from history.timestamps import to_us
from marketdata.models import Instrument
from marketdata.records import Kind, Trade
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


def trades_of(*ids):
    """Store trades by their ids, one a second, and return their series."""
    series = get_or_create_series("EURUSD", "oanda")
    rows = [
        Trade(
            broker="oanda",
            symbol="EURUSD",
            time_us=(T0 + number) * S,
            received_us=0,
            price=1.0,
            size=1.0,
            trade_id=number,
        )
        for number in ids
    ]
    BatchStore().store([(row, 0, 0) for row in rows])
    return series


@pytest.mark.usefixtures("series")
def test_close_filled_gaps_deletes_those_that_have_no_trade_missing():
    gap = FeedGapRow("EURUSD", Kind.TRADE, (T0 + 5) * S, (T0 + 9) * S, "cut")
    ticks = structs.replace(gap, kind=Kind.TICK)
    span = FilledSpan("EURUSD", gap.from_us, gap.to_us)
    trades_of(4, 5, 9, 10)
    store_feed_gaps("oanda", [gap, ticks])

    assert close_filled_gaps("oanda", [span]) == 0
    trades_of(6, 7)
    before = revision()
    assert close_filled_gaps("oanda", [span]) == 0
    assert revision() == before
    trades_of(8)
    before = revision()
    assert close_filled_gaps("oanda", [structs.replace(span, symbol="X")]) == 0
    assert close_filled_gaps("oanda", [span]) == 1

    assert [row.kind for row in FeedGap.objects.all()] == ["tick"]
    assert revision() == before + 1
