"""Has a feed fetch the trades that it, or a process before it, never got."""

import django.db
import structlog
from channels.db import database_sync_to_async

from brokers.binance.feed import BinanceFeed
from brokers.missed_trades import TradeStore, store_missed
from history.trade_holes import select_stored_trades

log = structlog.get_logger(__name__)


async def fetch_missed(feed: BinanceFeed, store: TradeStore) -> None:
    """Store what the feed will fetch, and tell it what is stored already.

    What dead processes left in the journal should be stored before. While the database
    is away only what this process misses itself is fetched.
    """
    feed.on_missed = store_missed(store)
    try:
        feed.learn(await database_sync_to_async(select_stored_trades)(feed.broker))
    except django.db.Error as exc:
        log.warning("stored trades not known", broker=feed.broker, error=str(exc))
