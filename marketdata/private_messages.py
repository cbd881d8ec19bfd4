"""Messages about private feeds, on the encrypted control layer alone.

A web process opens, repeats and closes on a broker's group (`private_group`); the feed
process answers on the process's own (`answer_group`), and says hello to all when it
starts (`hello_group`). The only module that knows their keys.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from marketdata.broker_credentials import Credentials
from marketdata.exceptions import InvalidLayerMessage
from marketdata.topics import escape

_BODY = "body"


class _Message(msgspec.Struct, frozen=True, array_like=True):
    """Base of the messages."""


class PrivateOpen(_Message, frozen=True, array_like=True, tag="private.open"):
    """Open a private feed, or keep it open; ``is_checked`` if it was accepted before.

    The feed process answers with a `PrivateAnswer` to ``hub``.
    """

    hub: str
    owner: str
    credentials: Credentials
    is_checked: bool


class PrivateClose(_Message, frozen=True, array_like=True, tag="private.close"):
    """Keep a private feed open no longer for the hub."""

    hub: str
    owner: str


class PrivateAnswer(_Message, frozen=True, array_like=True, tag="private.answer"):
    """Whether a private feed is open; ``reason`` says for people why it is not."""

    owner: str
    reason: str | None = None


class PrivateHello(_Message, frozen=True, array_like=True, tag="private.hello"):
    """A feed process has started and knows of no private feed."""

    broker: str


PrivateMessage = PrivateOpen | PrivateClose | PrivateAnswer | PrivateHello


def encode_private(message: PrivateMessage) -> dict[str, Any]:
    """Return the layer message; for the control layer only."""
    return {"type": "private", _BODY: _encoder.encode(message)}


def decode_private(message: Mapping[str, Any]) -> PrivateMessage:
    """Return what a layer message says.

    Raises:
        InvalidLayerMessage: it was not made by ``encode_private``.
    """
    try:
        return _decoder.decode(message[_BODY])
    except (KeyError, TypeError, msgspec.DecodeError):
        # Neither the message nor the cause is shown: it may hold credentials.
        raise InvalidLayerMessage("another one") from None


def private_group(broker: str) -> str:
    """Return the group on which a broker's feed process hears of private feeds."""
    return f"md.private.{escape(broker)}"


def answer_group(hub: str) -> str:
    """Return the group on which a web process hears the answers."""
    return f"md.private-answers.{hub}"


def hello_group(broker: str) -> str:
    """Return the group on which a broker's feed process says that it has started."""
    return f"md.private-hello.{escape(broker)}"


def _to_plain(value: Any) -> Any:
    if isinstance(value, Credentials):
        return value.reveal()
    raise NotImplementedError


def _from_plain(type_: type, value: Any) -> Any:
    is_text = isinstance(value, dict) and all(
        isinstance(item, str) for item in (*value, *value.values())
    )
    if type_ is not Credentials or not is_text:
        raise ValueError("not texts")
    return Credentials(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_plain)
_decoder: msgspec.msgpack.Decoder[PrivateMessage] = msgspec.msgpack.Decoder(
    PrivateMessage, dec_hook=_from_plain
)
