"""Asks the machine, the database, Redis and all processes; `findings` judges."""

import asyncio
import importlib.metadata
import resource
import shutil
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from uuid import uuid4

import django.db
import redis.exceptions
from celery import current_app
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from packaging.requirements import Requirement

from brokers.account_store import cipher
from brokers.exceptions import AccountUnreadable, InvalidFeedSetting
from brokers.models import BrokerAccount
from config.checkup.findings import (
    MIN_POSTGRES,
    MIN_REDIS,
    Finding,
    bad,
    good,
    judge_clock,
    judge_disk,
    judge_files,
    judge_migrations,
    judge_packages,
    judge_processes,
    judge_python,
    poor,
)
from marketdata.catalog_store import load_enabled_brokers
from marketdata.process_messages import AskFigures
from marketdata.process_talk import ask_processes
from marketdata.redis_pipe import redis_client

LAYER_TIMEOUT_S = 2.0
WORKER_TIMEOUT_S = 1.0
QUEUES = ("default", "imports")

# Findings, and whether what comes next can be looked at.
Steps = Generator[Finding, None, bool]


def check_all() -> Iterable[Finding]:
    """Return the findings one after the other; blocks, for some seconds at most."""
    yield from check_machine()
    has_database = yield from check_database()
    if has_database:
        yield from check_accounts()
    has_redis = yield from check_redis()
    if has_redis:
        yield check_layer()
        yield from check_processes(has_database=has_database)
        yield check_workers()


def check_machine() -> Iterable[Finding]:
    """Return what is found of Python, its packages, limits, disk and page."""
    yield judge_python(sys.version_info[:3])
    yield judge_packages(_wrong_packages(settings.BASE_DIR / "requirements.lock"))
    if not settings.SECRET_KEY:
        cure = "set it to 50 random characters (.env.example); make run writes one"
        yield bad("SECRET_KEY", "not set", cure)
    if not settings.ALLOWED_HOSTS and not settings.DEBUG:
        cure = "name the hosts that clients use, ALLOWED_HOSTS=example.org"
        yield poor("ALLOWED_HOSTS", "empty: pages answer 400", cure)
    yield judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    journal = Path(settings.JOURNAL_DIR)
    folders = [settings.BASE_DIR, *(item for item in [journal] if item.exists())]
    for folder in dict.fromkeys(folders):
        usage = shutil.disk_usage(folder)
        yield judge_disk(str(folder), usage.free, usage.total)
    library = settings.BASE_DIR / "static" / "vendor"
    if not library.exists():
        cure = "python -m services page, then manage.py collectstatic"
        yield poor("page", "no chart library: the page has prices only", cure)


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


def check_redis() -> Steps:
    """Return what is found of Redis; True if it can be used."""

    async def ask() -> tuple[str, str, float]:
        client = redis_client(settings.REDIS_URL)
        try:
            info = await client.info()
            seconds, microseconds = await client.time()
            ahead_s = seconds + microseconds / 1e6 - time.time()
            return info["redis_version"], info.get("maxmemory_policy", ""), ahead_s
        finally:
            await client.aclose()

    try:
        version, policy, ahead_s = asyncio.run(ask())
    except (redis.exceptions.RedisError, OSError) as exc:
        cure = "is it running, and is REDIS_URL right? python -m services up"
        yield bad("redis", str(exc) or type(exc).__name__, cure)
        return False
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_REDIS:
        least = ".".join(map(str, MIN_REDIS))
        yield bad("redis", version, f"use Redis {least} or newer")
    elif policy not in ("", "noeviction"):
        cure = "set maxmemory-policy noeviction: queued imports are kept in it"
        yield poor("redis", f"{version}, {policy}", cure)
    else:
        yield good("redis", version)
    yield judge_clock("redis", ahead_s)
    return True


def check_layer() -> Finding:
    """Return whether a message comes back over the channel layers."""

    async def there_and_back(name: str) -> float:
        layer = get_channel_layer(name)
        group, came = f"md.doctor.{uuid4().hex}", asyncio.Event()
        await layer.listen(group, lambda message: came.set())
        started_s = time.perf_counter()
        try:
            async with asyncio.timeout(LAYER_TIMEOUT_S):
                await layer.group_send_many([(group, {"type": "doctor"})])
                await came.wait()
        finally:
            await layer.stop_listening(group)
        return time.perf_counter() - started_s

    async def both() -> float:
        return max([await there_and_back(name) for name in ("default", "control")])

    try:
        slowest_s = asyncio.run(both())
    except (redis.exceptions.RedisError, OSError) as exc:  # and TimeoutError
        cure = (
            "look at Redis; all processes need the same CHANNEL_PREFIX and SECRET_KEY"
        )
        return bad("channel layer", str(exc) or "nothing comes back", cure)
    return good("channel layer", f"there and back in {slowest_s * 1e3:.1f} ms")


def check_processes(*, has_database: bool) -> Iterable[Finding]:
    """Return what all processes answer, and whether enabled brokers' feeds do."""
    enabled = settings.BROKERS_ENABLED
    if has_database:
        enabled = load_enabled_brokers()
    asked = asyncio.run(ask_processes(get_channel_layer("control"), AskFigures))
    return judge_processes(asked.answers, asked.silent, frozenset(enabled))


def check_workers() -> Finding:
    """Return whether workers of both queues answer."""
    answers = (
        current_app.control.inspect(timeout=WORKER_TIMEOUT_S).active_queues() or {}
    )
    served = {queue["name"] for queues in answers.values() for queue in queues}
    missing = [queue for queue in QUEUES if queue not in served]
    if missing:
        found = f"none for {' and '.join(missing)}"
        cure = f"celery -A config worker --queues {','.join(missing)}"
        return poor("workers", f"{found}: imports in the background wait", cure)
    return good("workers", f"{len(answers)} running")


def _wrong_packages(lock: Path) -> list[str]:
    """Return what is not installed as the lock file says."""
    wrong = []
    for line in lock.read_text().splitlines():
        if not line[:1].isalnum():
            continue  # a comment, or a hash of the line before
        locked = Requirement(line.removesuffix("\\").strip())
        if locked.marker is not None and not locked.marker.evaluate():
            continue
        try:
            found = importlib.metadata.version(locked.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{locked.name} missing")
            continue
        if not locked.specifier.contains(found):
            wrong.append(f"{locked.name} {found}, not {locked.specifier}")
    return wrong
