"""Accounts without a database: what is asked of the store is counted."""

import time
from collections.abc import Mapping, Sequence

import jwt

from marketdata.accounts import AccountOptions, Accounts, ApiKeyFacts
from marketdata.addresses import AddressReader
from marketdata.admission import Admission
from marketdata.clients import Plan
from marketdata.connection_limits import Caps, ConnectionLimits
from marketdata.tokens import JwtKeys

SECRET = "s" * 32


class FakeStore:
    """Answers from its fields; raises while ``is_away``."""

    def __init__(self, plans: Mapping[str, Plan] | None = None) -> None:
        self.plans = plans
        self.api_keys: dict[str, ApiKeyFacts] = {}
        self.staff: dict[str, str] = {}
        self.is_away = False
        self.asked: list[str] = []

    def select_plans(self) -> Mapping[str, Plan] | None:
        self._ask("plans")
        return None if self.plans is None else dict(self.plans)

    def select_api_keys(self, hashes: Sequence[str]) -> Mapping[str, ApiKeyFacts]:
        self._ask("keys")
        return {key: self.api_keys[key] for key in hashes if key in self.api_keys}

    def select_staff(self, session_keys: Sequence[str]) -> Mapping[str, str]:
        self._ask("staff")
        return {key: self.staff[key] for key in session_keys if key in self.staff}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.is_away:
            raise ConnectionError("the database is away")


def make_accounts(store: FakeStore | None = None, **options: object) -> Accounts:
    """Return accounts that take tokens signed with SECRET."""
    defaults = {"keys": JwtKeys(SECRET), **options}
    return Accounts(store or FakeStore(), AccountOptions(**defaults))


def make_admission(
    store: FakeStore | None = None, *, caps: Caps | None = None, **options: object
) -> Admission:
    """Return an admission by such accounts, with no limits of addresses of ours."""
    return Admission(
        make_accounts(store, **options),
        ConnectionLimits(caps or Caps()),
        AddressReader(()),
        (),
    )


def make_token(plan: str = "pro", seconds: float = 60, sub: str = "desk-7") -> str:
    """Return a JWT that such accounts take."""
    claims = {"sub": sub, "plan": plan, "exp": time.time() + seconds}
    return jwt.encode(claims, SECRET, "HS256")
