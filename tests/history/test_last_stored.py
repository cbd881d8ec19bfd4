import pytest

from history.last_stored import select_last_ticks
from marketdata.models import Instrument
from marketdata.records import Tick
from tests.history.factories import T0, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000


def test_select_last_ticks_gives_the_newest_of_each_recorded_symbol():
    store_quotes([(T0, 1.1, 1.2), (T0 + 60, 1.3, 1.4)], broker="oanda")

    (found,) = select_last_ticks("oanda")

    assert isinstance(found, Tick)
    assert (found.symbol, found.time_us) == ("EURUSD", (T0 + 60) * S)
    assert (found.bid, found.ask) == (1.3, 1.4)
    assert select_last_ticks("kraken") == []
    Instrument.objects.update(record=False)
    assert select_last_ticks("oanda") == []
