"""The account of the chaos run finds what is wrong."""

import numpy as np
import pytest

from benchmarks.chaos_account import Account, Stored, StoredGap, account
from benchmarks.chaos_clients import ToldGap
from benchmarks.chaos_market import TICK, TRADE, UNSENT, Market

MS, S = 1_000, 1_000_000
GAP = StoredGap(TICK, 0, 2 * S, 6 * S)
TOLD = ToldGap(TICK, 0, 2_000, 6_000)
# Kind, place, time, epoch, number in it, event: as they are in the store.
ROWS = [
    (TICK, 0, 1 * S, 7, 1, 1),
    (TICK, 0, 2 * S, 7, 2, 2),
    (TICK, 0, 6 * S, 8, 1, 6),
    (TICK, 1, 3 * S, 7, 1, 3),
    (TRADE, 1, 5 * S, 0, 0, 5),
    (TRADE, 1, 7 * S, 8, 1, 7),
]


def market() -> Market:
    """Two connections; the fourth event is lost, the fifth was sent to nobody."""
    made = Market(["AUSDT", "BUSDT"])
    for number, (place, connection) in enumerate([(0, 1), (0, 1), (1, 1), (0, 1)], 1):
        made.tick(place, connection, number * S)
    made.trade(1, UNSENT, 5 * S)
    made.tick(0, 2, 6 * S)
    made.trade(1, 2, 7 * S)
    return made


def found(
    rows: list[tuple[int, ...]] = ROWS,
    *,
    gaps: tuple[StoredGap, ...] = (GAP,),
    told: tuple[ToldGap, ...] = (TOLD,),
    heard: list[tuple[int, ...]] | None = None,
) -> Account:
    stored = Stored(*(np.array(column) for column in zip(*rows, strict=True)))
    if heard is None:
        heard = [row[:2] + row[3:] for row in ROWS if row[3]]
    return account(market(), stored, gaps, told, np.array(heard))


def test_account_of_what_was_lost_in_a_gap_is_clean() -> None:
    assert found() == Account(
        sent=6, read=5, lost=1, trades=2, back_filled=1, stored=6, gaps=1,
        client_frames=5, stored_twice=0, wrong_order=0, read_not_stored=0,
        number_holes=0, strangers=0, trades_missing=0, lost_without_gap=0,
        lost_untold=0, client_differs=0,
    )  # fmt: skip
    assert found().is_clean


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([*ROWS, (TICK, 0, 8 * S, 8, 2, 6)], "stored_twice"),
        ([ROWS[1], ROWS[0], *ROWS[2:]], "wrong_order"),
        (ROWS[1:], "read_not_stored"),
        (ROWS[1:], "number_holes"),
        ([*ROWS, (TICK, 1, 9 * S, 8, 1, 8)], "strangers"),
        ([*ROWS[:4], ROWS[5]], "trades_missing"),
    ],
)
def test_account_finds_what_is_wrong_in_the_store(
    rows: list[tuple[int, ...]], fault: str
) -> None:
    account = found(rows)

    assert getattr(account, fault) == 1
    assert not account.is_clean


@pytest.mark.parametrize(
    "gap",
    [
        GAP._replace(kind=TRADE),
        GAP._replace(place=1),
        GAP._replace(to_us=4 * S - 1),
        GAP._replace(from_us=4 * S + 1),
    ],
)
def test_account_finds_a_lost_tick_in_no_gap(gap: StoredGap) -> None:
    told = TOLD._replace(kind=gap.kind, place=gap.place)

    assert found(gaps=(gap,)).lost_without_gap == 1
    assert found(told=(told._replace(to_ms=3_998),)).lost_untold == 1


@pytest.mark.parametrize("row", [(TICK, 0, 7, 1, 2), (TICK, 0, 7, 3, 3)])
def test_account_finds_a_frame_that_is_not_stored_so(row: tuple[int, ...]) -> None:
    assert found(heard=[row]).client_differs == 1
