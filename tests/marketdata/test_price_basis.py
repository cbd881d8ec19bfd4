import msgspec
import pytest

from marketdata.catalog import Broker
from marketdata.price_basis import has_trades, price_side
from marketdata.timeframes import PriceSide
from tests.marketdata.samples import BTCUSDT, EURUSD

BINANCE = Broker("binance", is_enabled=True)
KRAKEN = Broker("kraken", is_enabled=True)
OANDA = Broker("oanda", is_enabled=True)
DUKASCOPY = Broker("dukascopy", is_enabled=True)
SIMULATED = Broker("simulated-binance", is_enabled=True, is_simulated=True)
STOCK = msgspec.structs.replace(EURUSD, type="stock")


@pytest.mark.parametrize("broker", [BINANCE, KRAKEN, SIMULATED])
def test_has_trades_of_crypto_at_an_exchange_or_simulated_is_true(broker):
    assert has_trades(broker, BTCUSDT) is True
    assert price_side(broker, BTCUSDT) is PriceSide.TRADE


@pytest.mark.parametrize(
    ("broker", "instrument"),
    [
        (OANDA, EURUSD),
        (SIMULATED, EURUSD),
        (KRAKEN, EURUSD),
        (SIMULATED, STOCK),
        (DUKASCOPY, BTCUSDT),
        (OANDA, BTCUSDT),
    ],
)
def test_has_trades_of_anything_else_is_false(broker, instrument):
    assert has_trades(broker, instrument) is False
    assert price_side(broker, instrument) is PriceSide.MID
