"""What a session wants done: values that the consumer performs, in order."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from marketdata.codes import CloseCode
from marketdata.topics import Topic


class Position(NamedTuple):
    """The last record of a topic that this process delivered."""

    epoch: int
    number: int


Positions = Mapping[Topic, Position | None]


class Send(msgspec.Struct, frozen=True):
    """Send a frame."""

    frame: bytes


class Join(msgspec.Struct, frozen=True):
    """Follow the topics: first the reply, then snapshots, then live records.

    ``reply`` makes the frame from where each of the topics is. ``snapshots`` names
    those whose last known record is wanted.
    """

    topics: tuple[Topic, ...]
    reply: Callable[[Positions], bytes]
    snapshots: tuple[Topic, ...] = ()


class Leave(msgspec.Struct, frozen=True):
    """Stop following the topics, at once."""

    topics: tuple[Topic, ...]


class Close(msgspec.Struct, frozen=True):
    """Send the frame, if any, and close."""

    code: CloseCode
    frame: bytes | None = None


Effect = Send | Join | Leave | Close
