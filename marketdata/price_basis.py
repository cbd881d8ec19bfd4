"""What candles and 24-hour figures are made of where a client does not say."""

from marketdata.candle_building import RECORD_TYPES
from marketdata.catalog import Broker, Instrument, InstrumentType
from marketdata.records import KINDS, Kind
from marketdata.timeframes import PriceSide
from marketdata.topics import Topic

_CRYPTO_EXCHANGES = frozenset({"binance", "kraken"})


def has_trades(broker: Broker, instrument: Instrument) -> bool:
    """Return True if the broker sends prints of the instrument, not only quotes.

    The rule: crypto, from an exchange (binance, kraken) or a simulated broker. Dealers
    (oanda) and archives of their quotes (dukascopy) have no prints of anything.
    """
    return instrument.type is InstrumentType.CRYPTO and (
        broker.name in _CRYPTO_EXCHANGES or broker.is_simulated
    )


def price_side(broker: Broker, instrument: Instrument) -> PriceSide:
    """Return trade where the series has trades, else mid."""
    return PriceSide.TRADE if has_trades(broker, instrument) else PriceSide.MID


def is_made_of(topic: Topic, kind: Kind) -> bool:
    """Return whether the topic has records of the kind, or candles of them."""
    if topic.price_side is not None:
        return KINDS[RECORD_TYPES[topic.price_side]] is kind
    return topic.kind is kind
