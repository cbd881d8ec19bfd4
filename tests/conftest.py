"""Fixtures of several apps' tests, and what each of pytest-xdist's workers is given."""

import os
import signal
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from execnet import XSpec
from pytest_django import DjangoDbBlocker

from tests.marketdata.private_redis import PrivateRedis, find_program
from tests.rest_client import RestClient

# A shell that starts us in the background has Ctrl-C ignored, and so have the commands
# that tests start and stop by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# They take longest, so they go first: no worker begins with one when the others end.
SLOWEST = (
    "benchmarks/test_chaos.py",
    "marketdata/test_web_processes.py",
    "brokers/test_run_feed.py",
    "brokers/test_run_feeds.py",
    "page/test_in_browser.py",
    "compat/private/test_private_feeds.py",
    "marketdata/test_slow_clients.py",
    "brokers/test_standby.py",
    "compat/test_load.py",
    "test_resume_soak.py",
    "importer/test_job_worker.py",
    "importer/test_killed_import.py",
    "marketdata/test_candle_building.py",
    "marketdata/test_serve.py",
    "marketdata/test_connection_memory.py",
)
# What migrations make and no test changes.
KEPT = {"django_content_type", "auth_permission"}
CREATES_PERMISSIONS = "django.contrib.auth.management.create_permissions"


@pytest.hookimpl(trylast=True)  # behind pytest-django, which sorts by use of databases
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest modules first."""
    places = {f"tests/{name}": place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[XSpec]) -> None:
    """Give each worker a Redis of its own; pytest-django gives it a database."""
    program = find_program()
    for spec in specs:
        redis = PrivateRedis(program)
        redis.start()
        config.add_cleanup(redis.kill)
        prefix = f"{settings.CHANNEL_PREFIX}-{spec.id}"
        spec.env.update(REDIS_URL=redis.url, CHANNEL_PREFIX=prefix)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """A database whose flush after a test is short, and that waits for no disk.

    To make content types and permissions anew took three quarters of a flush.
    """
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid=CREATES_PERMISSIONS)
    introspection = connection.introspection
    table_names = introspection.django_table_names

    def emptied(*args: object, **options: object) -> list[str]:
        return [name for name in table_names(*args, **options) if name not in KEPT]

    introspection.django_table_names = emptied
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
        connection.close()


@pytest.fixture(scope="session", autouse=True)
def journals(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Processes that tests start keep no journal in the source tree."""
    os.environ["JOURNAL_DIR"] = str(tmp_path_factory.mktemp("journal"))


@pytest.fixture
def rest() -> Iterator[RestClient]:
    """A client of REST; what it reads must be committed: use `transactional_db`."""
    client = RestClient()
    yield client
    client.close()
