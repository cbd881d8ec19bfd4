"""Holding a series against its ledger: hours, rows, statistics, candles, notes."""

from dataclasses import dataclass

from history.models import ChangedRange, Series
from history.series_recount import Statistics, compare_statistics
from history.timestamps import to_datetime, to_us
from importer.candle_check import select_wrong_candles
from importer.coverage import Cover
from importer.findings import Kind, SeriesCheck
from importer.hours import HourRange, hour_text
from importer.instruments import ARCHIVE
from importer.ledger import select_hours
from importer.models import HourState
from importer.series_coverage import select_coverage, select_known_range
from importer.stored_rows import RowCount, checksum_hours, count_hours
from importer.suspects import MAX_TRIES
from marketdata.catalog import InstrumentType
from marketdata.durations import HOUR_US

# Beat refreshes every few seconds; a note that is older than this was left lying.
NOTES_AFTER_US = 120_000_000


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How thorough a check is.

    ``counts_all`` counts every row of the series, also beyond the range, for its
    statistics; ``has_checksums`` reads every row of the range.
    """

    counts_all: bool = True
    has_checksums: bool = False


def check_series(
    series: Series,
    hours: HourRange | None,
    options: CheckOptions,
    *,
    now_us: int,
) -> SeriesCheck:
    """Return what is had of the hours and what is wrong with them; changes nothing.

    ``hours`` None is the range of the ledger (for live series, of the records).
    """
    check = SeriesCheck(series.instrument.symbol, series.broker_id)
    check.hours = hours or _whole_range(series)
    if check.hours is None:
        check.add(Kind.SERIES, f"nothing is stored of {check.symbol}")
        return check
    check.covered = select_coverage(
        series.pk,
        InstrumentType(series.instrument.type),
        check.hours,
        broker=series.broker_id,
    )
    counts = count_hours(series.pk, check.hours)
    if series.broker_id == ARCHIVE:
        _check_gaps(check, series.pk)
        _check_rows(check, counts)
        if options.has_checksums:
            _check_checksums(check, series.pk)
    if options.counts_all:
        _check_statistics(check, series.pk)
    _check_candles(check, series.pk, counts, now_us=now_us)
    return check


def _whole_range(series: Series) -> HourRange | None:
    if series.broker_id == ARCHIVE:
        return select_known_range(series.pk)
    if series.candles_from is None or series.latest is None:
        return None
    start_us, end_us = to_us(series.candles_from), to_us(series.latest)
    return HourRange(start_us - start_us % HOUR_US, end_us - end_us % HOUR_US + HOUR_US)


def _check_gaps(check: SeriesCheck, series_id: int) -> None:
    """Add the gaps, but for those that the archive was asked for often enough."""
    assert check.hours is not None
    known = select_hours(series_id, check.hours)
    for gap in check.gaps:
        rows = [known.get(hour) for hour in range(gap.start_us, gap.end_us, HOUR_US)]
        is_settled = gap.reason is Cover.SUSPECT and all(
            row.tries >= MAX_TRIES
            for row in rows
            if row and row.state == HourState.SUSPECT
        )
        if not is_settled:
            first, last = hour_text(gap.start_us), hour_text(gap.end_us - HOUR_US)
            check.add(Kind.GAP, f"{gap.reason.value}: {first} to {last}")


def _check_rows(check: SeriesCheck, counts: dict[int, RowCount]) -> None:
    for item in check.covered:
        found = counts.get(item.hour_us, RowCount()).imported
        if found != item.rows:
            check.add(
                Kind.ROWS,
                f"{hour_text(item.hour_us)}: expected {item.rows} imported ticks "
                f"({item.state.value}), found {found}",
            )


def _check_checksums(check: SeriesCheck, series_id: int) -> None:
    assert check.hours is not None
    for day in check.hours.days():
        known = select_hours(series_id, day)
        for hour_us, found in checksum_hours(series_id, day):
            row = known.get(hour_us)
            if row and row.rows and row.checksum != found:
                text = f"expected ticks with checksum {row.checksum}, found {found}"
                check.add(Kind.ROWS, f"{hour_text(hour_us)}: {text}")


def _check_statistics(check: SeriesCheck, series_id: int) -> None:
    kept, counted = compare_statistics(series_id)
    for name, is_kept, is_counted in zip(
        Statistics._fields, kept, counted, strict=True
    ):
        if is_kept != is_counted:
            text = f"{name}: expected {is_counted}, found {is_kept}"
            check.add(Kind.STATISTICS, text)


def _check_candles(
    check: SeriesCheck, series_id: int, counts: dict[int, RowCount], *, now_us: int
) -> None:
    assert check.hours is not None
    notes = ChangedRange.objects.filter(
        series_id=series_id,
        start__lt=to_datetime(check.hours.end_us),
        end__gt=to_datetime(check.hours.start_us),
    )
    late = notes.filter(due__lte=to_datetime(now_us - NOTES_AFTER_US)).count()
    if late:
        check.add(Kind.NOTES, f"{late} changes wait for refresh_candles")
    for wrong in select_wrong_candles(series_id, check.hours, counts):
        text = f"expected a candle of {wrong.expected} ticks, found {wrong.found}"
        check.add(Kind.CANDLES, f"{hour_text(wrong.hour_us)}: {text}")
