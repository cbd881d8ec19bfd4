"""Who clients are and what limits them, as the settings want it."""

from django.conf import settings

from marketdata.account_store import DatabaseStore
from marketdata.accounts import AccountOptions, Accounts
from marketdata.connection_limits import Caps, ConnectionLimits
from marketdata.tokens import JwtKeys


def make_accounts() -> Accounts:
    """Return the accounts of a process.

    Raises:
        ValueError: a key for tokens cannot be used.
    """
    fixed = {
        "subscriptions": settings.MAX_SUBSCRIPTIONS,
        "requests_per_s": settings.WS_REQUESTS_PER_S,
        "rest_requests_per_min": settings.REST_REQUESTS_PER_MIN,
    }
    options = AccountOptions(
        keys=JwtKeys(settings.JWT_SECRET, settings.JWT_PUBLIC_KEY),
        is_auth_required=settings.WS_AUTH_REQUIRED,
        anonymous={name: value for name, value in fixed.items() if value is not None},
        session_cookie=settings.SESSION_COOKIE_NAME,
    )
    return Accounts(DatabaseStore(), options)


def make_connection_limits() -> ConnectionLimits:
    """Return the limits of a process's sockets."""
    return ConnectionLimits(
        Caps(
            total=settings.WS_MAX_CONNECTIONS,
            per_address=settings.WS_MAX_CONNECTIONS_PER_ADDRESS,
            attempts_per_s=settings.WS_ATTEMPTS_PER_S,
            attempt_burst=settings.WS_ATTEMPT_BURST,
            limits_loopback=settings.WS_LIMIT_LOOPBACK,
        )
    )
