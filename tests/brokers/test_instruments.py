from msgspec import structs

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


def test_followed_instruments_simulated_markets_never_close() -> None:
    eur = structs.replace(
        instrument("EURUSD", oanda="EUR_USD", simulated="EURUSD"),
        type=InstrumentType.FOREX,
    )
    brokers = [Broker("oanda", True), Broker("simulated", True, is_simulated=True)]
    catalog = Catalog([eur], brokers)

    (real,) = followed_instruments(catalog, "oanda")
    (simulated,) = followed_instruments(catalog, "simulated")

    assert real.market is InstrumentType.FOREX
    assert simulated.market is InstrumentType.CRYPTO
