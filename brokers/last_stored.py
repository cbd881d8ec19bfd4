"""What of a feed earlier processes stored last, for what it missed or gets again."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import django.db
import structlog
from channels.db import database_sync_to_async

from history.last_stored import select_last_ticks, select_last_trades
from marketdata.records import Tick

TIMEOUT_S = 5.0

Found = TypeVar("Found")

log = structlog.get_logger(__name__)


async def last_trades(broker: str) -> Mapping[str, tuple[int, int]]:
    """Return id and time of the last stored trade of each symbol.

    None while the database is away: what was missed then is not fetched.
    """
    return await _read(select_last_trades, broker) or {}


async def last_ticks(broker: str) -> Iterable[Tick]:
    """Return the last stored tick of each symbol.

    None while the database is away: what comes again then is stored again.
    """
    return await _read(select_last_ticks, broker) or ()


async def _read(select: Callable[[str], Found], broker: str) -> Found | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await database_sync_to_async(select)(broker)
    except (django.db.Error, TimeoutError) as exc:
        log.warning("last stored records not known", broker=broker, error=str(exc))
        return None
