"""Where a feed's trades of earlier processes end, for what it missed since."""

import asyncio
from collections.abc import Mapping

import django.db
import structlog
from channels.db import database_sync_to_async

from history.last_trades import select_last_trades

TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


async def last_trades(broker: str) -> Mapping[str, tuple[int, int]]:
    """Return id and time of the last stored trade of each symbol.

    None while the database is away: what was missed then is not fetched.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await database_sync_to_async(select_last_trades)(broker)
    except (django.db.Error, TimeoutError) as exc:
        log.warning("last stored trades not known", broker=broker, error=str(exc))
        return {}
