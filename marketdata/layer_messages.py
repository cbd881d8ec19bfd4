"""Messages of the channel layer: the only module that knows their keys.

One message carries the records that one topic got in one turn of the publisher's loop:
`{"type": "market.data", "epoch": 212000000, "first": 17, "records": b"..."}`, where
`records` is a msgpack list and the numbers are first, first + 1, ... without a hole.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from marketdata.exceptions import InvalidLayerMessage
from marketdata.records import Record

_TYPE = "market.data"

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


class NumberedRecords(msgspec.Struct, frozen=True, gc=False):
    """Consecutive records of one topic; ``records[i]`` has the number ``first + i``."""

    epoch: int
    first: int
    records: Sequence[Record]


def encode_message(batch: NumberedRecords) -> dict[str, Any]:
    """Return the batch as a layer message."""
    return {
        "type": _TYPE,
        "epoch": batch.epoch,
        "first": batch.first,
        "records": _encoder.encode(batch.records),
    }


def decode_message(message: dict[str, Any]) -> NumberedRecords:
    """Return the batch of a layer message.

    Raises:
        InvalidLayerMessage: it was not made by ``encode_message``.
    """
    try:
        kind, epoch, first = message["type"], message["epoch"], message["first"]
        records = _decoder.decode(message["records"])
    except (KeyError, TypeError, msgspec.DecodeError) as exc:
        raise InvalidLayerMessage(repr(exc)) from exc
    if kind != _TYPE or type(epoch) is not int or type(first) is not int:
        raise InvalidLayerMessage(f"type {kind!r}, epoch {epoch!r}, first {first!r}")
    return NumberedRecords(epoch, first, records)
