"""Where OANDA's stream is and what opens it. Pure; shows no credential to anybody."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from brokers.exceptions import InvalidCredentials, InvalidFeedSetting

# "Development Guide" of OANDA's v20 REST API: hosts of streams, per environment.
HOSTS = {
    "practice": "https://stream-fxpractice.oanda.com",
    "live": "https://stream-fxtrade.oanda.com",
}


class Access(Struct, frozen=True):
    """One account at one of OANDA's hosts; its text says neither account nor key."""

    base_address: str
    account: str
    api_key: str

    def __repr__(self) -> str:
        return f"Access({self.base_address!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # Tracebacks that rich renders would show all fields else.
        return [("base_address", self.base_address)]

    def digest(self) -> bytes:
        """Return what tells this access from others and cannot be turned back."""
        text = "\0".join((self.base_address, self.account, self.api_key))
        return sha256(text.encode()).digest()

    def stream_address(self, instruments: Iterable[str]) -> str:
        """Return the address of the instruments' pricing stream."""
        account = quote(self.account, safe="")
        names = ",".join(quote(name, safe="") for name in instruments)
        return (
            f"{self.base_address}/v3/accounts/{account}/pricing/stream"
            f"?instruments={names}"
        )

    def headers(self) -> dict[str, str]:
        """Return the headers of a request, the key among them."""
        return {
            "Authorization": f"Bearer {self.api_key}",
            "Accept-Datetime-Format": "UNIX",
        }


def base_address(url: str, environment: str) -> str:
    """Return the address of the streams: ``url``, else that of the environment.

    Neither means practice.

    Raises:
        InvalidFeedSetting: it is no address, or the environment has no such name.
    """
    if not url:
        environment = environment or "practice"
        if environment not in HOSTS:
            expected = " or ".join(HOSTS)
            raise InvalidFeedSetting("OANDA_ENVIRONMENT", expected, environment)
        return HOSTS[environment]
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        expected = "an address that begins with http:// or https://"
        raise InvalidFeedSetting("OANDA_URL", expected, url)
    return url.rstrip("/")


def access_of(address: str, account: str, api_key: str) -> Access:
    """Return the access to an account.

    Raises:
        InvalidCredentials: one of them is empty or cannot be sent in a request.
    """
    for name, value in (("API key", api_key), ("account ID", account)):
        if not value:
            raise InvalidCredentials(f"OANDA {name} not configured")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise InvalidCredentials(f"OANDA {name} has characters that no {name} has")
    return Access(address, account, api_key)


def client_access(address: str, credentials: Mapping[str, str]) -> Access:
    """Return the access that a client's credentials give; never with ours.

    `apiKey` or `token` is the key, `accountId` the account. `environment`, `practice`
    or `live`, chooses the host, which is ``address`` else.

    Raises:
        InvalidCredentials: a field is missing or cannot be used.
    """
    environment = credentials.get("environment", "")
    if environment and environment not in HOSTS:
        raise InvalidCredentials(f"environment: expected {' or '.join(HOSTS)}")
    return access_of(
        HOSTS.get(environment, address),
        credentials.get("accountId", ""),
        credentials.get("apiKey") or credentials.get("token", ""),
    )
