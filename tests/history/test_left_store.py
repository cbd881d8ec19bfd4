"""What a process left that another one had already replaced."""

import pytest

from history.left_store import LeftStore
from history.live_rows import Row
from history.models import Tick
from history.record_batch import BatchStore
from marketdata.numbering import unpack
from tests.history.factories import make_broker, make_instrument
from tests.history.live_rows import EPOCH, tick_row, trade_row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def instruments(transactional_db: None) -> None:
    make_broker("oanda")
    for symbol in ("EURUSD", "GBPUSD"):
        make_instrument(symbol)


def left(*numbers: int, symbol: str = "EURUSD") -> list[Row]:
    return [tick_row(number, epoch=EPOCH, symbol=symbol) for number in numbers]


def later(second: int, number: int) -> Row:
    """Return what the next process received in a second, under its own number."""
    tick, _, _ = tick_row(second)
    return tick, EPOCH + 1, number


def stored() -> list[tuple[int, int]]:
    """Return (epoch, number) of the stored ticks, in order of time."""
    rows = Tick.objects.order_by("time", "seq")
    return [unpack(row.seq) for row in rows]


def test_store_leaves_out_what_the_next_process_had_too() -> None:
    batches = BatchStore()
    batches.store([later(4, 1), later(5, 2)])

    done = LeftStore(batches).store(left(2, 3, 4, 5, 6))

    assert (done.stored, done.duplicates) == (2, 3)
    assert stored() == [(EPOCH, 2), (EPOCH, 3), (EPOCH + 1, 1), (EPOCH + 1, 2)]


def test_store_keeps_what_the_next_process_has_not() -> None:
    batches = BatchStore()
    batches.store([later(2, 1)])
    trade, epoch, number = trade_row(3, trade_id=9)

    done = LeftStore(batches).store(
        [*left(2), *left(2, 3, symbol="GBPUSD"), (trade, epoch, number)]
    )

    assert (done.stored, done.duplicates) == (3, 1)
    assert stored() == [(EPOCH, 2), (EPOCH + 1, 1), (EPOCH, 3)]
