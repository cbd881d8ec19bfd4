"""What a session wants done: values that the consumer performs, in order."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from marketdata.broker_credentials import Credentials
from marketdata.clients import Client
from marketdata.encodings import Encoding
from marketdata.exceptions import AuthFailed, BrokerAuthFailed
from marketdata.topics import Topic


class Position(NamedTuple):
    """A place in a topic: the last record that this process delivered."""

    epoch: int
    number: int


Positions = Mapping[Topic, Position | None]


class Resume(msgspec.Struct, frozen=True):
    """Where a client's records ended: the last frame's epoch, seq and timestamp."""

    epoch: str
    seq: int
    timestamp_ms: int | None = None


class Follow(msgspec.Struct, frozen=True):
    """How a session follows a topic.

    ``conflate_ms`` None delivers each record, otherwise the newest one in so many ms.
    ``since`` (ms, or the client's last frame) starts in the past; with ``snapshot`` the
    last known record comes first. ``whole_books`` makes each record of an order book
    the whole one that it leads to, which can be conflated.
    """

    topic: Topic
    encoding: Encoding
    snapshot: bool = False
    since: int | Resume | None = None
    conflate_ms: int | None = None
    whole_books: bool = False


class Send(msgspec.Struct, frozen=True):
    """Send a frame; ``is_malformed`` if it answers one that was no request at all."""

    frame: bytes
    is_malformed: bool = False


class Join(msgspec.Struct, frozen=True):
    """Follow topics: first the reply, then snapshots or history, then live records.

    ``reply`` makes the frame from where each of the topics is; None sends nothing.
    A topic and encoding that is followed already goes on as it is wanted now.
    """

    follows: tuple[Follow, ...]
    reply: Callable[[Positions], bytes | None]

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics, each once."""
        return tuple(dict.fromkeys(item.topic for item in self.follows))


class Leave(msgspec.Struct, frozen=True):
    """Stop following, at once."""

    pairs: tuple[tuple[Topic, Encoding], ...]


class Authenticate(msgspec.Struct, frozen=True):
    """Find out whose key or token it is, and do what ``answer`` returns for that."""

    token: str
    answer: Callable[[Client | AuthFailed], "Sequence[Effect]"]


class OpenFeed(msgspec.Struct, frozen=True):
    """Open a private feed of a broker, and then do what ``answer`` returns.

    It is given the feed's owner (`Topic.owner`), or why there is none. Others' requests
    go on meanwhile. A feed that was opened replaces the session's earlier one there.
    """

    broker: str
    credentials: Credentials
    answer: Callable[[str | BrokerAuthFailed], "Sequence[Effect]"]


class Close(msgspec.Struct, frozen=True):
    """Send the frame, if any, and close."""

    code: int
    reason: str = ""
    frame: bytes | None = None


Effect = Send | Join | Leave | Authenticate | OpenFeed | Close
