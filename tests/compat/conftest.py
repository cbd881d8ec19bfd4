"""Our processes on a Redis of their own, for checks from outside (COMPAT part d)."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from os import environ

import pytest
from django.core.management import call_command
from redis import Redis

from marketdata.instruments import load_instruments
from marketdata.models import ClientPlan
from tests.compat.channels import Channels
from tests.marketdata.private_redis import PrivateRedis, find_program
from tests.marketdata.server_process import (
    ROOT,
    ServerProcess,
    running_server,
    test_database_url,
)

PREFIX = "compat"
# Intervals that checks wait for, shortened; their defaults are asserted as values.
SETTINGS = {"HEARTBEAT_S": "0.5", "GROUP_GRACE_S": "0.3", "BROKERS_ENABLED": "binance"}
PROBE = "channel:trade:PROBE"
PLAN = "compat"

StartServer = Callable[..., AbstractContextManager[ServerProcess]]
StartFeed = Callable[..., AbstractContextManager[subprocess.Popen]]


@pytest.fixture(scope="module")
def private_redis() -> Iterator[PrivateRedis]:
    """A Redis where nobody else publishes, and which may be killed."""
    redis = PrivateRedis(find_program())
    redis.start()
    yield redis
    redis.kill()


@pytest.fixture(scope="module")
def database(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The address of a database as of a new installation, and a plan PLAN."""
    with django_db_blocker.unblock():
        load_instruments()
        ClientPlan.objects.create(name=PLAN, gateway_symbols=7)
        try:
            yield test_database_url()
        finally:
            # Feeds may have stored records, too.
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def environment(private_redis: PrivateRedis, database: str) -> dict[str, str]:
    """The settings that all processes share."""
    return {"DATABASE_URL": database, "REDIS_URL": private_redis.url, **SETTINGS}


@pytest.fixture(scope="module")
def start_server(environment: dict[str, str]) -> StartServer:
    """A function that starts our server, with settings of its own."""

    def start(**settings: str) -> AbstractContextManager[ServerProcess]:
        return running_server(PREFIX, **{**environment, **settings})

    return start


@pytest.fixture(scope="module")
def start_feed(environment: dict[str, str]) -> StartFeed:
    """A function that starts a broker's feed, with settings of its own."""

    @contextmanager
    def start(broker: str, **settings: str) -> Iterator[subprocess.Popen]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_feed", broker],
            cwd=ROOT,
            env={**environ, **environment, "CHANNEL_PREFIX": PREFIX, **settings},
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    return start


@pytest.fixture(scope="module")
def server(
    start_server: StartServer, feed: subprocess.Popen
) -> Iterator[ServerProcess]:
    """Our server, and beside it the feed of Redis channels."""
    with start_server() as process:
        yield process


@pytest.fixture(scope="module")
def feed(
    private_redis: PrivateRedis, start_feed: StartFeed
) -> Iterator[subprocess.Popen]:
    """`run_feed redis`, once it listens."""
    with start_feed("redis") as process:
        wait_for_listener(private_redis)
        yield process


def wait_for_listener(private_redis: PrivateRedis) -> None:
    """Return when somebody receives what is published on a channel of trades."""
    deadline = time.monotonic() + 60
    with Redis.from_url(private_redis.url) as redis:
        while not redis.publish(PROBE, "null"):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
async def channels(private_redis: PrivateRedis) -> AsyncIterator[Channels]:
    """Publishes as servers B and C do."""
    channels = Channels(private_redis.url)
    yield channels
    await channels.close()
