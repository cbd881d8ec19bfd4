"""Series and their statistics, which writers keep true in their own transactions."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from history.changed_ranges import Cursor
from history.data_version import LATE_US
from history.dropped_ranges import DROPPED_FROM, DROPPED_UNTIL
from history.models import Series
from history.timestamps import to_datetime
from marketdata.exceptions import UnknownBroker, UnknownSymbol
from marketdata.models import Broker, Instrument

_HAS_BOUNDS = """
    SELECT (EXISTS (SELECT FROM ticks WHERE series_id = %(id)s AND time = %(first)s)
            OR EXISTS (SELECT FROM trades
                       WHERE series_id = %(id)s AND time = %(first)s))
       AND (EXISTS (SELECT FROM ticks WHERE series_id = %(id)s AND time = %(last)s)
            OR EXISTS (SELECT FROM trades
                       WHERE series_id = %(id)s AND time = %(last)s))
"""
_FIND_BOUNDS = f"""
    UPDATE history_series
    SET (earliest, candles_from, latest) = (
        SELECT min(edge.time),
               least(min(edge.time), {DROPPED_FROM}),
               greatest(max(edge.time), {DROPPED_UNTIL})
        FROM (
            (SELECT time FROM ticks
             WHERE series_id = %(id)s AND time >= %(first)s AND time <= %(last)s
             ORDER BY time LIMIT 1)
            UNION ALL
            (SELECT time FROM ticks
             WHERE series_id = %(id)s AND time >= %(first)s AND time <= %(last)s
             ORDER BY time DESC LIMIT 1)
            UNION ALL
            (SELECT time FROM trades
             WHERE series_id = %(id)s AND time >= %(first)s AND time <= %(last)s
             ORDER BY time LIMIT 1)
            UNION ALL
            (SELECT time FROM trades
             WHERE series_id = %(id)s AND time >= %(first)s AND time <= %(last)s
             ORDER BY time DESC LIMIT 1)
        ) AS edge
    )
    WHERE id = %(id)s
"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction did to a series.

    ``first_us`` and ``last_us`` are the first and last record added, or anything
    between them and None if none was added. ``changes_past`` says that stored records
    were deleted or replaced; that one was added a minute late (`LATE_US`) is seen
    anyway.
    """

    series_id: int
    ticks_added: int = 0
    trades_added: int = 0
    first_us: int | None = None
    last_us: int | None = None
    changes_past: bool = False


def get_or_create_series(instrument_symbol: str, broker_name: str) -> Series:
    """Return the series of a canonical symbol and a broker, made if there is none.

    Raises:
        UnknownSymbol: no instrument has the symbol.
        UnknownBroker: no broker has the name.
    """
    series = (
        Series.objects.select_related("instrument")
        .filter(instrument__symbol=instrument_symbol, broker=broker_name)
        .first()
    )
    if series:
        return series
    instrument = Instrument.objects.filter(symbol=instrument_symbol).first()
    if instrument is None:
        raise UnknownSymbol(instrument_symbol)
    broker = Broker.objects.filter(name=broker_name).first()
    if broker is None:
        known = sorted(Broker.objects.values_list("name", flat=True))
        raise UnknownBroker(broker_name, known)
    return Series.objects.get_or_create(instrument=instrument, broker=broker)[0]


def apply_changes(cursor: Cursor, changes: Sequence[Change]) -> None:
    """Bring the statistics of several series up to date, at most one change each.

    Call it in the transaction that writes the rows, after them. Counts are negative
    where more was deleted than added.
    """
    lock_series(cursor, [change.series_id for change in changes])
    cursor.execute(
        """
        UPDATE history_series AS s
        SET tick_count = s.tick_count + c.ticks_added,
            trade_count = s.trade_count + c.trades_added,
            earliest = least(s.earliest, c.first_time),
            candles_from = least(s.candles_from, c.first_time),
            latest = greatest(s.latest, c.last_time),
            revision = s.revision
                + (c.changes_past
                   OR coalesce(c.first_time < s.latest - %s, FALSE))::int
        FROM unnest(
            %s::int[], %s::bigint[], %s::bigint[],
            %s::timestamptz[], %s::timestamptz[], %s::bool[]
        ) AS c (
            series_id, ticks_added, trades_added, first_time, last_time, changes_past
        )
        WHERE s.id = c.series_id
        """,
        (
            timedelta(microseconds=LATE_US),
            [change.series_id for change in changes],
            [change.ticks_added for change in changes],
            [change.trades_added for change in changes],
            [_moment(change.first_us) for change in changes],
            [_moment(change.last_us) for change in changes],
            [change.changes_past for change in changes],
        ),
    )
    for change in changes:
        if change.changes_past:
            _correct_bounds(cursor, change.series_id)


def lock_series(cursor: Cursor, series_ids: Sequence[int]) -> None:
    """Lock the rows of the series until the transaction ends.

    In id order, so that two writers never wait for each other.
    """
    cursor.execute(
        """
        SELECT id
        FROM history_series
        WHERE id = ANY(%s)
        ORDER BY id
        FOR NO KEY UPDATE
        """,
        (list(series_ids),),
    )


def _correct_bounds(cursor: Cursor, series_id: int) -> None:
    """Move the bounds inwards if the records there were deleted.

    Those that retention dropped have left candles, so it moves ``earliest`` alone.
    """
    cursor.execute(
        "SELECT earliest, latest FROM history_series WHERE id = %s", (series_id,)
    )
    earliest, latest = cursor.fetchone()
    if earliest is None:
        return
    # Nearly always the outermost records are still there: probes of two chunks say so,
    # where the search below plans for every chunk of the series.
    cursor.execute(_HAS_BOUNDS, {"id": series_id, "first": earliest, "last": latest})
    if cursor.fetchone()[0]:
        return
    cursor.execute(_FIND_BOUNDS, {"id": series_id, "first": earliest, "last": latest})


def _moment(time_us: int | None) -> object:
    return None if time_us is None else to_datetime(time_us)
