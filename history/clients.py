"""Who asks, and the limits that apply: by key or token, else by address."""

from collections.abc import Mapping

import msgspec

from history.exceptions import DatabaseUnavailable
from marketdata.accounts import Accounts
from marketdata.addresses import AddressReader, ClientAddress
from marketdata.clients import Plan
from marketdata.credentials import token_of
from marketdata.exceptions import AuthFailed, AuthUnavailable


class Client(msgspec.Struct, frozen=True):
    """Whose requests count together, and how many a minute there may be; 0: any.

    ``refusal`` is what was wrong with what the client showed: it is counted by its
    address then, and refused.
    """

    key: str
    requests_per_min: int
    plan: Plan = Plan()
    is_anonymous: bool = True
    refusal: Exception | None = None


class Clients:
    """Tells clients apart; one that shows nothing costs no look-up.

    Args:
        limits_loopback: whether clients on this machine are limited, too.
        is_limited: False: nobody is.
    """

    def __init__(
        self,
        accounts: Accounts,
        addresses: AddressReader,
        *,
        limits_loopback: bool,
        is_limited: bool = True,
    ) -> None:
        self._accounts = accounts
        self._addresses = addresses
        self._limits_loopback = limits_loopback
        self._is_limited = is_limited

    async def __call__(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Return the client behind a connection from ``peer``.

        Args:
            headers: by lower-case name; only those that tell who asks.
        """
        address = self._addresses.read(peer, headers.get("x-real-ip", ""))
        token = token_of(headers, {})
        if token is None:
            return await self._anonymous(address)
        try:
            found = await self._accounts.identify(token)
        except AuthFailed as exc:
            return await self._anonymous(address, exc)
        except AuthUnavailable as exc:
            refusal = DatabaseUnavailable(str(exc))
            return await self._anonymous(address, refusal)
        limit = self._limit(address, found.plan)
        return Client(found.id, limit, found.plan, is_anonymous=False)

    async def _anonymous(
        self, address: ClientAddress, refusal: Exception | None = None
    ) -> Client:
        if not self._accounts.is_ready:
            await self._accounts.ready()
        plan = self._accounts.anonymous().plan
        limit = self._limit(address, plan)
        return Client(address.key, limit, plan, refusal=refusal)

    def _limit(self, address: ClientAddress, plan: Plan) -> int:
        is_exempt = address.is_loopback and not self._limits_loopback
        return plan.rest_requests_per_min if self._is_limited and not is_exempt else 0
