"""What of an hour's ticks is dropped, and when the hour is not to be trusted."""

import numpy as np
import pytest

from importer.exceptions import PoorQuality
from importer.hour_ticks import HourTicks
from importer.quality_gate import Flaw, clean, dropped_text
from tests.importer.bi5_files import DAY_US

NAN, INF = float("nan"), float("inf")
GOOD = (1.1, 1.2, 1.0, 2.0)  # bid, ask, bid size, ask size


def hour(*rows, step_us=1_000):
    """Return ticks, each a moment after the one before."""
    values = np.array(rows, np.float64).reshape(-1, 4)
    times = DAY_US + step_us * np.arange(len(values))
    return HourTicks(times, *(np.ascontiguousarray(column) for column in values.T))


def bids(ticks):
    return ticks.bid.tolist()


def test_clean_of_good_ticks_returns_them_as_they_are():
    ticks = hour(*[GOOD] * 3)

    cleaned, dropped = clean(ticks, name="00h")

    assert cleaned is ticks
    assert not dropped


@pytest.mark.parametrize(
    ("row", "flaw"),
    [
        ((NAN, 1.2, 1, 1), Flaw.NOT_FINITE),
        ((1.1, INF, 1, 1), Flaw.NOT_FINITE),
        ((1.1, 1.2, INF, 1), Flaw.NOT_FINITE),
        ((0, 1.2, 1, 1), Flaw.NOT_POSITIVE),
        ((1.1, -1.2, 1, 1), Flaw.NOT_POSITIVE),
        ((1.1, 1.2, 1, -1), Flaw.NOT_POSITIVE),
        ((1.3, 1.2, 1, 1), Flaw.CROSSED),
    ],
)
def test_clean_drops_what_is_no_tick(row, flaw):
    ticks = hour(*[GOOD] * 30, row, GOOD)

    cleaned, dropped = clean(ticks, name="00h")

    assert dropped == {flaw: 1}
    assert cleaned.time_us.tolist() == np.delete(ticks.time_us, 30).tolist()


@pytest.mark.parametrize(
    "row", [(1.2, 1.2, 1, 1), (1.1, 1.2, NAN, NAN), (1.1, 1.2, 0, 0)]
)
def test_clean_keeps_equal_sides_and_sizes_that_are_not_known(row):
    _, dropped = clean(hour(row, GOOD), name="00h")

    assert not dropped


def test_clean_of_an_instant_drops_exact_copies_only():
    again = (1.1, 1.2, NAN, 2.0)
    other = (1.1, 1.2, 1.0, NAN)
    ticks = hour(GOOD, again, GOOD, other, again, *[GOOD] * 60)
    ticks.time_us[:5] = DAY_US - 1
    ticks.time_us[5:] = DAY_US + np.arange(60)

    cleaned, dropped = clean(ticks, name="00h")

    assert dropped == {Flaw.DUPLICATE: 2}
    assert len(cleaned) == 63
    assert np.isnan(cleaned.bid_size[:3]).tolist() == [False, True, False]
    assert np.isnan(cleaned.ask_size[:3]).tolist() == [False, False, True]


def test_clean_counts_a_tick_once():
    _, dropped = clean(hour((-1, NAN, -1, -1), *[GOOD] * 30), name="00h")

    assert dropped == {Flaw.NOT_FINITE: 1}


def test_clean_of_nothing_is_nothing():
    ticks = hour()

    assert clean(ticks, name="00h") == (ticks, {})


def test_compat_check_48_counts_are_exact_and_the_order_is_kept():
    rows = [(1 + number / 1_000, 3.0, 1.0, 1.0) for number in range(100)]
    rows[10] = (NAN, 3.0, 1.0, 1.0)
    rows[20] = (-1.0, 3.0, 1.0, 1.0)
    rows[30] = (3.5, 3.0, 1.0, 1.0)
    rows[40] = rows[41]
    ticks = hour(*rows)
    ticks.time_us[41] = ticks.time_us[40]

    cleaned, dropped = clean(ticks, name="00h")

    assert dropped == {
        Flaw.NOT_FINITE: 1,
        Flaw.NOT_POSITIVE: 1,
        Flaw.CROSSED: 1,
        Flaw.DUPLICATE: 1,
    }
    assert bids(cleaned) == [
        bid for n, (bid, *_) in enumerate(rows) if n not in (10, 20, 30, 41)
    ]
    assert dropped_text(dropped, 100) == (
        "dropped 4 of 100 ticks: 1 not finite, 1 not positive, 1 crossed, 1 duplicate"
    )


@pytest.mark.parametrize(("bad", "is_kept"), [(49, True), (50, True), (51, False)])
def test_compat_check_48_an_hour_passes_up_to_5_percent(bad, is_kept):
    ticks = hour(*[GOOD] * (1_000 - bad), *[(2.0, 1.0, 1.0, 1.0)] * bad)

    if is_kept:
        cleaned, _ = clean(ticks, name="00h")
        assert len(cleaned) == 1_000 - bad
    else:
        with pytest.raises(PoorQuality) as caught:
            clean(ticks, name="00h")
        assert str(caught.value) == (
            "expected at most 5% of ticks unfit, found dropped 51 of 1000 ticks: "
            "51 crossed in 00h"
        )


@pytest.mark.parametrize(("bad", "is_kept"), [(50, True), (51, False)])
def test_compat_check_48_copies_count_neither_as_bad_nor_as_good(bad, is_kept):
    """A provider that sends an hour twice has lost nothing of it."""
    ticks = hour(*[GOOD] * (1_000 - bad), *[GOOD] * 700, *[(2.0, 1.0, 1.0, 1.0)] * bad)
    ticks.time_us[1_000 - bad : -bad] = ticks.time_us[999 - bad]

    if is_kept:
        cleaned, dropped = clean(ticks, name="00h")
        assert dropped == {Flaw.DUPLICATE: 700, Flaw.CROSSED: 50}
        assert len(cleaned) == 950
    else:
        with pytest.raises(PoorQuality, match="of 1700 ticks: 51 crossed, 700 dupl"):
            clean(ticks, name="00h")
