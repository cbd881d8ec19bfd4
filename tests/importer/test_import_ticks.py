"""Importing real files: rows, candles, ledger; again; damaged; over what is there."""

import shutil

import numpy as np
import pytest
from django.db import connection

from history.changed_ranges import note_changed_ranges
from history.columns import checksum
from history.models import ChangedRange, Series, Tick
from history.tables import CANDLE_TABLES
from history.tick_store import copy_ticks
from importer.bi5 import decode_ticks
from importer.models import ImportHour
from importer.outcomes import Outcome
from marketdata.numbering import pack
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import (
    assert_candles_match,
    stored_candles,
    tick_columns,
    versions,
)
from tests.importer.bi5_files import (
    DAY_TICKS,
    DAY_US,
    HOUR_US,
    PAYLOADS,
    candles_of,
    encode,
    tick_file,
)
from tests.importer.imports import Seen, ledger, run, series_of, stored_ticks

pytestmark = pytest.mark.usefixtures("instruments")

FIRST, SECOND = "2019-02-04T00", "2019-02-04T01"
TWO_ROWS = [(1_000, 114545, 114543, 1.0, 2.0), (1_000, 114546, 114544, 3.0, 4.0)]
THREE_ROWS = [*TWO_ROWS, (61_000, 114550, 114549, 1.0, 1.0)]


def flat(folder, hour=0, day="2019-02-04", symbol="EURUSD"):
    return folder / f"{symbol}_{day}_{hour:02}h_ticks.bi5"


def decode(hour):
    return decode_ticks(tick_file(hour), DAY_US, price_scale=100_000, name="")


def state():
    """Return everything that an import may change, by content and version of rows."""
    series = series_of()
    statistics = (
        series.earliest,
        series.latest,
        series.tick_count,
        series.revision,
    )
    rows = list(ImportHour.objects.order_by("hour").values_list())
    candles = [versions(timeframe) for timeframe in STORED]
    ticks = checksum(stored_ticks(series.pk))
    return statistics, rows, candles, ticks, ChangedRange.objects.count()


def test_import_ticks_of_a_real_day_stores_what_dukascopy_publishes():
    report = run(PAYLOADS)

    series = series_of()
    assert report.hours == {Outcome.STORED: 24}
    assert (report.ticks, report.holes) == (DAY_TICKS, [])
    assert (series.tick_count, series.revision) == (DAY_TICKS, 0)
    assert f"{series.earliest:%F %T.%f}" == "2019-02-04 00:00:00.994000"
    assert f"{series.latest:%F %T.%f}" == "2019-02-04 23:59:57.992000"
    assert not ChangedRange.objects.exists()
    for side, name in ((PriceSide.BID, "BID"), (PriceSide.ASK, "ASK")):
        found = stored_candles(series.pk, Timeframe.M1, side)
        published = candles_of(name)
        assert len(found) == len(published) == 1_440
        for row in published:
            candle = found[DAY_US + int(row["s"]) * 1_000_000]
            prices = [
                int(row[key]) / 100_000 for key in ("open", "high", "low", "close")
            ]
            assert list(candle[:4]) == prices
            assert candle[4] == pytest.approx(float(row["volume"]), abs=0.01)


def test_import_ticks_of_a_real_day_makes_the_candles_of_all_timeframes():
    report = run(PAYLOADS)

    series_id = series_of().pk
    columns = stored_ticks(series_id)
    assert len(columns) == DAY_TICKS
    assert_candles_match(series_id, [columns])
    assert report.candles == 3 * (1440 + 288 + 96 + 24 + 6 + 2)


def test_import_ticks_a_second_time_changes_nothing(folder):
    run(folder, FIRST, "2019-02-04T03")
    before = state()

    again = run(folder, FIRST, "2019-02-04T03")
    forced = run(folder, FIRST, "2019-02-04T03", is_forced=True)

    assert again.hours[Outcome.UNCHANGED] == forced.hours[Outcome.UNCHANGED] == 4
    assert (again.ticks, again.candles) == (forced.ticks, forced.candles) == (0, 0)
    assert state() == before


def test_import_ticks_writes_rows_as_the_file_has_them(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))

    run(tmp_path, FIRST, FIRST)

    assert list(
        Tick.objects.order_by("time", "seq").values_list(
            "seq", "bid", "ask", "bid_size", "ask_size", "received"
        )
    ) == [(0, 1.14543, 1.14545, 2.0, 1.0, None), (1, 1.14544, 1.14546, 4.0, 3.0, None)]


def test_import_ticks_keeps_the_ledger(folder):
    flat(folder, 1).write_bytes(b"")
    flat(folder, 2).write_bytes(tick_file(2)[:-1])
    flat(folder, 3).unlink()

    report = run(folder, FIRST, "2019-02-04T03")

    assert ledger() == {
        "2019-02-04 00h": ("stored", 3_733),
        "2019-02-04 01h": ("empty", 0),
        "2019-02-04 02h": ("failed", 0),
    }
    row = ImportHour.objects.get(state="stored")
    assert row.checksum == checksum(decode(0).to_columns(1))
    assert (row.source, row.detail) == (f"bi5-dir:{folder}", "")
    assert report.hours == {
        Outcome.STORED: 1,
        Outcome.EMPTY: 1,
        Outcome.FAILED: 1,
        Outcome.MISSING: 1,
    }


