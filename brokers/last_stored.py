"""What earlier processes of a feed stored last, for what it gets again."""

import asyncio
from collections.abc import Iterable

import django.db
import structlog
from channels.db import database_sync_to_async

from history.last_stored import select_last_ticks
from marketdata.records import Tick

TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


async def last_ticks(broker: str) -> Iterable[Tick]:
    """Return the last stored tick of each symbol.

    None while the database is away: what comes again then is stored again.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await database_sync_to_async(select_last_ticks)(broker)
    except (django.db.Error, TimeoutError) as exc:
        log.warning("last stored ticks not known", broker=broker, error=str(exc))
        return ()
