"""What a client that starts in the past lacks, and how much of it there is.

Venues' times are not in the order of the numbers: a record may have an earlier time
than one before it. So rows are chosen by number, and looked for from a moment that is
earlier than the last known record by as much as records are late.
"""

import msgspec

from marketdata.durations import DAY_US
from marketdata.effects import Position
from marketdata.numbering import EPOCH_ORIGIN_S, pack, unpack
from marketdata.stored_records import FIRST_LIVE, Place, Span, Wanted

# Venues' own clocks and batches are seconds apart; what is later is reported as a gap.
MAX_DISORDER_US = 60_000_000
NEVER_US = 1 << 62


class Partial(msgspec.Struct, frozen=True):
    """Why history is less than was asked for; it begins at ``from_us``, if known."""

    reason: str
    from_us: int | None = None


class Missing(msgspec.Struct, frozen=True):
    """What a client lacks: live rows with ``seq`` over ``above``, and imported ones.

    Live rows have times from ``start_us`` on, imported ones from ``imported_us`` on.
    ``position`` is where the numbers go on, None if that is not known.
    """

    above: int
    start_us: int
    imported_us: int
    position: Position | None = None


class Days(msgspec.Struct, frozen=True):
    """How far back a client's plan lets it see, at a moment."""

    days: int
    now_us: int

    @property
    def oldest_us(self) -> int:
        """The earliest time that it may ask for."""
        return self.now_us - self.days * DAY_US

    @property
    def partial(self) -> Partial:
        """What to tell a client that asked for more."""
        return Partial(f"the plan allows {self.days} days", self.oldest_us)


def missing_since(
    since_us: int, span: Span, allowed: Days
) -> tuple[Missing, Partial | None]:
    """Return what lacks from a time on."""
    start_us = max(since_us, allowed.oldest_us)
    missing = Missing(FIRST_LIVE - 1, start_us, start_us)
    if start_us < span.start_us:
        return missing, Partial("nothing older is stored", span.start_us)
    return missing, allowed.partial if since_us < allowed.oldest_us else None


def missing_after(
    position: Position, found: Place, allowed: Days
) -> tuple[Missing, Partial | None]:
    """Return what lacks after the record of a position, found in the store."""
    if found.time_us < allowed.oldest_us:
        oldest_us = allowed.oldest_us
        return Missing(pack(*position), oldest_us, oldest_us), allowed.partial
    missing = Missing(
        pack(*position),
        found.time_us - MAX_DISORDER_US,
        found.time_us + 1,
        position,
    )
    return missing, None


def missing_of_epoch(
    position: Position, allowed: Days
) -> tuple[Missing, Partial | None]:
    """Return what lacks after a position of a known epoch, none of it in the store.

    A client that got no record knows number 0. An epoch is the second of its start, or
    a little more.
    """
    began_us = (position.epoch + EPOCH_ORIGIN_S) * 1_000_000
    start_us = max(began_us - MAX_DISORDER_US, allowed.oldest_us)
    missing = Missing(pack(*position), start_us, NEVER_US, position)
    return missing, allowed.partial if began_us < allowed.oldest_us else None


def missing_of_unknown(
    timestamp_us: int | None, span: Span, allowed: Days
) -> tuple[Missing | None, Partial]:
    """Return what lacks after a position that nobody knows: by its time, if it has one.

    None: nothing of the store can be told from what the client has.
    """
    reason = "the epoch is unknown, or no record of it is left"
    if timestamp_us is None:
        return None, Partial(reason)
    missing, partial = missing_since(timestamp_us, span, allowed)
    return missing, partial or Partial(reason, missing.start_us)


def wanted_rows(missing: Missing, target: Position, span: Span, limit: int) -> Wanted:
    """Return the first page of what lacks up to a position, and is all stored."""
    return Wanted(
        start_us=min(missing.start_us, span.end_us + 1),
        end_us=span.end_us,
        above=missing.above,
        upto=max(pack(*target), FIRST_LIVE - 1),
        imported_us=missing.imported_us,
        limit=limit,
    )


class Pass:
    """Rows of a stretch of the past as they go out, to know what is left afterwards."""

    def __init__(self, missing: Missing, target: Position, now_us: int) -> None:
        self.missing = missing
        self.target = target
        self._now_us = now_us
        self._counts: dict[int, int] = {}  # of rows, by epoch
        self._highest: dict[int, int] = {}  # number, by epoch
        self._newest: Place | None = None  # the one with the highest seq

    def note(self, place: Place) -> None:
        """Note a row that goes out."""
        epoch, number = unpack(place.seq)
        if not epoch:
            return
        self._counts[epoch] = self._counts.get(epoch, 0) + 1
        self._highest[epoch] = max(self._highest.get(epoch, 0), number)
        if self._newest is None or self._newest.seq < place.seq:
            self._newest = place

    def rest(self, done: Position) -> Missing:
        """Return what lacks after the pass, if ``done`` went out in the end."""
        start_us = self.missing.start_us
        if self._newest is not None:
            # A time ahead of the clock says nothing of the records that follow.
            newest_us = min(self._newest.time_us, self._now_us)
            start_us = max(start_us, newest_us - MAX_DISORDER_US)
        # Before its first row, numbers may belong to a time that is not asked for.
        has_begun = self.missing.position is not None or self._counts
        return Missing(
            max(pack(*done), self.missing.above),
            start_us,
            NEVER_US,
            position=done if has_begun else None,
        )

    @property
    def lost(self) -> int:
        """How many numbers of the stretch no row had; 0 if its start has none."""
        before = self.missing.position
        if before is None:
            return 0
        lost = 0
        for epoch in {before.epoch, self.target.epoch, *self._counts}:
            if epoch < before.epoch:
                continue
            first = before.number if epoch == before.epoch else 0
            last = self._highest.get(epoch, first)
            if epoch == self.target.epoch:
                last = self.target.number
            lost += max(0, last - first - self._counts.get(epoch, 0))
        return lost
