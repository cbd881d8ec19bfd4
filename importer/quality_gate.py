"""What of an hour's ticks is fit to be stored. Pure.

Dropped are ticks whose values are no prices and exact copies of a tick; all others
stay, in their order: several ticks in one instant, and a bid that equals the ask, are
real.
An hour of which much is unfit is not to be trusted at all; copies do not count for
that, they tell nothing against the others.
"""

from collections import Counter
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from importer.exceptions import PoorQuality
from importer.hour_ticks import HourTicks

# Server A's limit (COMPAT A-R2-05). It holds for each hour: that is what is fetched,
# stored, replaced and named as a hole, so one bad file costs nothing beside it.
MAX_UNFIT_SHARE = 0.05


class Flaw(Enum):
    """Why a tick is dropped; a tick with several flaws counts as the first."""

    NOT_FINITE = "not finite"
    NOT_POSITIVE = "not positive"
    CROSSED = "crossed"
    DUPLICATE = "duplicate"


def clean(ticks: HourTicks, *, name: str) -> tuple[HourTicks, Counter[Flaw]]:
    """Return the ticks that are fit, in their order, and how many were dropped why.

    A size that is not known (NaN) is no flaw.

    Raises:
        PoorQuality: more than `MAX_UNFIT_SHARE` of the ticks, without copies, are no
            ticks; ``name`` tells of what.
    """
    flawed = {
        Flaw.NOT_FINITE: _not_finite(ticks),
        Flaw.NOT_POSITIVE: _not_positive(ticks),
        Flaw.CROSSED: ticks.bid > ticks.ask,
        Flaw.DUPLICATE: _duplicate(ticks),
    }
    is_dropped = np.zeros(len(ticks), np.bool_)
    dropped: Counter[Flaw] = Counter()
    for flaw, is_flawed in flawed.items():
        if count := int((is_flawed & ~is_dropped).sum()):
            dropped[flaw] = count
            is_dropped |= is_flawed
    if not dropped:
        return ticks, dropped
    copies = dropped[Flaw.DUPLICATE]
    if dropped.total() - copies > MAX_UNFIT_SHARE * (len(ticks) - copies):
        raise PoorQuality(name, MAX_UNFIT_SHARE, dropped_text(dropped, len(ticks)))
    kept = [getattr(ticks, field)[~is_dropped] for field in HourTicks.__slots__]
    return HourTicks(*kept), dropped


def dropped_text(dropped: Counter[Flaw], ticks: int) -> str:
    """Return what was dropped as people read it, empty for nothing.

    As `dropped 3 of 3735 ticks: 2 crossed, 1 duplicate`.
    """
    if not dropped:
        return ""
    counts = ", ".join(
        f"{dropped[flaw]} {flaw.value}" for flaw in Flaw if dropped[flaw]
    )
    return f"dropped {dropped.total()} of {ticks} ticks: {counts}"


def _not_finite(ticks: HourTicks) -> NDArray[np.bool_]:
    return (
        ~np.isfinite(ticks.bid)
        | ~np.isfinite(ticks.ask)
        | np.isinf(ticks.bid_size)
        | np.isinf(ticks.ask_size)
    )


def _not_positive(ticks: HourTicks) -> NDArray[np.bool_]:
    return (
        (ticks.time_us <= 0)
        | (ticks.bid <= 0)
        | (ticks.ask <= 0)
        | (ticks.bid_size < 0)
        | (ticks.ask_size < 0)
    )


def _duplicate(ticks: HourTicks) -> NDArray[np.bool_]:
    """Mark ticks that equal an earlier one of their instant in every value.

    Not only neighbours: two files that overlap give A B A B.
    """
    is_duplicate = np.zeros(len(ticks), np.bool_)
    is_tied = ticks.time_us[1:] == ticks.time_us[:-1]
    if not is_tied.any():
        return is_duplicate
    tied = np.flatnonzero(np.append(is_tied, False) | np.append(False, is_tied))
    # Bit by bit, so that unknown sizes (NaN) are equal.
    values = [
        getattr(ticks, field)[tied].view(np.int64) for field in HourTicks.__slots__
    ]
    _, first = np.unique(np.stack(values), axis=1, return_index=True)
    is_duplicate[tied] = True
    is_duplicate[tied[first]] = False
    return is_duplicate
