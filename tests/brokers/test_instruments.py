from brokers.feed import FollowedInstrument
from brokers.instruments import followed_instruments
from marketdata.catalog import Broker, Catalog, Instrument, InstrumentType


def instrument(symbol: str, *, is_recorded: bool = True, **brokers: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        display=symbol,
        type=InstrumentType.CRYPTO,
        decimals=2,
        brokers=brokers,
        is_recorded=is_recorded,
    )


def test_followed_instruments_are_all_that_the_broker_carries_recorded_first() -> None:
    catalog = Catalog(
        [
            instrument("ADAUSDT", binance="ADAUSDT", is_recorded=False),
            instrument("BTCUSDT", binance="BTCUSDT", kraken="XBT/USDT"),
            instrument("ETHUSDT", binance="ETHUSDT"),
            instrument("EURUSD", oanda="EUR_USD"),
        ],
        [Broker("binance", is_enabled=True)],
    )

    assert followed_instruments(catalog, "binance") == [
        FollowedInstrument("BTCUSDT", "BTCUSDT", 2),
        FollowedInstrument("ETHUSDT", "ETHUSDT", 2),
        FollowedInstrument("ADAUSDT", "ADAUSDT", 2, is_recorded=False),
    ]
    assert followed_instruments(catalog, "kraken") == [
        FollowedInstrument("BTCUSDT", "XBT/USDT", 2)
    ]
