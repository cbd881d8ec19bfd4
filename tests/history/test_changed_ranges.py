"""Notes of changed ranges."""

import pytest
from django.db import connection

from history.changed_ranges import note_changed_ranges
from history.models import ChangedRange
from history.ranges import WINDOW_US
from history.timestamps import to_us
from tests.history.storage import T0_US

pytestmark = pytest.mark.django_db


def noted() -> list[tuple[int, int, int, int]]:
    return [
        (note.series_id, to_us(note.start), to_us(note.end), to_us(note.due))
        for note in ChangedRange.objects.order_by("start")
    ]


def test_note_changed_ranges_keeps_each_note_to_the_microsecond() -> None:
    notes = [(7, T0_US + 1, T0_US + 2, T0_US + 3), (8, T0_US + 4, T0_US + 5, 0)]

    with connection.cursor() as cursor:
        note_changed_ranges(cursor, notes)

    assert noted() == notes


def test_note_changed_ranges_works_on_a_psycopg_cursor() -> None:
    with connection.connection.cursor() as cursor:
        note_changed_ranges(cursor, [(7, T0_US, T0_US + 1, 0)])

    assert noted() == [(7, T0_US, T0_US + 1, 0)]


def test_note_changed_ranges_cuts_long_ones_and_leaves_empty_ones_out() -> None:
    start_us = 600 * WINDOW_US + 5

    with connection.cursor() as cursor:
        note_changed_ranges(
            cursor, [(7, start_us, start_us + WINDOW_US, 0), (7, 5, 5, 0)]
        )

    assert noted() == [
        (7, start_us, 601 * WINDOW_US, 0),
        (7, 601 * WINDOW_US, start_us + WINDOW_US, 0),
    ]


def test_note_changed_ranges_without_notes_runs_no_statement(
    django_assert_num_queries,
) -> None:
    with django_assert_num_queries(0), connection.cursor() as cursor:
        note_changed_ranges(cursor, [])
