import msgspec
import pytest

from marketdata.records import KINDS, Kind, Record, Tick
from tests.marketdata.samples import BOOK, CANDLE, TICK, TICKER, TRADE


@pytest.mark.parametrize("record", [TICK, TRADE, BOOK, TICKER, CANDLE])
def test_msgpack_round_trip_returns_the_same_record(record):
    packed = msgspec.msgpack.encode(record)

    assert msgspec.msgpack.decode(packed, type=Record) == record


def test_kinds_has_each_record_type_once():
    assert set(KINDS) == set(Record.__args__)
    assert set(KINDS.values()) == set(Kind)


def test_mid_is_between_bid_and_ask():
    assert TICK.mid == (42_000.11 + 42_000.12) / 2


def test_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        TICK.bid = 1.0


def test_tick_without_sizes_knows_none():
    tick = Tick(broker="x", symbol="Y", time_us=1, received_us=2, bid=1.0, ask=2.0)

    assert (tick.bid_size, tick.ask_size, tick.simulated) == (None, None, False)
