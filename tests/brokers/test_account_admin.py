"""Stored accounts in the admin, and what uses them (COMPAT part d, check 54)."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from brokers import registry
from brokers.account_store import stored_credentials
from brokers.exceptions import AccountUnreadable
from brokers.models import BrokerAccount
from marketdata.broker_credentials import Credentials
from marketdata.instruments import load_instruments
from tests.brokers.line_broker import LineBroker, LineFeed, private_line_feed
from tests.brokers.processes import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = "/admin/brokers/brokeraccount/"
ACCOUNT = {"token": "token-of-the-desk", "accountId": "101-004-1234567-001"}
FORM = {"broker": "oanda", "is_active": "on", **ACCOUNT}


@pytest.fixture
def line_broker() -> Iterator[LineBroker]:
    """A broker that accepts ACCOUNT, in a thread of its own."""
    broker, started = LineBroker(), threading.Event()
    broker.prices[ACCOUNT["token"]] = 2.0
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with broker:
            started.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    yield broker
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture(autouse=True)
def adapter(monkeypatch: pytest.MonkeyPatch, line_broker: LineBroker) -> None:
    """The broker's adapter in OANDA's place."""
    load_instruments()
    adapter = registry.Adapter(
        lambda settings: LineFeed(line_broker.port, "environment", "environment"),
        lambda settings, credentials: private_line_feed(
            line_broker.port, credentials.reveal()
        ),
        ("token", "accountId"),
    )
    monkeypatch.setitem(registry._ADAPTERS, "oanda", adapter)


def browser_of(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def browser() -> Client:
    """A superuser's browser."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin"))
    return browser


def test_compat_check_54_credentials_are_write_only_and_encrypted(
    browser: Client,
) -> None:
    answer = browser.post(PAGES + "add/", FORM, follow=True)

    assert answer.status_code == 200
    row = BrokerAccount.objects.get()
    assert stored_credentials("oanda") == Credentials(ACCOUNT)
    bad = browser.post(f"{PAGES}oanda/change/", {"apiKey": "another-secret-key"})
    pages = [answer, bad] + [
        browser.get(PAGES + path)
        for path in ("", "oanda/change/", "oanda/history/", "oanda/delete/")
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM brokers_brokeraccount t")
        pages += [str(cursor.fetchall())]
        cursor.execute("SELECT t::text FROM django_admin_log t")
        pages += [str(cursor.fetchall())]
    for page in pages:
        text = page if isinstance(page, str) else page.content.decode()
        for secret in (*ACCOUNT.values(), "another-secret-key"):
            assert secret not in text
    assert b"Accounts of oanda have token, accountId" in bad.content
    assert row.encrypted not in pages[3].content.decode()


def test_compat_check_54_empty_fields_stay_and_others_are_replaced(
    browser: Client,
) -> None:
    browser.post(PAGES + "add/", FORM)

    browser.post(f"{PAGES}oanda/change/", {"token": "a-new-token-here"})
    changed = stored_credentials("oanda")
    row = BrokerAccount.objects.get()
    browser.post(f"{PAGES}oanda/change/", {"is_active": "on"})

    assert changed is None
    assert not row.is_active
    assert stored_credentials("oanda") == Credentials(
        ACCOUNT | {"token": "a-new-token-here"}
    )


def test_account_that_makes_no_sense_is_refused(browser: Client) -> None:
    empty = browser.post(PAGES + "add/", {"broker": "oanda"})
    other = browser.post(PAGES + "add/", FORM | {"broker": "dukascopy"})

    assert b"Enter the account" in empty.content
    assert b"dukascopy has no accounts" in other.content
    assert not BrokerAccount.objects.exists()


def test_compat_check_54_permissions_are_enforced(
    browser: Client, line_broker: LineBroker
) -> None:
    browser.post(PAGES + "add/", FORM)
    action = {"action": "test_connection", "_selected_action": "oanda"}
    clerk = browser_of("view_brokeraccount")

    page = clerk.get(f"{PAGES}oanda/change/")
    change = clerk.post(f"{PAGES}oanda/change/", {"token": "a-new-token-here"})
    clerk.post(PAGES, action)
    stranger = Client().get(PAGES)

    assert page.status_code == 200
    assert all(secret not in page.content.decode() for secret in ACCOUNT.values())
    assert change.status_code == 403
    assert line_broker.logins == []
    assert stranger.status_code == 302
    assert stored_credentials("oanda") == Credentials(ACCOUNT)


def test_compat_check_54_test_connection_asks_the_broker(
    browser: Client, line_broker: LineBroker
) -> None:
    browser.post(PAGES + "add/", FORM)
    action = {"action": "test_connection", "_selected_action": "oanda"}

    good = browser.post(PAGES, action, follow=True).content.decode()
    line_broker.prices.clear()
    bad = browser.post(PAGES, action, follow=True).content.decode()

    assert "oanda accepts the account." in good
    assert "oanda: the broker does not accept the credentials" in bad
    assert line_broker.logins == [tuple(ACCOUNT.values())[::-1]] * 2


def test_rotate_broker_keys_moves_all_and_names_the_unreadable(
    browser: Client, settings
) -> None:
    browser.post(PAGES + "add/", FORM)
    settings.BROKER_KEYS = [Fernet.generate_key().decode()]
    out = StringIO()

    call_command("rotate_broker_keys", stdout=out)

    settings.SECRET_KEY = "another"
    assert out.getvalue() == "1 accounts encrypted with the first key\n"
    assert stored_credentials("oanda") == Credentials(ACCOUNT)
    settings.BROKER_KEYS = []
    with pytest.raises(AccountUnreadable):
        stored_credentials("oanda")
    with pytest.raises(CommandError, match="accounts of oanda: enter them anew"):
        call_command("rotate_broker_keys", stdout=out)


def test_build_feed_uses_the_stored_account() -> None:
    feed = registry.build_feed("oanda", None, Credentials(ACCOUNT))
    without = registry.build_feed("oanda", None)

    assert feed._login == tuple(ACCOUNT.values())[::-1]
    assert without._login[0] == "environment"


def test_run_feed_uses_the_stored_account_in_place_of_the_environments(
    browser: Client, line_broker: LineBroker, prefix: str
) -> None:
    browser.post(PAGES + "add/", FORM)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.brokers.line_manage", "run_feed", "oanda"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "CHANNEL_PREFIX": prefix,
            "LINE_BROKER_PORT": str(line_broker.port),
        },
    )
    try:
        deadline = time.monotonic() + 20
        while not line_broker.logins:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.terminate()
        assert process.wait(15) == 0

    assert set(line_broker.logins) == {tuple(ACCOUNT.values())[::-1]}
