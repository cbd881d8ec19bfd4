"""States of live feeds: whether a broker's records reach us, and until when they did.

Blocks, on Django's connection of the calling thread.
"""

import msgspec
from django.db import connection, transaction

from history.models import FeedState
from history.record_batch import Guard
from history.timestamps import to_datetime, to_us

_STORE = """
    INSERT INTO feed_states (broker_id, state, since, seen, live_until)
    VALUES (%(broker)s, %(state)s, %(since)s, %(seen)s, %(live_until)s)
    ON CONFLICT (broker_id) DO UPDATE
    SET state = EXCLUDED.state,
        since = EXCLUDED.since,
        seen = EXCLUDED.seen,
        live_until = coalesce(EXCLUDED.live_until, feed_states.live_until)
"""


class FeedStateRow(msgspec.Struct, frozen=True):
    """The state of a feed, since when, and when it was seen so; by the feed's clock.

    ``live_until_us`` is until when its connection was live, None if it never was since
    the process started: then what earlier ones said stays.
    """

    state: str
    since_us: int
    seen_us: int
    live_until_us: int | None


@transaction.atomic
def store_feed_state(broker: str, row: FeedStateRow, *, guard: Guard) -> None:
    """Store the state of a broker's feed.

    ``guard`` is called with the cursor at the begin of the transaction, as for records;
    what it raises is raised here, and nothing is stored.

    Raises:
        django.db.Error: nothing was stored, or it is unknown.
    """
    live_until_us = row.live_until_us
    with connection.cursor() as cursor:
        guard(cursor)
        cursor.execute(
            _STORE,
            {
                "broker": broker,
                "state": row.state,
                "since": to_datetime(row.since_us),
                "seen": to_datetime(row.seen_us),
                "live_until": None
                if live_until_us is None
                else to_datetime(live_until_us),
            },
        )


def select_live_until(broker: str) -> int | None:
    """Return until when a feed of the broker was live, in us; None if unknown.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    row = FeedState.objects.filter(broker=broker, live_until__isnull=False).first()
    return to_us(row.live_until) if row and row.live_until else None
