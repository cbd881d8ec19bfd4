"""Asks the database; `findings` judges."""

import time
from collections.abc import Iterable

import django.db
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from brokers.account_store import cipher
from brokers.exceptions import AccountUnreadable, InvalidFeedSetting
from brokers.models import BrokerAccount
from config.checkup.findings import (
    MIN_POSTGRES,
    Finding,
    Steps,
    bad,
    good,
    judge_clock,
    judge_migrations,
    poor,
)


def check_database() -> Steps:
    """Return what is found of PostgreSQL and TimescaleDB; True if it can be used."""
    if not settings.DATABASE_URL:
        cure = "set it, or stream only: nothing is stored and REST answers 503"
        yield poor("database", "DATABASE_URL is not set", cure)
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int,"
                " current_setting('server_version'),"
                " extract(epoch FROM clock_timestamp())::float8"
            )
            number, version, time_s = cursor.fetchone()
            now_s = time.time()
            cursor.execute(
                "SELECT installed_version, default_version"
                " FROM pg_available_extensions WHERE name = 'timescaledb'"
            )
            installed, newest = cursor.fetchone() or (None, None)
    except django.db.Error as exc:
        cure = "is it running, and is DATABASE_URL right? python -m services up"
        yield bad("database", " ".join(str(exc).split()), cure)
        return False
    found = f"PostgreSQL {version}"
    if number < MIN_POSTGRES:
        yield bad(
            "database", found, f"use PostgreSQL {MIN_POSTGRES // 10_000} or newer"
        )
    else:
        yield good("database", found)
    yield _judge_timescale(installed, newest)
    yield judge_clock("the database", time_s - now_s)
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    missing = [f"{item.app_label}.{item.name}" for item, _ in plan]
    yield judge_migrations(missing)
    return not missing


def _judge_timescale(installed: str | None, newest: str | None) -> Finding:
    if newest is None:
        cure = "install TimescaleDB for this PostgreSQL (docs/operating.md)"
        return bad("timescaledb", "not installed on the server", cure)
    if installed is None:
        return bad("timescaledb", "not in this database", "manage.py migrate")
    if installed != newest:
        found = f"{installed}, the server has {newest}"
        cure = "in a new `psql -X`, first of all: ALTER EXTENSION timescaledb UPDATE"
        return poor("timescaledb", found, cure)
    return good("timescaledb", installed)


def check_accounts() -> Iterable[Finding]:
    """Return the broker accounts that cannot be read."""
    unreadable = []
    try:
        decrypt = cipher().decrypt
        for name, encrypted in BrokerAccount.objects.values_list("broker", "encrypted"):
            try:
                decrypt(encrypted)
            except AccountUnreadable:
                unreadable.append(name)
    except InvalidFeedSetting as exc:
        yield bad("broker accounts", str(exc), "set BROKER_KEYS right")
        return
    if unreadable:
        cure = (
            "put the key that encrypted them back into BROKER_KEYS, or enter them anew"
        )
        yield bad("broker accounts", f"unreadable: {', '.join(unreadable)}", cure)
    else:
        yield good("broker accounts", "readable")
