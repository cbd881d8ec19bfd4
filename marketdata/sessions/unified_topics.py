"""Topics as requests of the unified dialect name them. Pure."""

from marketdata.catalog import Broker, Instrument
from marketdata.effects import Resume
from marketdata.exceptions import UnsupportedSince, UnsupportedType
from marketdata.frames.unified_requests import TYPES, Subscribe, Unsubscribe
from marketdata.price_basis import has_trades
from marketdata.records import Kind
from marketdata.timeframes import PriceSide
from marketdata.topics import Topic


def find_topic(
    kind: Kind | str,
    broker: Broker,
    instrument: Instrument,
    request: Subscribe,
    owner: str,
) -> Topic:
    """Return the topic that a request names.

    Raises:
        UnsupportedType, UnsupportedSince: there is none.
    """
    if isinstance(kind, str):
        raise UnsupportedType(
            f"expected a type of {', '.join(TYPES)}, found {kind!r:.60}"
        )
    if kind is not Kind.CANDLE:
        return Topic(kind, broker.name, instrument.symbol, owner=owner)
    if isinstance(request.since, Resume):
        raise UnsupportedSince("since of candles is a time in ms")
    if request.price is PriceSide.TRADE and not has_trades(broker, instrument):
        raise UnsupportedType(f"{broker.name} has no trades of {instrument.display}")
    return Topic(kind, broker.name, instrument.symbol, request.interval, request.price)


def wants_snapshot(topic: Topic, request: Subscribe) -> bool:
    """Return True if the last known record of the topic comes first."""
    replaces_past = request.since is not None and not has_past(topic)
    return request.snapshot or replaces_past


def has_past(topic: Topic) -> bool:
    """Return True if the topic's records are stored."""
    return topic.kind is not Kind.ORDERBOOK and not topic.owner


def is_meant(topic: Topic, request: Unsubscribe) -> bool:
    """Return True if the request is about the topic; of any symbol."""
    return (
        (request.broker is None or topic.broker == request.broker.lower())
        and (request.types is None or topic.kind in request.types)
        and (request.interval is None or topic.timeframe in (None, request.interval))
        and (request.price is None or topic.price_side in (None, request.price))
    )
