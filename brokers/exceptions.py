"""Errors of this app.

BrokerError
 +-- UnknownAdapter
 +-- InvalidFeedSetting
 +-- LeaseLost
 +-- InvalidCredentials
 +-- AccountUnreadable
 +-- MalformedFrame
 +-- RequestFailed
 +-- FeedLost
      +-- FeedSilent
      +-- SubscribeFailed
      +-- FeedRefused
           +-- FeedUnauthorized
"""

from marketdata.broker_credentials import hide_secrets


class BrokerError(Exception):
    """Base of all errors of the app; ``code`` is stable."""

    code = "BROKER_ERROR"


class UnknownAdapter(BrokerError):
    """Raised when we have no program for a broker."""

    code = "UNKNOWN_BROKER"

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        self.known = known
        super().__init__(f"expected one of {', '.join(known)}, found broker {name!r}")


class InvalidFeedSetting(BrokerError):
    """Raised when a setting of a feed has a value that the feed cannot use."""

    code = "INVALID_FEED_SETTING"

    def __init__(self, setting: str, expected: str, found: object) -> None:
        self.setting = setting
        found_text = hide_secrets(repr(found))  # addresses may have a password
        super().__init__(f"{setting}: expected {expected}, found {found_text}")


class LeaseLost(BrokerError):
    """Raised when another process has become the broker's active feed."""

    code = "LEASE_LOST"

    def __init__(self, broker: str) -> None:
        self.broker = broker
        super().__init__(f"another process is the active feed of {broker} now")


class InvalidCredentials(BrokerError):
    """Raised when credentials for a private feed lack a field or cannot be used.

    The text names fields, never what is in them.
    """

    code = "AUTH_FAILED"


class AccountUnreadable(BrokerError):
    """Raised when no key decrypts a stored account."""

    code = "ACCOUNT_UNREADABLE"

    def __init__(self) -> None:
        super().__init__(
            "expected a key of BROKER_KEYS, or SECRET_KEY, to read the stored account; "
            "found none that does"
        )


class MalformedFrame(BrokerError):
    """Raised when what a broker sent cannot be read; ``frame`` is its beginning."""

    code = "MALFORMED_FRAME"

    def __init__(self, broker: str, reason: object, frame: bytes) -> None:
        self.broker = broker
        self.frame = frame[:200]
        super().__init__(f"{broker} sent a frame we cannot read: {reason}")


class RequestFailed(BrokerError):
    """Raised when a broker's REST interface gave no answer that we can use.

    ``status`` is None where there was no answer; ``retry_after_s`` is the least time to
    wait before the next request.
    """

    code = "REQUEST_FAILED"

    def __init__(
        self,
        request: str,
        found: object,
        *,
        status: int | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{request}: expected an answer, found {found}")


class FeedLost(BrokerError):
    """Raised when a connection to a broker ended or could not be made.

    Connecting again may help. ``retry_after_s`` is the least time to wait first.
    """

    code = "FEED_LOST"
    retry_after_s = 0.0


class FeedSilent(FeedLost):
    """Raised when nothing came for longer than the broker is ever quiet."""

    code = "FEED_SILENT"

    def __init__(self, silence_s: float) -> None:
        self.silence_s = silence_s
        super().__init__(f"nothing received for {silence_s:g} s")


class SubscribeFailed(FeedLost):
    """Raised when a broker refused a subscription or did not answer in time."""

    code = "SUBSCRIBE_FAILED"


class FeedRefused(FeedLost):
    """Raised when a broker will not serve us now: banned, too fast, wrong country.

    Asking again at once makes it worse, so the runner waits its longest delay, or the
    ``retry_after_s`` that the broker asked for if that is longer.
    """

    code = "FEED_REFUSED"

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"the broker answered HTTP {status}")


class FeedUnauthorized(FeedRefused):
    """Raised when a broker does not know our credentials, or we have none.

    ``reason`` is for people and says nothing of the credentials.
    """

    code = "BROKER_AUTH_FAILED"

    # Asking again does not make credentials better, and may get an address banned.
    RETRY_S = 30.0

    def __init__(self, status: int, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(status, max(self.RETRY_S, retry_after_s))
        self.args = (reason,)
