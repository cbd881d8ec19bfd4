"""Hours without ticks that should have some. Pure.

The archive's answers are not always the last word: it gives empty files, or none, for
hours that it has later. Hours are suspect if the market is known to be open, and the
series has ticks before and after them, with less than a holiday between.
"""

from collections.abc import Callable, Collection, Iterable
from itertools import groupby

# Forex holidays (Christmas, New Year's Day) take 24 hours or more.
MAX_GAP_HOURS = 23
# An hour is asked for by so many imports. Then the archive is believed.
MAX_TRIES = 5


def find_suspects(
    hours: Iterable[int],
    with_ticks: Collection[int],
    *,
    is_open: Callable[[int], bool],
) -> list[int]:
    """Return those of ``hours`` (ascending, without a gap) that are suspect.

    ``with_ticks`` are the hours that have ticks. Hours of a closed market do not count
    for the length of a gap.
    """
    counted = [hour for hour in hours if hour in with_ticks or is_open(hour)]
    runs = [list(run) for _, run in groupby(counted, key=lambda h: h in with_ticks)]
    # The first and the last run have no ticks on one side.
    return [
        hour
        for run in runs[1:-1]
        if run[0] not in with_ticks and len(run) <= MAX_GAP_HOURS
        for hour in run
    ]