def test_import_ticks_names_each_hole_and_stores_the_others(folder):
    flat(folder, 2).write_bytes(tick_file(2)[:-1])
    flat(folder, 3).unlink()

    report = run(folder)

    assert report.ticks == DAY_TICKS - 2_474 - len(decode(3))
    assert [str(hole) for hole in report.holes] == [
        "EURUSD 2019-02-04 02h failed: expected 49480 bytes of rows, found 49464 in a "
        f"file of 14168 bytes in {flat(folder, 2)}",
        "EURUSD 2019-02-04 03h missing: expected a file in "
        f"bi5-dir:{folder}, found none",
    ]
    assert ImportHour.objects.get(state="failed").detail.startswith(
        "expected 49480 bytes"
    )


def test_import_ticks_tries_holes_again(folder):
    flat(folder, 2).write_bytes(b"<html>")
    flat(folder, 3).unlink()
    run(folder)
    flat(folder, 2).write_bytes(tick_file(2))
    flat(folder, 3).write_bytes(tick_file(3))

    report = run(folder)

    assert report.hours == {Outcome.STORED: 2, Outcome.UNCHANGED: 22}
    assert (report.hole_count, series_of().tick_count) == (0, DAY_TICKS)
    assert_candles_match(series_of().pk, [stored_ticks(series_of().pk)])


