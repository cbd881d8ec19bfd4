"""Asks Redis and all processes of the installation; `findings` judges."""

import asyncio
import time
from collections.abc import Iterable
from uuid import uuid4

import redis.exceptions
from celery import current_app
from channels.layers import get_channel_layer
from django.conf import settings
from kombu.exceptions import OperationalError as QueueError

from config.checkup.database import check_accounts, check_database
from config.checkup.findings import (
    MIN_REDIS,
    Finding,
    Steps,
    bad,
    good,
    judge_clock,
    judge_processes,
    poor,
)
from config.checkup.machine import check_machine
from marketdata.catalog_store import load_enabled_brokers
from marketdata.process_messages import AskFigures
from marketdata.process_talk import ask_processes
from marketdata.redis_pipe import redis_client

LAYER_TIMEOUT_S = 2.0
WORKER_TIMEOUT_S = 1.0
QUEUES = ("default", "imports")


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
    try:
        asked = asyncio.run(ask_processes(get_channel_layer("control"), AskFigures))
    except (redis.exceptions.RedisError, OSError) as exc:  # and TimeoutError
        found = f"they cannot be asked: {str(exc) or type(exc).__name__}"
        cure = "mend the channel layer first: processes are asked over it"
        return [bad("processes", found, cure)]
    return judge_processes(asked.answers, asked.silent, frozenset(enabled))


def check_workers() -> Finding:
    """Return whether workers of both queues answer."""
    inspect = current_app.control.inspect(timeout=WORKER_TIMEOUT_S)
    try:
        answers = inspect.active_queues() or {}
    except QueueError as exc:
        return bad("workers", str(exc), "look at Redis: the task queue is kept in it")
    served = {queue["name"] for queues in answers.values() for queue in queues}
    missing = [queue for queue in QUEUES if queue not in served]
    if missing:
        found = f"none for {' and '.join(missing)}"
        cure = f"celery -A config worker --queues {','.join(missing)}"
        return poor("workers", f"{found}: imports in the background wait", cure)
    return good("workers", f"{len(answers)} running")
