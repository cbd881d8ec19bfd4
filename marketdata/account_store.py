"""Plans, API keys and sessions in the database; everything here blocks."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, connections, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from marketdata.accounts import ANONYMOUS, ApiKeyFacts
from marketdata.clients import Plan
from marketdata.credentials import (
    SECRET_BYTES,
    VISIBLE_CHARS,
    encode_api_key,
    hash_api_key,
)
from marketdata.models import ApiKey, ClientPlan

# `last_used` is exact to this: a client that comes back each second writes it seldom.
LAST_USED_EXACT_TO = timedelta(minutes=1)
_MAX_SESSION_KEY = 40  # the column's size

log = structlog.get_logger(__name__)


class DatabaseStore:
    """The store of `accounts.Accounts`; its methods leave no connection behind."""

    def select_plans(self) -> Mapping[str, Plan] | None:
        """Return all plans by name, None without DATABASE_URL."""
        if not settings.DATABASE_URL:
            return None
        with _connections_closed():
            return {row.name: plan_of(row) for row in ClientPlan.objects.all()}

    def select_api_keys(self, hashes: Sequence[str]) -> Mapping[str, ApiKeyFacts]:
        """Return the active keys that have these hashes, and note that they are used.

        Those that have expired are among them.
        """
        if not settings.DATABASE_URL:
            return {}  # nobody can have one
        with _connections_closed():
            rows = ApiKey.objects.select_related("plan")
            found = list(rows.filter(hashed_key__in=hashes, is_active=True))
            _note_use(found)
        return {row.hashed_key: _facts_of(row) for row in found}

    def select_staff(self, session_keys: Sequence[str]) -> Mapping[str, str]:
        """Return the names of active staff users by their sessions."""
        if not settings.DATABASE_URL:
            return {}
        with _connections_closed():
            names = {key: _staff_name(key) for key in session_keys}
        return {key: name for key, name in names.items() if name}


def make_api_key() -> tuple[str, str, str]:
    """Return a new key's prefix and hash, to be stored, and the key, to be shown."""
    key = encode_api_key(secrets.token_bytes(SECRET_BYTES))
    return key[:VISIBLE_CHARS], hash_api_key(key), key


def ensure_plans() -> None:
    """Add the plan of clients without a key, if it is missing; change nothing."""
    ClientPlan.objects.get_or_create(name=ANONYMOUS)


def plan_of(row: ClientPlan) -> Plan:
    """Return the plan that a row describes."""
    return Plan(
        name=row.name,
        subscriptions=row.subscriptions,
        gateway_symbols=row.gateway_symbols,
        requests_per_s=row.requests_per_s,
        request_burst=row.request_burst,
        connections=row.connections,
        since_days=row.since_days,
        brokers=frozenset(row.brokers) or None,
        symbols=frozenset(row.symbols) or None,
        is_conflated=row.is_conflated,
        rest_requests_per_min=row.rest_requests_per_min,
    )


@contextmanager
def _connections_closed() -> Iterator[None]:
    try:
        yield
    finally:
        connections.close_all()


def _facts_of(row: ApiKey) -> ApiKeyFacts:
    expires_s = row.expires.timestamp() if row.expires else None
    return ApiKeyFacts(row.name, plan_of(row.plan), expires_s)


def _note_use(rows: Sequence[ApiKey]) -> None:
    now = timezone.now()
    is_due = Q(last_used=None) | Q(last_used__lt=now - LAST_USED_EXACT_TO)
    due = ApiKey.objects.filter(is_due, pk__in=[row.pk for row in rows])
    try:
        with transaction.atomic():
            # What another process is noting at this moment need not wait for ours.
            free = due.select_for_update(skip_locked=True).values("pk")
            ApiKey.objects.filter(pk__in=free).update(last_used=now)
    except DatabaseError as exc:
        # A standby that takes no writes can tell who clients are all the same.
        log.warning("cannot note the use of keys", error=type(exc).__name__)


def _staff_name(session_key: str) -> str:
    if len(session_key) > _MAX_SESSION_KEY or not session_key.isalnum():
        return ""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    return user.get_username() if user.is_active and user.is_staff else ""
