"""What is asked of the database for ticks and trades: a page, by the key.

Every statement is bounded in time on both sides, so that it looks at the chunks of its
range only, and goes on from the key of the last record: the thousandth page costs what
the first does. Ordered by time and seq, as they were published.
"""

from typing import Any

import msgspec

from history.record_cursor import Position
from history.statement import Statement
from history.timestamps import to_datetime

_SELECT = """
SELECT {columns}
FROM {table} AS r
WHERE r.series_id = %(series_id)s
  AND r.time >= %(start)s
  AND r.time <= %(end)s{after}
ORDER BY r.time, r.seq
LIMIT %(limit)s
"""
# With time >= the last record's, which uses the key: (time, seq) > the last position.
_AFTER = """
  AND (r.time > %(after_time)s OR r.seq > %(after_seq)s)"""

_TICK_COLUMNS = "r.time, r.seq, r.bid, r.ask, r.bid_size, r.ask_size"
_TRADE_COLUMNS = "r.time, r.seq, r.trade_id, r.price, r.size, r.side"


class RecordRange(msgspec.Struct, frozen=True):
    """At most ``limit`` records from ``start_us`` to ``end_us``, both inclusive.

    ``after`` is the position of the last record of the page before, None for the first
    page.
    """

    start_us: int
    end_us: int
    limit: int
    after: Position | None = None


def plan_ticks(series_id: int, wanted: RecordRange) -> Statement:
    """Return the statement of a page of ticks.

    Its columns: time, seq, bid, ask, bid_size, ask_size; ascending by time and seq.
    """
    return _plan("ticks", _TICK_COLUMNS, series_id, wanted)


def plan_trades(series_id: int, wanted: RecordRange) -> Statement:
    """Return the statement of a page of trades.

    Its columns: time, seq, trade_id, price, size, side (1 buy, -1 sell, NULL unknown);
    ascending by time and seq.
    """
    return _plan("trades", _TRADE_COLUMNS, series_id, wanted)


def _plan(table: str, columns: str, series_id: int, wanted: RecordRange) -> Statement:
    parameters: dict[str, Any] = {
        "series_id": series_id,
        "start": to_datetime(wanted.start_us),
        "end": to_datetime(wanted.end_us),
        "limit": wanted.limit,
    }
    after = wanted.after
    if after is not None and after.time_us >= wanted.start_us:
        parameters["start"] = parameters["after_time"] = to_datetime(after.time_us)
        parameters["after_seq"] = after.seq
        sql = _SELECT.format(table=table, columns=columns, after=_AFTER)
    else:
        sql = _SELECT.format(table=table, columns=columns, after="")
    return Statement(sql, parameters)
