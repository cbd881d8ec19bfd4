"""What a dialect is: how records become frames, and how a session speaks."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from marketdata.catalog import Catalog, Instrument
from marketdata.codes import ErrorCode
from marketdata.effects import Effect
from marketdata.records import Record


class EncodeData(Protocol):
    """Makes the frame of a record; ``epoch`` is its text (`numbering.epoch_text`)."""

    def __call__(
        self,
        record: Record,
        instrument: Instrument,
        *,
        number: int,
        epoch: str,
        phase: str | None = None,
    ) -> bytes:
        """Return the frame."""


class Session(Protocol):
    """The state of one client's socket; no I/O, time is passed in."""

    @property
    def subscription_count(self) -> int:
        """Number of topics that the session follows."""

    def open(self) -> Sequence[Effect]:
        """Return what to do when the socket has opened."""

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return what to do about a client's frame (bytes: a binary one)."""

    def heartbeat(self, now_us: int, *, sent: int, queued_bytes: int) -> bytes | None:
        """Return the heartbeat frame, None if the dialect has none."""

    def error(self, code: ErrorCode, message: str) -> bytes:
        """Return the frame of an error that no request caused."""

    def shutdown(self, reconnect_after_ms: int) -> bytes | None:
        """Return the frame before the server stops, None if the dialect has none."""


class ServerFacts(msgspec.Struct, frozen=True):
    """What a session tells its client: who serves, and the limits that hold."""

    server: str
    heartbeat_s: float
    max_subscriptions: int
    max_frame_bytes: int
    max_queue_bytes: int


class Dialect(msgspec.Struct, frozen=True, eq=False):
    """A family of client frames; compared and hashed by identity."""

    name: str
    encode_data: EncodeData
    new_session: Callable[[ServerFacts], Session]
