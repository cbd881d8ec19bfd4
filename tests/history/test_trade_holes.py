"""Which trades of the last hour lack, by their ids."""

import pytest

from history.record_batch import BatchStore
from history.trade_holes import (
    StoredTrades,
    possible_trades,
    select_stored_trades,
)
from marketdata.models import Instrument
from marketdata.records import Trade
from tests.history.factories import T0, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)


def store_trades(*moments: tuple[int, int]) -> None:
    """Store trades of EURUSD by oanda, each an id and a second."""
    rows = [
        (
            Trade(
                broker="oanda",
                symbol="EURUSD",
                time_us=(T0 + second) * 1_000_000,
                received_us=0,
                price=1.0,
                size=1.0,
                trade_id=trade_id,
            ),
            1,
            number,
        )
        for number, (trade_id, second) in enumerate(moments, 1)
    ]
    BatchStore().store(rows)


def test_stored_trades_are_those_of_the_last_hour_with_their_holes() -> None:
    store_quotes([(T0, 1.1, 1.2)], broker="oanda")
    assert select_stored_trades("oanda") == []

    store_trades((1, 0), (5, 10), (6, 3_605), (8, 3_606), (11, 3_608), (12, 3_608))

    newest_us = (T0 + 3_608) * 1_000_000
    assert select_stored_trades("oanda") == [
        StoredTrades("EURUSD", 12, newest_us, [(7, 7), (9, 10)])
    ]
    assert select_stored_trades("binance") == []
    Instrument.objects.update(record=False)
    assert select_stored_trades("oanda") == []


def test_stored_trades_of_two_streams_have_no_hole_between_their_ids() -> None:
    store_quotes([(T0, 1.1, 1.2)], broker="oanda")

    store_trades((50_000, 0), (50_002, 1), (7, 2), (9, 3))

    (found,) = select_stored_trades("oanda")
    assert found.holes == [(8, 8), (50_001, 50_001)]
    assert possible_trades(2.0) == 30_000
