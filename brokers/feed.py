"""What a broker's feed is to the runner, and the values that they exchange."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from marketdata.catalog import InstrumentType
from marketdata.records import Kind, Record

Emit = Callable[[Sequence[Record]], None]


class FollowedInstrument(msgspec.Struct, frozen=True):
    """An instrument that a feed shall deliver.

    ``symbol`` is canonical, ``broker_symbol`` the broker's spelling, ``decimals`` the
    precision of its prices. ``is_recorded`` says whether its records are to be stored;
    ``kinds`` are those that are wanted, None for all that the feed is set up to give.
    ``market`` tells when silence is no fault.
    """

    symbol: str
    broker_symbol: str
    decimals: int
    is_recorded: bool = True
    kinds: frozenset[Kind] | None = None
    market: InstrumentType = InstrumentType.CRYPTO


class UpstreamGap(msgspec.Struct, frozen=True):
    """Records of a symbol that the broker sent, or would have, and we never got.

    Times are in microseconds UTC; ``from_us`` is that of the last record before the
    hole, ``to_us`` of the first behind it, each None while unknown. ``reason`` is for
    people.
    """

    symbol: str
    kind: Kind
    from_us: int | None
    to_us: int | None
    reason: str


OnGap = Callable[[UpstreamGap], None]

Key = tuple[Kind, str]  # what a broker sends of a symbol
# Told of a part of the topics whose connection is lost, or back.
OnPart = Callable[[Collection[Key]], None]


class FeedCounters(msgspec.Struct):
    """Frames received, and those of them that gave no record, since the start.

    ``repeated`` had come before; ``silent`` are streams that were asked for and never
    delivered, ``gaps`` the holes that were found in what did. ``signs`` of life are no
    frames: pings of the broker, and its answers to ours.
    """

    received: int = 0
    malformed: int = 0
    unknown_symbols: int = 0
    unknown_events: int = 0
    no_quotes: int = 0
    repeated: int = 0
    silent: int = 0
    gaps: int = 0
    signs: int = 0

    def note_sign(self) -> None:
        """Count a sign of life."""
        self.signs += 1


class Feed(Protocol):
    """Records of one broker. One folder per broker: `messages.py` reads what the
    broker sends, `feed.py` holds the transport.
    """

    broker: str
    is_simulated: bool
    counters: FeedCounters

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks."""

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the connection ends.

        Counts what it receives as it comes, heartbeats included: the runner takes a
        count that stands still for silence.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """


@runtime_checkable
class AccountFeed(Protocol):
    """A feed that shows a broker credentials."""

    def use_account_of(self, other: Any) -> None:
        """Use another feed's credentials from the next connection on.

        What is known of the records that came stays.
        """
