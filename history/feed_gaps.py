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
