"""Messages between feeds and hubs: the only module that knows their keys.

On a topic's group, from its feed, in the order of its records:

- `market.data`: the records that the topic got in one turn of the feed's loop;
- `market.state`: where the topic is, in answer to a hub that joined.

On a broker's groups: `market.beat`, each second from its feed (`beat_group`), there too
`market.gaps`, and `market.demand` from each hub (`demand_group`), which names what is
followed there.
Records are msgpack inside the message, because Channels owns the message's own format.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketdata.exceptions import InvalidLayerMessage
from marketdata.records import Kind, Record
from marketdata.topics import Topic, escape

_BODY = "body"


class NumberedRecords(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="market.data"
):
    """Consecutive records of one topic; ``records[i]`` has the number ``first + i``.

    All numbers of the epoch up to ``stored`` are in the database, 0 while none is.
    """

    epoch: int
    first: int
    records: Sequence[Record]
    stored: int = 0


class TopicState(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="market.state"
):
    """Where a topic is: the number ``head`` was its last, 0 if it had none yet.

    ``last`` is that record (of an order book, the whole one it led to), or what is
    known of the time before. ``is_recorded`` says whether its records are stored.
    """

    epoch: int
    head: int
    stored: int
    is_recorded: bool
    is_live: bool
    last: Record | None = None


class Beat(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="market.beat"):
    """A sign of life of a broker's feed, each second.

    ``is_live`` is False while its connection to the broker is lost. ``stored`` has the
    numbers stored, by group name, of topics where that changed since the last beat.
    ``clock_us`` is the feed's own, which only goes forward; 0 if it has none.
    """

    broker: str
    epoch: int
    is_live: bool
    stored: Mapping[str, int] = {}
    clock_us: int = 0


class ToldGap(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Records of a symbol that the feed never got, between two times if known."""

    kind: Kind
    symbol: str
    from_us: int | None
    to_us: int | None
    reason: str


class Gaps(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="market.gaps"):
    """What a broker's feed is missing, told once."""

    broker: str
    epoch: int
    gaps: Sequence[ToldGap]


class Demand(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="market.demand"
):
    """What a hub follows of a broker, repeated so that a hub that died is forgotten.

    The feed answers with a `TopicState` for each of ``asked`` on its group.
    ``followed`` replaces what the hub said before.
    """

    hub: str
    followed: Sequence[Topic]
    asked: Sequence[Topic] = ()


LayerMessage = NumberedRecords | TopicState | Beat | Gaps | Demand

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LayerMessage] = msgspec.msgpack.Decoder(LayerMessage)


def encode_message(message: LayerMessage) -> dict[str, Any]:
    """Return the layer message; ``type`` is there because Channels wants one."""
    return {"type": "market", _BODY: _encoder.encode(message)}


def decode_message(message: Mapping[str, Any]) -> LayerMessage:
    """Return what a layer message says.

    Raises:
        InvalidLayerMessage: it was not made by ``encode_message``.
    """
    try:
        return _decoder.decode(message[_BODY])
    except (KeyError, TypeError, msgspec.DecodeError) as exc:
        raise InvalidLayerMessage(repr(exc)) from exc


def beat_group(broker: str) -> str:
    """Return the group on which a broker's feed shows that it lives."""
    return f"md.beat.{escape(broker)}"


def demand_group(broker: str) -> str:
    """Return the group on which hubs tell a broker's feed what they follow."""
    return f"md.demand.{escape(broker)}"
