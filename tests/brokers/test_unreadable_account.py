"""An account that no key decrypts: no other is used in its place, from outside."""

import asyncio

import pytest
from cryptography.fernet import Fernet
from django.db import connections

from brokers.account_cipher import AccountCipher
from brokers.account_store import cipher
from brokers.models import BrokerAccount
from marketdata.broker_credentials import Credentials
from marketdata.models import Broker
from tests.brokers.oanda_market import Login, login_of
from tests.brokers.oanda_server import ACCOUNT, KEY, OandaServer
from tests.brokers.processes import manage
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

DESK = Login("101-004-7654321-001", "key-of-the-desk")
CREDENTIALS = Credentials({"accountId": DESK.account, "apiKey": DESK.key})


def store(cipher: AccountCipher) -> None:
    try:
        Broker.objects.get_or_create(name="oanda")
        BrokerAccount.objects.update_or_create(
            broker_id="oanda", defaults={"encrypted": cipher.encrypt(CREDENTIALS)}
        )
    finally:
        connections.close_all()


async def test_feed_uses_no_other_account_until_the_stored_one_is_readable(
    instruments: int, prefix: str
) -> None:
    lost = AccountCipher([Fernet.generate_key().decode()], "a secret that was changed")
    await asyncio.to_thread(store, lost)
    async with OandaServer() as oanda:
        settings = {
            "CHANNEL_PREFIX": prefix,
            "OANDA_URL": oanda.address,
            "OANDA_ACCOUNT_ID": ACCOUNT,
            "OANDA_API_KEY": KEY,
            "CATALOG_REFRESH_S": "0.2",
            "RECONNECT_MIN_S": "0.1",
            "RECONNECT_MAX_S": "0.2",
        }
        async with manage("run_feed", "oanda", **settings) as feed:
            await until(lambda: "code=BROKER_AUTH_FAILED" in feed.log, timeout_s=20)
            assert "to read the stored account; found none that does" in feed.log
            assert oanda.requests == []

            await asyncio.to_thread(store, cipher())
            await until(lambda: oanda.requests, timeout_s=20)

            assert {login_of(item) for item in oanda.requests} == {DESK}
            assert await feed.stop() == 0, feed.log
