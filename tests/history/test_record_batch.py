"""Batches of live records in the database: rows, notes, statistics."""

import psycopg
import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.utils import DataError, OperationalError

from history import record_batch
from history.batch_changes import NOTE_GRACE_US
from history.exceptions import Superseded
from history.models import ChangedRange, Series, Tick, Trade
from history.record_batch import BatchStore
from history.timestamps import to_us
from marketdata import records
from marketdata.models import Broker, Instrument
from marketdata.numbering import pack
from marketdata.records import Kind
from marketdata.topics import Topic
from tests.history.storage import MINUTE_US, SECOND_US, T0_US, make_series

pytestmark = pytest.mark.django_db

EPOCH = 200_000_000


def tick(
    number: int, *, symbol: str = "EURUSD", time_us: int | None = None, bid: float = 1.1
) -> tuple[records.Tick, int, int]:
    record = records.Tick(
        broker="oanda",
        symbol=symbol,
        time_us=T0_US + number * SECOND_US if time_us is None else time_us,
        received_us=T0_US + 7,
        bid=bid,
        ask=bid + 0.1,
        bid_size=None,
        ask_size=2.0,
    )
    return record, EPOCH, number


def trade(number: int, trade_id: int | None) -> tuple[records.Trade, int, int]:
    record = records.Trade(
        broker="oanda",
        symbol="EURUSD",
        time_us=T0_US,
        received_us=T0_US + 7,
        price=1.1,
        size=0.5,
        side=records.Side.SELL,
        trade_id=trade_id,
    )
    return record, EPOCH, number


def test_store_writes_rows_notes_and_statistics() -> None:
    series_id = make_series("EURUSD", "oanda")

    done = BatchStore().store([tick(1), trade(1, 77), tick(61), trade(2, None)])

    assert done[:3] == (4, 0, 0)
    ticks = Tick.objects.order_by("time").values_list(
        "series_id", "seq", "bid", "bid_size", "ask_size"
    )
    assert list(ticks) == [
        (series_id, pack(EPOCH, 1), 1.1, None, 2.0),
        (series_id, pack(EPOCH, 61), 1.1, None, 2.0),
    ]
    trades = Trade.objects.order_by("seq").values_list("trade_id", "seq", "side")
    assert list(trades) == [
        (77, pack(EPOCH, 1), -1),
        (pack(EPOCH, 2), pack(EPOCH, 2), -1),
    ]
    notes = sorted(
        (to_us(note.start), to_us(note.end), to_us(note.due))
        for note in ChangedRange.objects.all()
    )
    assert notes == [
        (start_us, start_us + MINUTE_US, start_us + MINUTE_US + NOTE_GRACE_US)
        for start_us in (T0_US, T0_US + MINUTE_US)
    ]
    series = Series.objects.get()
    assert (series.tick_count, series.trade_count, series.revision) == (2, 2, 0)
    assert (to_us(series.earliest), to_us(series.latest)) == (
        T0_US,
        T0_US + 61 * SECOND_US,
    )


def test_store_again_counts_duplicates_and_adds_the_rest() -> None:
    make_series("EURUSD", "oanda")
    make_series("GBPUSD", "oanda")
    store = BatchStore()
    batch = [tick(1), tick(1, symbol="GBPUSD"), trade(1, 77)]
    store.store(batch)

    done = store.store([*batch, tick(2), trade(2, 78), tick(5, symbol="GBPUSD")])
    nothing_new = store.store(batch)

    assert done[:3] == (3, 3, 0)
    assert nothing_new[:3] == (0, 3, 0)
    counts = Series.objects.order_by("pk").values_list("tick_count", "trade_count")
    assert list(counts) == [(2, 2), (2, 0)]


def test_store_raises_the_revision_of_a_series_with_a_very_late_record() -> None:
    make_series("EURUSD", "oanda")
    make_series("GBPUSD", "oanda")
    store = BatchStore()
    store.store([tick(61), tick(61, symbol="GBPUSD")])

    on_the_minute_us = T0_US + SECOND_US
    store.store(
        [
            tick(62, time_us=on_the_minute_us - 1),
            tick(62, time_us=on_the_minute_us, symbol="GBPUSD"),
        ]
    )

    revisions = Series.objects.order_by("pk").values_list("revision", flat=True)
    assert list(revisions) == [1, 0]


def test_store_skips_instruments_that_are_unknown_or_not_recorded() -> None:
    make_series("EURUSD", "oanda", record=False)
    Broker.objects.create(name="binance", title="Binance")

    done = BatchStore().store([tick(1), tick(1, symbol="XYZ"), tick(2)])

    assert done[:3] == (0, 0, 3)
    assert not Tick.objects.exists()


def test_store_skips_brokers_that_have_no_row() -> None:
    make_series("EURUSD", "dukascopy")

    assert BatchStore().store([tick(1)])[:3] == (0, 0, 1)


