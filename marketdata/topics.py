"""Topics: what a client can follow, and their names in the channel layer."""

import re

import msgspec

from marketdata.records import KINDS, Candle, Kind, Record
from marketdata.timeframes import PriceSide, Timeframe

# What private feeds give. Candles begin with what is stored, and private records are
# not.
PRIVATE_KINDS = frozenset({Kind.TICK, Kind.TRADE, Kind.ORDERBOOK})

_PREFIX = "md"
_UNSAFE = re.compile(r"[^A-Za-z0-9]")


class Topic(msgspec.Struct, frozen=True, gc=False):
    """A stream of records of one kind, broker and symbol.

    ``timeframe`` and ``price_side`` are set for candles and None for all else.
    ``owner`` is empty, or names the private feed that gives the records: only who has
    its credentials may follow them (`Credentials.owner`).
    """

    kind: Kind
    broker: str
    symbol: str
    timeframe: Timeframe | None = None
    price_side: PriceSide | None = None
    owner: str = ""

    @property
    def source(self) -> str:
        """The feed that gives the records, see `source_name`."""
        return source_name(self.broker, self.owner)


def source_name(broker: str, owner: str = "") -> str:
    """Return the name of a feed: its broker's, or that of a private feed there."""
    return f"{broker}~{owner}" if owner else broker


def topic_of(record: Record) -> Topic:
    """Return the topic that the record belongs to."""
    if isinstance(record, Candle):
        return Topic(
            Kind.CANDLE,
            record.broker,
            record.symbol,
            record.timeframe,
            record.price_side,
        )
    return Topic(KINDS[type(record)], record.broker, record.symbol)


def group_name(topic: Topic) -> str:
    """Return the topic's group, made of the characters that any layer accepts.

    Other characters of a broker or symbol are written as `_<code point in hex>_`.
    """
    parts = [_PREFIX, topic.kind.value, escape(topic.source), escape(topic.symbol)]
    if topic.timeframe and topic.price_side:
        parts += [topic.timeframe.value, topic.price_side.value]
    return ".".join(parts)


def escape(text: str) -> str:
    """Return the text in characters that any layer accepts in a group."""
    return _UNSAFE.sub(lambda found: f"_{ord(found[0]):x}_", text)
