"""Gaps of live feeds: what a broker sent, or would have, and no record of ours holds.

Blocks, on Django's connection of the calling thread.
"""

from collections.abc import Sequence

import msgspec
from django.db import connection, transaction

from history.models import Series
from history.record_batch import Guard
from history.series import get_or_create_series
from history.timestamps import to_datetime, to_us
from marketdata.models import Broker, Instrument
from marketdata.records import Kind

STORED_KINDS = frozenset({Kind.TICK, Kind.TRADE})

# One statement: the series is locked by the update, and answers with candles of any
# time get another version (`history.data_version`) in the moment in which they change.
_STORE = """
    WITH added AS (
        INSERT INTO feed_gaps (series_id, kind, start, "end", reason)
        SELECT s.id, g.kind, g.start, g."end", g.reason
        FROM unnest(
            %(symbols)s::text[], %(kinds)s::text[], %(starts)s::timestamptz[],
            %(ends)s::timestamptz[], %(reasons)s::text[]
        ) AS g (symbol, kind, start, "end", reason)
        JOIN marketdata_instrument AS i ON i.symbol = g.symbol AND i.record
        JOIN history_series AS s ON s.instrument_id = i.id AND s.broker_id = %(broker)s
        ON CONFLICT DO NOTHING
        RETURNING series_id
    ),
    locked AS (
        SELECT s.id
        FROM history_series AS s
        WHERE s.id IN (SELECT series_id FROM added)
        ORDER BY s.id
        FOR NO KEY UPDATE
    ),
    raised AS (
        UPDATE history_series AS s
        SET revision = s.revision + 1
        FROM locked
        WHERE s.id = locked.id
    )
    SELECT count(*) FROM added
"""

# A gap of trades is filled when no number is missing between the trades around it.
_CLOSE = """
    WITH asked AS (
        SELECT g.id,
               g.series_id,
               (SELECT t.time
                  FROM trades AS t
                 WHERE t.series_id = g.series_id AND t.time <= g.start
                 ORDER BY t.time DESC
                 LIMIT 1) AS lo,
               (SELECT t.time
                  FROM trades AS t
                 WHERE t.series_id = g.series_id AND t.time >= g."end"
                 ORDER BY t.time
                 LIMIT 1) AS hi
        FROM unnest(
            %(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]
        ) AS f (symbol, start, "end")
        JOIN marketdata_instrument AS i ON i.symbol = f.symbol
        JOIN history_series AS s ON s.instrument_id = i.id AND s.broker_id = %(broker)s
        JOIN feed_gaps AS g
          ON g.series_id = s.id AND g.kind = 'trade'
             AND g."end" > f.start AND g.start < f."end"
    ),
    closed AS (
        DELETE FROM feed_gaps AS g
        USING asked
        WHERE g.id = asked.id
          AND (SELECT count(DISTINCT t.trade_id)
                      = max(t.trade_id) - min(t.trade_id) + 1
                 FROM trades AS t
                WHERE t.series_id = asked.series_id
                  AND t.time BETWEEN asked.lo AND asked.hi)
        RETURNING g.series_id
    ),
    locked AS (
        SELECT s.id
        FROM history_series AS s
        WHERE s.id IN (SELECT series_id FROM closed)
        ORDER BY s.id
        FOR NO KEY UPDATE
    ),
    raised AS (
        UPDATE history_series AS s
        SET revision = s.revision + 1
        FROM locked
        WHERE s.id = locked.id
    )
    SELECT count(*) FROM closed
"""


class FilledSpan(msgspec.Struct, frozen=True):
    """Between two times, in us, a symbol's missed trades were fetched behind it."""

    symbol: str
    from_us: int
    to_us: int


class FeedGapRow(msgspec.Struct, frozen=True):
    """A gap of one symbol's ticks or trades, between two times that are known."""

    symbol: str
    kind: Kind
    from_us: int
    to_us: int
    reason: str


@transaction.atomic
def store_feed_gaps(
    broker: str,
    gaps: Sequence[FeedGapRow],
    *,
    guard: Guard = lambda cursor: None,
) -> int:
    """Store the gaps of a broker's series and return how many are new.

    Those of instruments that are not recorded are left out, as are gaps without length.
    ``guard`` is called with the cursor at the begin of the transaction, as for records;
    what it raises is raised here, and nothing is stored.

    Raises:
        django.db.Error: none was stored, or it is unknown; they can be given again.
    """
    rows = [gap for gap in gaps if gap.from_us < gap.to_us]
    _make_series(broker, {gap.symbol for gap in rows})
    with connection.cursor() as cursor:
        guard(cursor)
        cursor.execute(
            _STORE,
            {
                "broker": broker,
                "symbols": [gap.symbol for gap in rows],
                "kinds": [gap.kind.value for gap in rows],
                "starts": [to_datetime(gap.from_us) for gap in rows],
                "ends": [to_datetime(gap.to_us) for gap in rows],
                "reasons": [gap.reason[:200] for gap in rows],
            },
        )
        return int(cursor.fetchone()[0])


@transaction.atomic
def close_filled_gaps(
    broker: str,
    spans: Sequence[FilledSpan],
    *,
    guard: Guard = lambda cursor: None,
) -> int:
    """Delete the gaps of trades in these spans that are gaps no more; return how many.

    The trades' own numbers say so, which follow each other by one; of a broker without
    such numbers nothing is ever filled. ``guard`` is that of ``store_feed_gaps``.

    Raises:
        django.db.Error: nothing was deleted, or it is unknown; ask again.
    """
    with connection.cursor() as cursor:
        guard(cursor)
        cursor.execute(
            _CLOSE,
            {
                "broker": broker,
                "symbols": [span.symbol for span in spans],
                "starts": [to_datetime(span.from_us) for span in spans],
                "ends": [to_datetime(span.to_us) for span in spans],
            },
        )
        return int(cursor.fetchone()[0])


def _make_series(broker: str, symbols: set[str]) -> None:
    """Make the series of recorded symbols whose first records are on their way."""
    known = Series.objects.filter(broker=broker, instrument__symbol__in=symbols)
    new = symbols - set(known.values_list("instrument__symbol", flat=True))
    if new and Broker.objects.filter(name=broker).exists():
        recorded = Instrument.objects.filter(symbol__in=new, record=True)
        for symbol in recorded.values_list("symbol", flat=True):
            get_or_create_series(symbol, broker)


def select_ends(broker: str) -> dict[tuple[Kind, str], int]:
    """Return when the stored records of a broker end, by kind and symbol, in us.

    Of instruments that are recorded. The ends are those of the series: its trades may
    have ended before its ticks.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    rows = Series.objects.filter(
        broker=broker, instrument__record=True, latest__isnull=False
    ).values_list("instrument__symbol", "latest", "tick_count", "trade_count")
    ends: dict[tuple[Kind, str], int] = {}
    for symbol, latest, ticks, trades in rows:
        if ticks:
            ends[Kind.TICK, symbol] = to_us(latest)
        if trades:
            ends[Kind.TRADE, symbol] = to_us(latest)
    return ends
