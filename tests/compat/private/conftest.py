"""`serve`, `run_feed oanda` and a server that speaks OANDA's protocol, for all here."""

from collections.abc import Iterator
from threading import Thread

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from marketdata.instruments import load_instruments
from tests.brokers.oanda_market import OandaMarket, market_in_thread
from tests.compat.private.market import Market, running_market
from tests.compat.private.traders import OF_FILE, PRICES, PUBLIC
from tests.marketdata.private_redis import PrivateRedis, find_program
from tests.marketdata.server_process import test_database_url

SETTINGS = {
    "CHANNEL_PREFIX": "private-feeds",
    "ALLOWED_HOSTS": "127.0.0.1",
    "BROKERS_ENABLED": "oanda",
    "OANDA_ACCOUNT_ID": PUBLIC.account,
    "OANDA_API_KEY": PUBLIC.key,
    "OANDA_CONNECTS_PER_S": "200",
    "GROUP_GRACE_S": "0.3",
    "FEED_SILENT_S": "2.5",
    "LEASE_EXPIRY_S": "3",
    "CATALOG_REFRESH_S": "0.5",
    "RECONNECT_MIN_S": "0.02",
    "RECONNECT_MAX_S": "0.1",
    "RECORDER_FLUSH_S": "0.1",
    "STATISTICS_S": "1",
    "LOG_LEVEL": "DEBUG",
}
# The environment has other ones and wins.
CONFIG = f"""
brokers:
  - name: oanda
    apiKey: {OF_FILE.key}
    credentials: {{accountId: {OF_FILE.account}}}
"""


@pytest.fixture(scope="package")
def market_redis() -> Iterator[PrivateRedis]:
    """A Redis where nobody else is."""
    redis = PrivateRedis(find_program())
    redis.start()
    yield redis
    redis.kill()


@pytest.fixture(scope="package")
def market_database(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The address of a database as of a new installation; tests may write to it."""
    with django_db_blocker.unblock():
        load_instruments()
        try:
            yield test_database_url()
        finally:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="package")
def oanda() -> Iterator[OandaMarket]:
    """OANDA, which knows the accounts that have PRICES."""
    with market_in_thread() as market:
        market.prices |= PRICES
        yield market


@pytest.fixture(scope="package")
def market(
    market_redis: PrivateRedis,
    market_database: str,
    oanda: OandaMarket,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Market]:
    """`serve` and `run_feed oanda`."""
    folder = tmp_path_factory.mktemp("logs")
    file = folder / "config.yaml"
    file.write_text(CONFIG)
    environment = {
        **SETTINGS,
        "CONFIG_FILE": str(file),
        "DATABASE_URL": market_database,
        "REDIS_URL": market_redis.url,
        "OANDA_URL": oanda.address,
    }
    with running_market(folder, environment) as market:
        yield market


@pytest.fixture(scope="package")
def boss(market: Market) -> Client:
    """A superuser's browser; what it is shown are the pages of this process."""
    browser = Client()

    def log_in() -> None:
        browser.force_login(User.objects.create_superuser("boss"))
        connection.close()

    thread = Thread(target=log_in)  # outside of the transactions of tests
    thread.start()
    thread.join()
    return browser
