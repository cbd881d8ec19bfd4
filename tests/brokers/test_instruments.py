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


def test_followed_instruments_are_recorded_and_carried_by_the_broker() -> None:
    catalog = Catalog(
        [
            instrument("BTCUSDT", binance="BTCUSDT", kraken="XBT/USDT"),
            instrument("ETHUSDT", binance="ETHUSDT", is_recorded=False),
            instrument("EURUSD", oanda="EUR_USD"),
        ],
        [Broker("binance", is_enabled=True)],
    )

    assert followed_instruments(catalog, "binance", recorded_only=True) == [
        FollowedInstrument("BTCUSDT", "BTCUSDT", 2)
    ]
    assert followed_instruments(catalog, "kraken", recorded_only=True) == [
        FollowedInstrument("BTCUSDT", "XBT/USDT", 2)
    ]
    assert followed_instruments(catalog, "binance", recorded_only=False) == [
        FollowedInstrument("BTCUSDT", "BTCUSDT", 2),
        FollowedInstrument("ETHUSDT", "ETHUSDT", 2),
    ]
