"""What came of every event of the chaos' market. Pure."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.chaos_clients import ToldGap
from benchmarks.chaos_market import MS_US, TICK, TRADE, UNSENT, Market


class Stored(NamedTuple):
    """Rows of the store, those of a kind and symbol in their order there.

    Of each its kind, the symbol's place, time in us, epoch, number in the epoch, and
    the number of the event that it came of.
    """

    kinds: np.ndarray
    places: np.ndarray
    times_us: np.ndarray
    epochs: np.ndarray
    seqs: np.ndarray
    numbers: np.ndarray


class StoredGap(NamedTuple):
    """A gap as the store has it."""

    kind: int
    place: int
    from_us: int
    to_us: int


class Account(NamedTuple):
    """Events by what became of them. All from ``stored_twice`` on must be 0.

    ``read`` is the least that the feed read: of a connection, all up to the last event
    that was stored; ``lost`` is what was sent behind that, into a dead connection or to
    a killed process.
    """

    sent: int
    read: int
    lost: int
    trades: int
    back_filled: int
    stored: int
    gaps: int
    client_frames: int
    stored_twice: int
    wrong_order: int
    read_not_stored: int
    number_holes: int  # numbers of a topic and epoch that are missing in the store
    strangers: int  # stored under another symbol, or never sent
    trades_missing: int  # neither stored live nor back-filled
    lost_without_gap: int  # ticks that no stored gap covers
    lost_untold: int  # ticks of no gap that a client was told of
    client_differs: int  # frames that are not stored as a client got them

    @property
    def is_clean(self) -> bool:
        """Whether nothing is there that must not be."""
        return not any(self[Account._fields.index("stored_twice") :])


def account(
    market: Market,
    stored: Stored,
    gaps: Collection[StoredGap],
    told: Collection[ToldGap],
    heard: np.ndarray,
) -> Account:
    """Return the account; ``heard`` are rows of `Heard.columns` of all clients."""
    kinds, places, connections = market.columns()
    known = (stored.numbers > 0) & (stored.numbers <= market.events)
    at = np.where(known, stored.numbers, 1) - 1
    known &= (kinds[at] == stored.kinds) & (places[at] == stored.places)
    copies = np.bincount(at[known], minlength=market.events)
    live = known & (stored.epochs > 0)
    is_sent = connections != UNSENT
    last_read = np.full(int(connections.max(initial=0)) + 1, -1)
    np.maximum.at(last_read, connections[at[live]], at[live])
    is_read = is_sent & (np.arange(market.events) <= last_read[connections])
    lost = is_sent & ~is_read
    lost_ticks = np.flatnonzero(lost & (kinds == TICK))
    moments = _moments(market, stored, lost_ticks)
    spans = [(item.kind, item.place, item.from_us, item.to_us) for item in gaps]
    heard_of = [
        (item.kind, item.place, item.from_ms * MS_US, (item.to_ms + 1) * MS_US)
        for item in told
    ]
    return Account(
        sent=int(is_sent.sum()),
        read=int(is_read.sum()),
        lost=int(lost.sum()),
        trades=market.trades,
        back_filled=int((known & (stored.epochs == 0)).sum()),
        stored=len(stored.numbers),
        gaps=len(gaps),
        client_frames=len(heard),
        stored_twice=int(np.maximum(copies - 1, 0).sum()),
        wrong_order=_wrong_order(stored),
        read_not_stored=int((is_read & (copies == 0)).sum()),
        number_holes=_number_holes(stored),
        strangers=int((~known).sum()),
        trades_missing=int(((kinds == TRADE) & (copies == 0)).sum()),
        lost_without_gap=_uncovered(places[lost_ticks], moments, spans),
        lost_untold=_uncovered(places[lost_ticks], moments, heard_of),
        client_differs=_differing(stored, heard),
    )


def _wrong_order(stored: Stored) -> int:
    """Return how many rows come behind one of their topic that happened later."""
    topics = stored.kinds * 65_536 + stored.places
    order = np.argsort(topics, kind="stable")
    same = np.diff(topics[order]) == 0
    return int((same & (np.diff(stored.numbers[order]) < 0)).sum())


def _number_holes(stored: Stored) -> int:
    live = stored.epochs > 0
    topics = (stored.kinds * 65_536 + stored.places)[live]
    keys = stored.epochs[live] * 131_072 + topics
    found, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    highest = np.zeros(len(found), dtype=np.int64)
    np.maximum.at(highest, place, stored.seqs[live])
    return int((highest - counts).sum())


def _moments(market: Market, stored: Stored, lost: np.ndarray) -> np.ndarray:
    """Return when each lost tick would have been read, in us.

    When it was sent; but a stored tick's time is that of its reading, so not before
    that of the symbol's last one, nor behind that of the next.
    """
    sent_us = np.frombuffer(market.times_us, dtype="q")
    _, places, _ = market.columns()
    moments = np.empty(len(lost), dtype=np.int64)
    is_tick = stored.kinds == TICK
    for place in np.unique(places[lost]):
        of_symbol = is_tick & (stored.places == place)
        order = np.argsort(stored.numbers[of_symbol])
        numbers = stored.numbers[of_symbol][order]
        times_us = np.concatenate(
            ([0], stored.times_us[of_symbol][order], [np.iinfo(np.int64).max])
        )
        mine = np.flatnonzero(places[lost] == place)
        behind = np.searchsorted(numbers, lost[mine] + 1)
        moments[mine] = np.clip(
            sent_us[lost[mine]], times_us[behind], times_us[behind + 1]
        )
    return moments


def _uncovered(
    places: np.ndarray,
    moments: np.ndarray,
    gaps: Sequence[tuple[int, int, int, int]],
) -> int:
    """Return how many ticks happened in no gap, both ends of one included."""
    covered = np.zeros(len(moments), dtype=bool)
    for kind, place, from_us, to_us in gaps:
        if kind == TICK:
            covered |= (places == place) & (moments >= from_us) & (moments <= to_us)
    return int((~covered).sum())


def _differing(stored: Stored, heard: np.ndarray) -> int:
    """Return how many frames are not stored under their numbers."""
    if not len(heard) or not len(stored.numbers):
        return len(heard)
    kinds, places, epochs, seqs, numbers = heard.T
    among = np.unique(np.concatenate((epochs, stored.epochs)))
    ours = _keys(stored.kinds, stored.places, stored.epochs, stored.seqs, among)
    theirs = _keys(kinds, places, epochs, seqs, among)
    order = np.argsort(ours)
    found = np.minimum(np.searchsorted(ours[order], theirs), len(ours) - 1)
    rows = order[found]
    is_same = (ours[rows] == theirs) & (stored.numbers[rows] == numbers)
    return int((~is_same).sum())


def _keys(
    kinds: np.ndarray,
    places: np.ndarray,
    epochs: np.ndarray,
    seqs: np.ndarray,
    among: np.ndarray,
) -> np.ndarray:
    """Return a value for each topic, epoch and number; epochs are few."""
    topics = kinds * 65_536 + places
    return (topics << 8 | np.searchsorted(among, epochs)) << 32 | seqs