def test_import_ticks_without_force_does_not_look_at_stored_hours(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    run(tmp_path, FIRST, FIRST)
    flat(tmp_path).write_bytes(encode(THREE_ROWS))

    report = run(tmp_path, FIRST, FIRST)

    assert report.hours == {Outcome.UNCHANGED: 1}
    assert series_of().tick_count == 2


def test_import_ticks_forced_replaces_an_hour_that_was_revised(tmp_path):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    flat(tmp_path, 1).write_bytes(encode(TWO_ROWS))
    run(tmp_path, FIRST, SECOND)
    flat(tmp_path).write_bytes(encode(TWO_ROWS))

    report = run(tmp_path, FIRST, SECOND, is_forced=True)

    series = series_of()
    assert report.hours == {Outcome.STORED: 1, Outcome.UNCHANGED: 1}
    assert (series.tick_count, series.revision > 0) == (4, True)
    assert len(stored_ticks(series.pk)) == 4
    assert_candles_match(series.pk, [stored_ticks(series.pk)])


def test_import_ticks_forced_keeps_what_is_stored_where_the_file_became_empty(tmp_path):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    run(tmp_path, FIRST, FIRST)
    before = state()
    flat(tmp_path).write_bytes(b"")

    report = run(tmp_path, FIRST, FIRST, is_forced=True)

    assert report.hours == {Outcome.FAILED: 1}
    assert [hole.reason for hole in report.holes] == [
        f"expected 3 ticks as stored, found none in bi5-dir:{tmp_path}"
    ]
    assert state() == before


def test_import_ticks_over_the_same_rows_without_a_ledger_writes_the_ledger_alone(
    tmp_path,
):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    flat(tmp_path, 1).write_bytes(encode(TWO_ROWS))
    run(tmp_path, FIRST, SECOND)
    before, known = state(), ledger()
    ImportHour.objects.all().delete()

    report = run(tmp_path, FIRST, SECOND, has_refresh=False)

    after = state()
    assert report.hours == {Outcome.UNCHANGED: 2}
    assert (after[0], *after[2:]) == (before[0], *before[2:])
    assert ledger() == known


def test_import_ticks_of_an_empty_file_keeps_rows_that_the_ledger_does_not_know(
    tmp_path,
):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    run(tmp_path, FIRST, FIRST)
    ImportHour.objects.all().delete()
    flat(tmp_path).write_bytes(b"")

    reports = [run(tmp_path, FIRST, FIRST), run(tmp_path, FIRST, FIRST)]

    assert [report.hours for report in reports] == [{Outcome.FAILED: 1}] * 2
    assert series_of().tick_count == len(stored_ticks(series_of().pk)) == 3
    assert ledger() == {"2019-02-04 00h": ("failed", 0)}


def test_import_ticks_forced_keeps_what_is_stored_where_the_file_turned_bad(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    flat(tmp_path, 1).write_bytes(encode(TWO_ROWS))
    run(tmp_path, FIRST, SECOND)
    before = state()
    flat(tmp_path).write_bytes(b"<html>")
    flat(tmp_path, 1).unlink()

    report = run(tmp_path, FIRST, SECOND, is_forced=True)

    assert report.hours[Outcome.FAILED] == report.hours[Outcome.MISSING] == 1
    assert state() == before


def test_import_ticks_over_rows_without_a_ledger_replaces_them(tmp_path):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    run(tmp_path, FIRST, FIRST)
    ImportHour.objects.all().delete()
    flat(tmp_path).write_bytes(encode(TWO_ROWS))

    run(tmp_path, FIRST, FIRST)

    assert series_of().tick_count == len(stored_ticks(series_of().pk)) == 2


def test_import_ticks_leaves_live_rows_alone(tmp_path):
    flat(tmp_path).write_bytes(encode(THREE_ROWS))
    run(tmp_path, FIRST, FIRST)
    series_id = series_of().pk
    live = (DAY_US + 1_000_000, pack(7, 1), 1.1, 1.2, np.nan, np.nan)
    copy_ticks(connection.connection, tick_columns(series_id, [live]))
    flat(tmp_path).write_bytes(encode(TWO_ROWS))

    run(tmp_path, FIRST, FIRST, is_forced=True)

    assert stored_ticks(series_id).seq.tolist() == [0, 1, pack(7, 1)]


def test_import_ticks_of_an_earlier_hour_raises_the_revision(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    flat(tmp_path, 1).write_bytes(encode(TWO_ROWS))

    run(tmp_path, SECOND, SECOND)
    first = series_of().revision
    run(tmp_path, FIRST, FIRST)

    assert first == 0 < series_of().revision


def test_import_ticks_of_a_week_end_without_files_is_closed_for_forex_only(tmp_path):
    report = run(
        tmp_path, "2019-02-01T21", "2019-02-03T22", symbols=["EURUSD", "BTCUSD"]
    )

    assert report.hours[Outcome.CLOSED] == 48
    assert [hole.symbol for hole in report.holes[:3]] == ["EURUSD", "EURUSD", "BTCUSD"]
    assert report.hours[Outcome.MISSING] == 2 + 50
    assert set(ImportHour.objects.values_list("state", flat=True)) == {"closed"}


def test_import_ticks_of_a_closed_hour_with_a_file_stores_it(tmp_path):
    flat(tmp_path, 12, "2019-02-02").write_bytes(encode(TWO_ROWS))

    report = run(tmp_path, "2019-02-02T11", "2019-02-02T13")

    assert report.hours == {
        Outcome.CLOSED: 2,
        Outcome.STORED: 1,
    }


def test_import_ticks_of_two_symbols_uses_each_one_s_scale(tmp_path):
    shutil.copy(PAYLOADS / "BTCUSD_2023-02-20_12h_ticks.bi5", tmp_path)
    flat(tmp_path, 12, "2023-02-20").write_bytes(encode(TWO_ROWS))

    run(tmp_path, "2023-02-20T12", "2023-02-20T12", symbols=["eur/usd", "BTC_USD"])

    assert series_of("EURUSD").tick_count == 2
    bitcoin = stored_ticks(series_of("BTCUSD").pk)
    assert (len(bitcoin), bitcoin.ask[0], bitcoin.bid[0]) == (8_523, 24_921.5, 24_849.4)


def test_import_ticks_reports_each_day_as_it_is_committed(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    flat(tmp_path, 3, "2019-02-06").write_bytes(encode(THREE_ROWS))
    progress = Seen()

    run(tmp_path, "2019-02-04", "2019-02-06", progress=progress)

    assert progress.begun == [("EURUSD", 72)]
    assert progress.days == [("EURUSD", 2), ("EURUSD", 0), ("EURUSD", 3)]


def test_import_ticks_without_refresh_leaves_notes(tmp_path):
    flat(tmp_path, 0).write_bytes(encode(TWO_ROWS))
    flat(tmp_path, 1).write_bytes(encode(TWO_ROWS))
    flat(tmp_path, 5).write_bytes(encode(TWO_ROWS))

    report = run(tmp_path, has_refresh=False)

    notes = ChangedRange.objects.order_by("start").values_list("start", "end")
    assert report.candles == 0
    assert [f"{start:%H}-{end:%H}" for start, end in notes] == ["00-02", "05-06"]


def test_import_ticks_refreshes_what_a_killed_run_left(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    run(tmp_path, FIRST, FIRST, has_refresh=False)

    report = run(tmp_path, FIRST, FIRST)

    assert report.hours == {Outcome.UNCHANGED: 1}
    assert report.candles == 3 * len(CANDLE_TABLES)


def test_import_ticks_that_fails_in_a_day_stores_nothing_of_it(tmp_path, monkeypatch):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))

    def refuse(*arguments):
        note_changed_ranges(*arguments)
        raise RuntimeError("no")

    monkeypatch.setattr("importer.row_writer.note_changed_ranges", refuse)
    with pytest.raises(RuntimeError, match="no"):
        run(tmp_path, FIRST, FIRST)

    assert not Tick.objects.exists()
    assert not ImportHour.objects.exists()
    assert not ChangedRange.objects.exists()
    assert Series.objects.get().tick_count == 0


def test_import_ticks_refreshes_no_other_series(tmp_path):
    flat(tmp_path).write_bytes(encode(TWO_ROWS))
    other = 77
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(other, DAY_US, DAY_US + HOUR_US, DAY_US)])

    run(tmp_path, FIRST, FIRST)

    assert ChangedRange.objects.get().series_id == other
