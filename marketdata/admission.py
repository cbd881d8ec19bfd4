"""Who may open a socket: pages of known origins, known clients, within the limits."""

import time
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from marketdata.accounts import Accounts
from marketdata.addresses import AddressReader
from marketdata.clients import Client
from marketdata.codes import CloseCode
from marketdata.connection_limits import ConnectionLimits, Place
from marketdata.exceptions import (
    AuthFailed,
    AuthUnavailable,
    TokenExpired,
    TooManyConnections,
)
from marketdata.origins import is_allowed


class Refused(Exception):
    """Raised when a socket must be closed; ``message`` goes to the client."""

    def __init__(self, code: CloseCode, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class Admitted(msgspec.Struct, frozen=True):
    """A client, its address, and the place that its socket takes until it leaves it."""

    client: Client
    place: Place
    address: str


class Admission:
    """Admits sockets; one for all of a process, in one event loop."""

    def __init__(
        self,
        accounts: Accounts,
        limits: ConnectionLimits,
        addresses: AddressReader,
        allowed_origins: tuple[str, ...],
    ) -> None:
        self.accounts = accounts
        self._limits = limits
        self._addresses = addresses
        self._allowed_origins = allowed_origins

    def admits(self, peer: str, real_ip: str) -> bool:
        """Count an attempt to connect from an address; False: it makes too many.

        ``real_ip`` is the header X-Real-IP, empty if there is none.
        """
        return self._limits.admits(
            self._addresses.read(peer, real_ip), time.monotonic()
        )

    async def admit(self, scope: dict[str, Any], query: dict[str, str]) -> Admitted:
        """Return who opens the socket of an ASGI scope.

        Raises:
            Refused: it may not be opened.
        """
        headers = {
            name.decode("latin1").lower(): value.decode("latin1")
            for name, value in scope["headers"]
        }
        origin, host = headers.get("origin"), headers.get("host", "")
        if not is_allowed(origin, host, self._allowed_origins):
            raise Refused(CloseCode.FORBIDDEN, "pages of this origin may not connect")
        try:
            client = await self.accounts.at_connect(headers, query)
            address = self._addresses.of_scope(scope)
            place = self._limits.enter(address, client)
        except (AuthFailed, AuthUnavailable, TooManyConnections) as exc:
            raise _refusal(exc) from exc
        return Admitted(client, place, address.key)

    async def identify(self, token: str, place: Place) -> Client:
        """Return who shows the token on a socket that is open.

        Raises:
            AuthFailed: nobody does.
            Refused: the client has enough sockets, or cannot be looked up now.
        """
        try:
            client = await self.accounts.identify(token)
            place.move_to(client)
        except (AuthUnavailable, TooManyConnections) as exc:
            raise _refusal(exc) from exc
        return client


def query_of(scope: dict[str, Any]) -> dict[str, str]:
    """Return the parameters of an ASGI scope's URL."""
    return dict(parse_qsl(scope["query_string"].decode("latin1")))


def _refusal(error: Exception) -> Refused:
    match error:
        case TokenExpired():
            code = CloseCode.TOKEN_EXPIRED
        case AuthFailed():
            code = CloseCode.BAD_CREDENTIALS
        case TooManyConnections():
            code = CloseCode.CONNECTION_LIMIT
        case _:
            code = CloseCode.SERVER_ERROR
    return Refused(code, str(error))
