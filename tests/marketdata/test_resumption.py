import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.effects import Position
from marketdata.numbering import EPOCH_ORIGIN_S, pack
from marketdata.resumption import (
    DAY_US,
    MAX_DISORDER_US,
    NEVER_US,
    Days,
    Missing,
    Partial,
    Pass,
    missing_after,
    missing_of_epoch,
    missing_of_unknown,
    missing_since,
    wanted_rows,
)
from marketdata.stored_records import FIRST_LIVE, Place, Span, Wanted

NOW_US = 1_704_153_600_000_000
ALLOWED = Days(7, NOW_US)
OLDEST_US = NOW_US - 7 * DAY_US
SPAN = Span(NOW_US - 30 * DAY_US, NOW_US - 1)
ALL_LIVE = FIRST_LIVE - 1


@pytest.mark.parametrize(
    ("since_us", "span", "start_us", "partial"),
    [
        (NOW_US - DAY_US, SPAN, NOW_US - DAY_US, None),
        (OLDEST_US, SPAN, OLDEST_US, None),
        (OLDEST_US - 1, SPAN, OLDEST_US, Partial("the plan allows 7 days", OLDEST_US)),
        (0, SPAN, OLDEST_US, Partial("the plan allows 7 days", OLDEST_US)),
        (
            0,
            Span(NOW_US - 5, NOW_US),
            OLDEST_US,
            Partial("nothing older is stored", NOW_US - 5),
        ),
        (1 << 70, SPAN, 1 << 70, None),
    ],
)
def test_missing_since_begins_no_earlier_than_allowed(
    since_us, span, start_us, partial
):
    missing, told = missing_since(since_us, span, ALLOWED)

    assert missing == Missing(ALL_LIVE, start_us, start_us)
    assert told == partial


def test_missing_after_looks_further_back_for_live_rows_only():
    found = Place(NOW_US - DAY_US, pack(5, 7))

    missing, told = missing_after(Position(5, 9), found, ALLOWED)

    assert missing == Missing(
        pack(5, 9), found.time_us - MAX_DISORDER_US, found.time_us + 1, Position(5, 9)
    )
    assert told is None


def test_missing_after_a_row_that_is_too_old_begins_where_the_plan_does():
    found = Place(OLDEST_US - 1, pack(5, 7))

    missing, told = missing_after(Position(5, 7), found, ALLOWED)

    assert missing == Missing(pack(5, 7), OLDEST_US, OLDEST_US)
    assert told == ALLOWED.partial


def test_missing_of_epoch_begins_with_its_publisher():
    epoch = NOW_US // 1_000_000 - EPOCH_ORIGIN_S - 3_600

    missing, told = missing_of_epoch(Position(epoch, 0), ALLOWED)

    began_us = NOW_US - 3_600_000_000
    assert missing.start_us == began_us - MAX_DISORDER_US
    assert (missing.above, missing.imported_us) == (pack(epoch, 0), NEVER_US)
    assert told is None
    assert missing_of_epoch(Position(100, 0), ALLOWED)[1] == ALLOWED.partial


def test_missing_of_unknown_needs_a_time():
    missing, told = missing_of_unknown(None, SPAN, ALLOWED)
    by_time, told_by_time = missing_of_unknown(NOW_US - 9, SPAN, ALLOWED)

    assert missing is None
    assert (told.from_us, told_by_time.from_us) == (None, NOW_US - 9)
    assert "unknown" in told.reason
    assert by_time == Missing(ALL_LIVE, NOW_US - 9, NOW_US - 9)


def test_wanted_rows_are_bounded_on_all_sides():
    missing = Missing(pack(5, 1), 10, 20)

    assert wanted_rows(missing, Position(6, 2), Span(0, 99), 500) == Wanted(
        start_us=10,
        end_us=99,
        above=pack(5, 1),
        upto=pack(6, 2),
        imported_us=20,
        limit=500,
    )
    later = Missing(pack(5, 1), 1 << 70, 1 << 70)
    assert wanted_rows(later, Position(6, 2), Span(0, 99), 5).start_us == 100
    # Where nothing is live all imported rows may come.
    assert wanted_rows(missing, Position(0, 3), Span(0, 99), 5).upto == ALL_LIVE


def sent(before, target, rows, start_us=0):
    """Return a pass in which (epoch, number) went out, a second apart."""
    missing = Missing(ALL_LIVE, start_us, 0, before)
    stretch = Pass(missing, target, NOW_US)
    for second, position in enumerate(rows):
        stretch.note(Place(1_000_000_000_000 + second * 1_000_000, pack(*position)))
    return stretch


@given(
    before=st.integers(0, 20),
    counts=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    dropped=st.sets(st.integers(0, 80)),
)
def test_lost_counts_the_numbers_that_no_row_had(before, counts, dropped):
    rows = [(5, before + number) for number in range(1, counts[0] + 1)]
    for epoch, count in enumerate(counts[1:], 6):
        rows += [(epoch, number) for number in range(1, count + 1)]
    target = Position(*rows[-1])
    # What a replaced publisher sent last, nobody but the store knows.
    last = dict(rows)
    known = [row for row in rows if row[1] != last[row[0]] or row[0] == target.epoch]
    lost = [row for index, row in enumerate(known) if index in dropped]

    stretch = sent(
        Position(5, before), target, [row for row in rows if row not in lost]
    )

    assert stretch.lost == len(lost)


def test_lost_is_unknown_where_the_start_has_no_number():
    assert sent(None, Position(5, 9), [(5, 3), (5, 9)]).lost == 0


def test_rest_goes_on_from_the_newest_row():
    stretch = sent(Position(5, 1), Position(5, 4), [(5, 2), (5, 4), (5, 3)])

    rest = stretch.rest(Position(5, 6))

    assert rest == Missing(
        pack(5, 6), 1_000_001_000_000 - MAX_DISORDER_US, NEVER_US, Position(5, 6)
    )


def test_rest_does_not_trust_a_time_ahead_of_the_clock():
    stretch = Pass(Missing(ALL_LIVE, 0, 0), Position(5, 4), NOW_US)
    stretch.note(Place(NOW_US + DAY_US, pack(5, 4)))

    assert stretch.rest(Position(5, 4)).start_us == NOW_US - MAX_DISORDER_US


def test_rest_after_no_row_has_no_number_to_count_from():
    rest = sent(None, Position(5, 4), [(0, 0)], start_us=77).rest(Position(5, 4))

    assert rest == Missing(pack(5, 4), 77, NEVER_US)
