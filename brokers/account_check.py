"""Asks a broker whether it accepts credentials, without following anything."""

from collections.abc import Sequence
from typing import Any

from brokers.exceptions import BrokerError, FeedLost, FeedRefused, InvalidCredentials
from brokers.feed import FollowedInstrument
from brokers.private_feed import GuardedFeed
from brokers.registry import adapter_of
from marketdata.broker_credentials import Credentials

UNAUTHORIZED = (401, 403)


class NotAccepted(BrokerError):
    """Raised when a broker does not accept credentials; the text is for people."""

    code = "AUTH_FAILED"


async def check_account(
    broker: str,
    credentials: Credentials,
    settings: Any,
    probe: Sequence[FollowedInstrument],
) -> None:
    """Return if the broker accepts the credentials; takes 10 s at most.

    Raises:
        UnknownAdapter: there is no program for the broker.
        NotAccepted, FeedLost: it does not, or could not be asked.
    """
    build = adapter_of(broker).build_private
    if build is None:
        raise NotAccepted(f"{broker} has no accounts")
    try:
        feed = build(settings, credentials)
    except InvalidCredentials as exc:
        raise NotAccepted(credentials.hide(str(exc))) from None
    await ask_broker(GuardedFeed(feed, credentials, broker), probe)


async def ask_broker(feed: GuardedFeed, probe: Sequence[FollowedInstrument]) -> None:
    """Return if the feed's broker accepts its credentials.

    Raises:
        NotAccepted, FeedLost: it does not, or could not be asked.
    """
    try:
        await feed.check(probe)
    except FeedRefused as exc:
        if exc.status not in UNAUTHORIZED:
            raise
        raise NotAccepted("the broker does not accept the credentials") from None
    except FeedLost as exc:
        raise FeedLost(f"the broker cannot be reached: {exc}") from None
