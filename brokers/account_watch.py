"""Has a running feed use the broker's account as it is now: changed, new or deleted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import django.db
import structlog
from channels.db import database_sync_to_async

from brokers.account_store import stored_credentials
from brokers.connection import KeptConnection
from brokers.exceptions import AccountUnreadable, BrokerError
from brokers.feed import AccountFeed, Feed
from brokers.registry import build_feed
from marketdata.broker_credentials import Credentials

# What is entered in the admin takes effect within 10 s, a slow database included.
MAX_LOOK_S = 5.0

# Credentials, or why there are none although there is an account.
Account = Credentials | AccountUnreadable | None
Load = Callable[[], Awaitable[Credentials | None]]
# May raise BrokerError: then the account cannot be used, and what was used stays.
Use = Callable[[Credentials | None], None]

log = structlog.get_logger(__name__)


class AccountWatch:
    """Looks at a broker's account every ``look_s`` and has it used if it changed.

    ``account`` is the one in use, None for that of the environment, an error for one
    that could not be read. While the account cannot be read, nothing changes.
    """

    def __init__(self, broker: str, account: Account, load: Load, use: Use) -> None:
        self._account = account
        self._load = load
        self._use = use
        self._log = log.bind(broker=broker)

    async def run(self, look_s: float) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(look_s)
            try:
                account = await self._load()
            except (django.db.Error, AccountUnreadable) as exc:
                self._log.debug("account not looked at", error=str(exc).strip())
                continue
            if account != self._account:
                self._change(account)

    def _change(self, account: Credentials | None) -> None:
        self._account = account
        try:
            self._use(account)
        except BrokerError as exc:
            self._log.error("changed account cannot be used", error=str(exc))
        else:
            self._log.info("account changed", is_stored=account is not None)


@asynccontextmanager
async def account_watched(
    account: Account, feed: Feed, connection: KeptConnection, settings: Any
) -> AsyncIterator[None]:
    """Have the feed use its broker's account while this lasts; it was made with one.

    The connection is made anew when the account changes. None is made with the
    environment's instead of an account that cannot be read. ``settings`` are Django's.
    """
    if not isinstance(feed, AccountFeed) or not settings.DATABASE_URL:
        yield
        return

    def use(changed: Credentials | None) -> None:
        feed.use_account_of(build_feed(feed.broker, settings, changed))
        connection.barred = ""
        connection.connect_again("the account was changed")

    if isinstance(account, AccountUnreadable):
        connection.barred = str(account)
    load = partial(database_sync_to_async(stored_credentials), feed.broker)
    watch = AccountWatch(feed.broker, account, load, use)
    look_s = min(MAX_LOOK_S, settings.CATALOG_REFRESH_S)
    task = asyncio.create_task(watch.run(look_s), name="account")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
