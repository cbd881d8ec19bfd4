"""Who clients are: by API key, by JWT, by the session of the admin, or nobody.

Belongs to the event loop that uses it. The database is asked in threads, for many
clients at once and seldom; an anonymous client and a JWT never wait for it.
"""

import time
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol

import msgspec

from marketdata.clients import Client, Plan
from marketdata.credentials import hash_api_key, is_api_key, is_jwt, token_of
from marketdata.exceptions import AuthFailed, AuthUnavailable, TokenExpired
from marketdata.lookups import Lookups, LookupUnavailable
from marketdata.origins import is_allowed
from marketdata.plan_table import PlanTable
from marketdata.tokens import Claims, JwtKeys, verify_jwt
from marketdata.ttl_cache import TtlCache

ANONYMOUS = "anonymous"
STAFF = "staff"
# Of staff where the table has no plan of that name.
STAFF_PLAN = Plan(name=STAFF, subscriptions=500)
MAX_TOKENS = 2_000  # that are remembered as good, some 600 bytes each


class ApiKeyFacts(msgspec.Struct, frozen=True):
    """A key that may be used; ``expires_s`` is Unix time, None for never."""

    name: str
    plan: Plan
    expires_s: float | None = None


class Store(Protocol):
    """Where accounts are kept; each method blocks, and may raise whatever it likes."""

    def select_plans(self) -> Mapping[str, Plan] | None:
        """Return all plans by name, None where there is no database."""

    def select_api_keys(self, hashes: Sequence[str]) -> Mapping[str, ApiKeyFacts]:
        """Return the active keys that have these hashes, by hash."""

    def select_staff(self, session_keys: Sequence[str]) -> Mapping[str, str]:
        """Return the names of staff users by their sessions."""


class AccountOptions(msgspec.Struct, frozen=True):
    """Settings: ``anonymous`` are fields of that plan, whatever its row says."""

    keys: JwtKeys
    is_auth_required: bool = False
    anonymous: Mapping[str, float] = {}
    session_cookie: str = "sessionid"


class Accounts:
    """Tells who a client is."""

    def __init__(self, store: Store, options: AccountOptions) -> None:
        self._options = options
        self._plans = PlanTable(store.select_plans)
        self._api_keys = Lookups(store.select_api_keys)
        self._staff = Lookups(store.select_staff)
        # A program shows its token with each request; to verify it takes 0.1 ms.
        self._claims: TtlCache[Claims] = TtlCache(kept_s=60.0, max_items=MAX_TOKENS)
        self._seen_plans: Mapping[str, Plan] | None = None
        self._anonymous = Client()

    @property
    def is_ready(self) -> bool:
        """True once the plans were read, or could not be."""
        return self._plans.has_loaded

    async def ready(self) -> None:
        """Wait for the plans once; later return at once."""
        await self._plans.ready()

    def anonymous(self) -> Client:
        """Return the client that shows nothing; never waits, never asks the database.

        Until ``ready`` has returned once its plan has the defaults.
        """
        self._plans.refresh_if_due()
        plans = self._plans.plans
        if plans is not self._seen_plans:
            self._seen_plans = plans
            self._anonymous = self._make_anonymous(plans)
        return self._anonymous

    async def identify(self, token: str) -> Client:
        """Return the client whose API key or JWT this is.

        Raises:
            AuthFailed: it is nobody's; TokenExpired: it was somebody's.
            AuthUnavailable: it looks like a key, and the database is away.
        """
        if is_jwt(token):
            return await self._by_jwt(token)
        if is_api_key(token):
            return await self._by_api_key(token)
        raise AuthFailed("neither an API key nor a JWT")

    async def at_connect(
        self, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Client:
        """Return the client that opens a socket: by token, by session, or anonymous.

        Args:
            headers: by lower-case name.

        Raises:
            AuthFailed, AuthUnavailable: as ``identify``.
        """
        token = token_of(headers, query)
        if token is not None:
            return await self.identify(token)
        await self.ready()
        if "cookie" in headers:
            return await self.staff(headers) or self.anonymous()
        return self.anonymous()

    async def staff(self, headers: Mapping[str, str]) -> Client | None:
        """Return the staff user on a page of our own origin, None for anybody else.

        Another page of the same browser sends the cookie, too, so its origin must be
        the host that is asked; a listed origin is not enough.
        """
        session_key = _session_key(headers, self._options.session_cookie)
        if not session_key:
            return None
        try:
            name = await self._staff.find(session_key)
        except LookupUnavailable:
            return None
        if name is None:
            return None
        return Client(f"staff:{name}", self._plans.plans.get(STAFF, STAFF_PLAN))

    async def close(self) -> None:
        """Stop what runs beside."""
        await self._plans.close()

    def _make_anonymous(self, plans: Mapping[str, Plan]) -> Client:
        fixed: dict[str, Any] = dict(self._options.anonymous)
        plan = msgspec.structs.replace(plans.get(ANONYMOUS, Plan()), **fixed)
        return Client(plan=plan, is_required_to_auth=self._options.is_auth_required)

    async def _by_jwt(self, token: str) -> Client:
        now_s = time.time()
        claims = self._claims.get(token, now_s)
        if claims is None:
            claims = verify_jwt(token, self._options.keys, now_s)
            self._claims.put(token, claims, now_s)
        elif now_s >= claims.exp:
            raise TokenExpired
        plan = await self._plans.find(claims.plan)
        if plan is None:
            if self._plans.is_complete:
                raise AuthFailed(f"there is no plan {claims.plan!r}")
            # Never more than what anybody may do who shows nothing.
            plan = self.anonymous().plan
        return Client(f"jwt:{claims.sub}", plan, claims.exp)

    async def _by_api_key(self, key: str) -> Client:
        try:
            found = await self._api_keys.find(hash_api_key(key))
        except LookupUnavailable as exc:
            raise AuthUnavailable from exc
        if found is None:
            raise AuthFailed("no such key, or not active")
        if found.expires_s is not None and time.time() >= found.expires_s:
            raise TokenExpired
        return Client(f"key:{found.name}", found.plan, found.expires_s)


def _session_key(headers: Mapping[str, str], cookie: str) -> str:
    origin = headers.get("origin")
    if origin is None or not is_allowed(origin, headers.get("host", ""), ()):
        return ""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[cookie].value if cookie in cookies else ""
