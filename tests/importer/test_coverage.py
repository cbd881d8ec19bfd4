"""Coverage: states of hours, gaps, days and months."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from importer.coverage import (
    GAPS,
    Cover,
    CoveredHour,
    Gap,
    by_day,
    by_month,
    cover_hours,
    find_gaps,
    total,
)
from importer.hours import HourRange
from importer.ledger import COVER_OF, STATE_OF
from importer.models import HourState
from importer.outcomes import Outcome
from marketdata.catalog import InstrumentType
from marketdata.durations import DAY_US, HOUR_US
from marketdata.market_calendar import is_closed

FRIDAY_US = 1_549_584_000_000_000  # 2019-02-08T00:00:00Z


def forex(hour_us: int) -> bool:
    return is_closed(InstrumentType.FOREX, hour_us)


def covered(*states: Cover) -> list[CoveredHour]:
    return [CoveredHour(n * HOUR_US, state, 1) for n, state in enumerate(states)]


def test_the_ledger_s_words_are_known_to_coverage_and_outcomes() -> None:
    assert set(COVER_OF) == set(HourState)
    assert set(COVER_OF.values()) | {Cover.MISSING} == set(Cover)
    assert set(STATE_OF.values()) | {HourState.DROPPED} == set(HourState)
    assert set(STATE_OF) | {Outcome.UNCHANGED, Outcome.MISSING} == set(Outcome)


def test_cover_hours_takes_the_ledger_then_the_calendar_then_missing() -> None:
    hours = HourRange(FRIDAY_US + 20 * HOUR_US, FRIDAY_US + 24 * HOUR_US)
    known = {
        FRIDAY_US + 20 * HOUR_US: (Cover.STORED, 7),
        FRIDAY_US + 22 * HOUR_US: (Cover.EMPTY, 0),
    }

    found = cover_hours(known, hours, is_closed=forex)

    assert [(item.state, item.rows) for item in found] == [
        (Cover.STORED, 7),
        (Cover.MISSING, 0),
        (Cover.EMPTY, 0),  # closed from 22:00 on, but the ledger knows better
        (Cover.CLOSED, 0),
    ]


def test_find_gaps_joins_hours_of_one_reason_across_a_closed_market() -> None:
    missing, closed, failed = Cover.MISSING, Cover.CLOSED, Cover.FAILED

    found = find_gaps(
        covered(closed, missing, closed, missing, failed, Cover.STORED, failed, closed)
    )

    assert found == [
        Gap(1 * HOUR_US, 4 * HOUR_US, missing),
        Gap(4 * HOUR_US, 5 * HOUR_US, failed),
        Gap(6 * HOUR_US, 7 * HOUR_US, failed),
    ]


def test_find_gaps_of_a_month_that_was_never_imported_is_one() -> None:
    hours = HourRange(FRIDAY_US, FRIDAY_US + 28 * DAY_US)

    found = find_gaps(cover_hours({}, hours, is_closed=forex))

    assert [(gap.start_us, gap.reason) for gap in found] == [(FRIDAY_US, Cover.MISSING)]


@given(st.lists(st.sampled_from(Cover), max_size=60))
def test_find_gaps_covers_each_hour_that_is_not_had_once(states: list[Cover]) -> None:
    hours = covered(*states)

    gaps = find_gaps(hours)

    for item in hours:
        inside = [gap for gap in gaps if gap.start_us <= item.hour_us < gap.end_us]
        if item.state in GAPS:
            assert [gap.reason for gap in inside] == [item.state]
        elif item.state is not Cover.CLOSED:
            assert inside == []
    assert gaps == sorted(gaps, key=lambda gap: gap.start_us)


def test_by_day_and_by_month_count_states_and_rows() -> None:
    hours = [
        CoveredHour(FRIDAY_US + 23 * HOUR_US, Cover.STORED, 5),
        CoveredHour(FRIDAY_US + 24 * HOUR_US, Cover.MISSING),
        CoveredHour(FRIDAY_US + 21 * DAY_US, Cover.STORED, 2),
    ]

    assert [(item.name, item.rows) for item in by_day(hours)] == [
        ("2019-02-08", 5),
        ("2019-02-09", 0),
        ("2019-03-01", 2),
    ]
    assert [(item.name, item.hours) for item in by_month(hours)] == [
        ("2019-02", Counter({Cover.STORED: 1, Cover.MISSING: 1})),
        ("2019-03", Counter({Cover.STORED: 1})),
    ]
    assert total(hours).rows == 7