def test_store_makes_the_series_of_a_recorded_instrument() -> None:
    make_series("EURUSD", "oanda")
    Series.objects.all().delete()

    BatchStore().store([tick(1)])

    assert Series.objects.get().broker_id == "oanda"


def test_store_asks_again_after_a_while_what_is_recorded(settings) -> None:
    settings.CATALOG_REFRESH_S = 0.0
    make_series("EURUSD", "oanda")
    store = BatchStore()
    store.store([tick(1)])

    Instrument.objects.update(record=False)

    assert store.store([tick(2)])[:3] == (0, 0, 1)


def test_store_of_known_series_asks_for_no_catalog(django_assert_num_queries) -> None:
    make_series("EURUSD", "oanda")
    store = BatchStore()
    store.store([tick(1)])

    # savepoint, notes, lock, statistics, release; COPY goes beside Django's cursors
    with django_assert_num_queries(5):
        store.store([tick(2)])


@pytest.mark.django_db(transaction=True)
def test_store_of_a_bad_row_raises_and_stores_nothing() -> None:
    make_series("EURUSD", "oanda")
    far_us = 300_000 * 366 * 86_400 * SECOND_US

    with pytest.raises((psycopg.DataError, DataError, OverflowError)):
        BatchStore().store([tick(1), tick(2, time_us=far_us)])

    assert connection.connection is None
    assert not Tick.objects.exists()
    assert Series.objects.get().tick_count == 0


@pytest.mark.django_db(transaction=True)
def test_store_after_the_connection_was_cut_raises_once_and_works_again() -> None:
    make_series("EURUSD", "oanda")
    store = BatchStore()
    store.store([tick(1)])
    url = connection.connection.info
    with psycopg.connect(url.dsn, password=url.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [url.backend_pid])

    with pytest.raises((psycopg.OperationalError, OperationalError)):
        store.store([tick(2)])

    assert store.store([tick(2)])[:3] == (1, 0, 0)
    assert Tick.objects.count() == 2


def test_store_records_an_instrument_from_its_first_record_on() -> None:
    make_series("EURUSD", "oanda", record=False)
    store = BatchStore()
    assert store.store([tick(1)])[:3] == (0, 0, 1)

    make_series("GBPUSD", "oanda")
    Series.objects.filter(instrument__symbol="GBPUSD").delete()

    assert store.store([tick(1, symbol="GBPUSD"), tick(2)])[:3] == (1, 0, 1)


def test_store_asks_soon_again_whether_a_skipped_instrument_is_recorded(
    monkeypatch,
) -> None:
    make_series("EURUSD", "oanda", record=False)
    store = BatchStore()
    store.store([tick(1)])
    Instrument.objects.update(record=True)

    monkeypatch.setattr(record_batch, "RECHECK_S", 3600.0)
    assert store.store([tick(2)])[:3] == (0, 0, 1)  # not asked again yet
    monkeypatch.setattr(record_batch, "RECHECK_S", 0.0)

    assert store.store([tick(3)])[:3] == (1, 0, 0)


def test_store_tells_the_highest_number_of_each_recorded_topic() -> None:
    make_series("EURUSD", "oanda")
    make_series("GBPUSD", "oanda", record=False)
    rows = [tick(1), trade(1, 77), tick(3), tick(2, symbol="GBPUSD")]

    numbers = BatchStore().store(rows).numbers

    assert numbers == {
        Topic(Kind.TICK, "oanda", "EURUSD"): 3,
        Topic(Kind.TRADE, "oanda", "EURUSD"): 1,
    }


def test_store_of_two_epochs_tells_the_numbers_of_the_newer() -> None:
    make_series("EURUSD", "oanda")
    record, _, _ = tick(9)
    newer, _, _ = tick(10)

    numbers = BatchStore().store([(record, EPOCH, 9), (newer, EPOCH + 1, 1)]).numbers

    assert numbers == {Topic(Kind.TICK, "oanda", "EURUSD"): 1}


def test_store_calls_the_guard_first_in_each_transaction() -> None:
    make_series("EURUSD", "oanda")
    seen: list[int] = []

    def guard(cursor: CursorWrapper) -> None:
        cursor.execute("SELECT count(*) FROM ticks")
        seen.append(cursor.fetchone()[0])

    store = BatchStore(guard)
    store.store([tick(1)])
    store.store([tick(1), tick(2)])

    assert seen == [0, 1, 1]  # the third is the second try of the duplicate


@pytest.mark.django_db(transaction=True)
def test_store_that_the_guard_forbids_raises_and_stores_nothing() -> None:
    make_series("EURUSD", "oanda")

    def guard(cursor: CursorWrapper) -> None:
        raise ValueError("epoch 8 holds the lease")

    with pytest.raises(Superseded, match="epoch 8 holds the lease"):
        BatchStore(guard).store([tick(1)])

    assert Tick.objects.count() == 0


def test_store_of_a_guard_without_database_can_be_tried_again() -> None:
    make_series("EURUSD", "oanda")

    def guard(cursor: CursorWrapper) -> None:
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        BatchStore(guard).store([tick(1)])
