"""Which values of the settings no log line may show. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from marketdata.broker_credentials import Credentials

NAMES = (
    "SECRET_KEY",
    "ADMIN_PASSWORD",
    "JWT_SECRET",
    "BROKER_KEYS",
    "OANDA_API_KEY",
    "OANDA_ACCOUNT_ID",
)


def hidden_values(settings: Mapping[str, Any]) -> Credentials:
    """Return the secrets among settings; log lines are without them while this lives.

    Those of addresses are their passwords, also as they are sent in a header.
    """
    values: dict[str, str] = {}
    for name in NAMES:
        found = settings.get(name, "")
        for number, value in enumerate([found] if isinstance(found, str) else found):
            values[f"{name}.{number}"] = value
    for name, value in settings.items():
        if name.endswith("_URL") and isinstance(value, str) and "@" in value:
            for number, secret in enumerate(_of_address(urlsplit(value))):
                values[f"{name}.{number}"] = secret
    return Credentials(values)


def _of_address(parts: SplitResult) -> Iterable[str]:
    if parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password)
        yield from (parts.password, password)
        yield b64encode(f"{user}:{password}".encode()).decode()
