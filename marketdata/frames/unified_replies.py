"""Replies of the unified dialect: what was accepted and rejected, and why."""

from collections.abc import Sequence

import msgspec

from marketdata.catalog import Instrument
from marketdata.effects import Positions
from marketdata.exceptions import MarketDataError
from marketdata.frames.unified import encode_error, encode_status
from marketdata.frames.unified_requests import Parsed
from marketdata.numbering import epoch_text
from marketdata.records import Kind
from marketdata.topics import Topic

_RECORDED_KINDS = (Kind.TICK, Kind.TRADE, Kind.CANDLE)
_MAX_ECHOED = 40  # of a symbol; a real one has at most 20 characters


class Wanted(msgspec.Struct, frozen=True):
    """A topic that a request asks for, and the spelling that it used."""

    requested: str
    topic: Topic
    instrument: Instrument


class Described(msgspec.Struct, omit_defaults=True):
    """A topic as replies name it; ``requested`` and ``delivery`` where they apply."""

    broker: str
    symbol: str
    type: str
    requested: str | None = None
    interval: str | None = None
    price: str | None = None
    delivery: str | None = None
    private: bool = False


class Accepted(msgspec.Struct, omit_defaults=True):
    """One subscription in a reply; ``seq`` and ``epoch`` are null while unknown."""

    requested: str
    broker: str
    symbol: str
    type: str
    seq: int | None
    epoch: str | None
    recorded: bool
    interval: str | None = None
    price: str | None = None
    private: bool = False


class Rejected(msgspec.Struct):
    """One symbol of a request that could not be followed, and why."""

    requested: str
    code: str
    message: str


def describe_topic(
    topic: Topic,
    display: str,
    *,
    requested: str | None = None,
    delivery: str | None = None,
) -> Described:
    """Return the topic as clients see it."""
    return Described(
        topic.broker,
        display,
        topic.kind.value,
        requested and requested[:_MAX_ECHOED],
        topic.timeframe and topic.timeframe.value,
        topic.price_side and topic.price_side.value,
        delivery,
        bool(topic.owner),
    )


def encode_subscribed(
    parsed: Parsed,
    wanted: Sequence[Wanted],
    rejected: Sequence[Rejected],
    positions: Positions,
) -> bytes:
    """Return the reply to `subscribe`; ``positions`` has each topic that was joined."""
    return encode_status(
        id=parsed.id,
        action=parsed.action,
        message=summary("Subscribed to", len(positions), len(rejected)),
        accepted=[_accepted(item, positions) for item in wanted],
        rejected=rejected,
    )


def _accepted(wanted: Wanted, positions: Positions) -> Accepted:
    topic, position = wanted.topic, positions[wanted.topic]
    return Accepted(
        wanted.requested[:_MAX_ECHOED],
        topic.broker,
        wanted.instrument.display,
        topic.kind.value,
        position and position.number,
        position and epoch_text(position.epoch),
        wanted.instrument.is_recorded
        and topic.kind in _RECORDED_KINDS
        and not topic.owner,
        topic.timeframe and topic.timeframe.value,
        topic.price_side and topic.price_side.value,
        bool(topic.owner),
    )


def summary(verb: str, topics: int, rejected: int) -> str:
    """Return `Subscribed to 2 topics, 1 rejected`."""
    text = f"{verb} {topics} topic{'' if topics == 1 else 's'}"
    return f"{text}, {rejected} rejected" if rejected else text


def rejection(requested: str, error: MarketDataError) -> Rejected:
    """Return the entry of a symbol that an error kept out."""
    return Rejected(requested[:_MAX_ECHOED], error.code, str(error))


def encode_rejected(parsed: Parsed, rejected: Sequence[Rejected]) -> bytes:
    """Return the error of a request that had all its symbols rejected."""
    first = rejected[0]
    return encode_error(first.code, first.message, id=parsed.id, rejected=rejected)


def encode_failure(parsed: Parsed, error: MarketDataError) -> bytes:
    """Return the error of a request that was bad itself."""
    return encode_error(error.code, str(error), id=parsed.id)
