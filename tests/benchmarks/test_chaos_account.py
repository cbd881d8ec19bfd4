"""The account of the chaos run."""

import pytest

from benchmarks.chaos_account import Account, Found, account

SENT = [{"A": (1, 3), "B": (1, 2)}, {"A": (4, 5)}]
STORED = [
    Found("A", 7, 1, 1),
    Found("A", 7, 2, 2),
    Found("B", 7, 1, 1),
    Found("B", 7, 2, 2),
    Found("A", 8, 1, 4),
    Found("A", 8, 2, 5),
]


def test_account_of_what_was_cut_off_is_clean() -> None:
    found = account(SENT, STORED, STORED[:3])

    assert found == Account(
        sent=7, published=3, stored=6, cut_off=1, stored_twice=0, holes=0,
        strangers=0, published_only=0, number_holes=0,
    )  # fmt: skip
    assert found.is_clean


@pytest.mark.parametrize(
    ("stored", "published", "fault"),
    [
        ([*STORED, Found("A", 8, 3, 5)], [], "stored_twice"),
        ([*STORED[:4], Found("A", 8, 1, 5)], [], "holes"),
        ([*STORED, Found("C", 7, 1, 1)], [], "strangers"),
        (STORED, [Found("A", 7, 3, 3)], "published_only"),
        ([*STORED[:5], Found("A", 8, 3, 5)], [], "number_holes"),
    ],
)
def test_account_finds(stored: list[Found], published: list[Found], fault: str) -> None:
    found = account(SENT, stored, published)

    assert getattr(found, fault) == 1
    assert not found.is_clean
