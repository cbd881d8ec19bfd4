"""Stored accounts in the admin, and what uses them (COMPAT part d, check 54)."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from brokers.account_store import stored_credentials
from brokers.exceptions import AccountUnreadable
from brokers.models import BrokerAccount
from marketdata.broker_credentials import Credentials
from marketdata.instruments import load_instruments
from tests.brokers.oanda_market import Login, OandaMarket, market_in_thread

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = "/admin/brokers/brokeraccount/"
LOGIN = Login("101-004-1234567-001", "key-of-the-desk")
ACCOUNT = {"apiKey": LOGIN.key, "accountId": LOGIN.account}
FORM = {"broker": "oanda", "is_active": "on", **ACCOUNT}


@pytest.fixture(autouse=True)
def oanda(settings: Any) -> Iterator[OandaMarket]:
    """OANDA, which knows LOGIN, and the settings that lead there."""
    load_instruments()
    with market_in_thread() as market:
        market.prices[LOGIN] = 2.0
        settings.OANDA_URL = market.address
        yield market


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
    bad = browser.post(f"{PAGES}oanda/change/", {"apiSecret": "another-secret-key"})
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
    assert b"Accounts of oanda have apiKey, accountId" in bad.content
    assert row.encrypted not in pages[3].content.decode()


def test_compat_check_54_empty_fields_stay_and_others_are_replaced(
    browser: Client,
) -> None:
    browser.post(PAGES + "add/", FORM)

    browser.post(f"{PAGES}oanda/change/", {"apiKey": "a-new-key-here"})
    changed = stored_credentials("oanda")
    row = BrokerAccount.objects.get()
    browser.post(f"{PAGES}oanda/change/", {"is_active": "on"})

    assert changed is None
    assert not row.is_active
    assert stored_credentials("oanda") == Credentials(
        ACCOUNT | {"apiKey": "a-new-key-here"}
    )


def test_account_that_makes_no_sense_is_refused(browser: Client) -> None:
    empty = browser.post(PAGES + "add/", {"broker": "oanda"})
    other = browser.post(PAGES + "add/", FORM | {"broker": "dukascopy"})
    half = browser.post(PAGES + "add/", FORM | {"accountId": ""})
    odd = browser.post(PAGES + "add/", FORM | {"apiKey": "a key of words"})

    assert b"Enter the account" in empty.content
    assert b"dukascopy has no accounts" in other.content
    assert b"OANDA account ID not configured" in half.content
    assert b"OANDA API key has characters that no API key has" in odd.content
    assert b"a key of words" not in odd.content
    assert not BrokerAccount.objects.exists()


def test_compat_check_54_permissions_are_enforced(
    browser: Client, oanda: OandaMarket
) -> None:
    browser.post(PAGES + "add/", FORM)
    action = {"action": "test_connection", "_selected_action": "oanda"}
    clerk = browser_of("view_brokeraccount")

    page = clerk.get(f"{PAGES}oanda/change/")
    change = clerk.post(f"{PAGES}oanda/change/", {"apiKey": "a-new-key-here"})
    clerk.post(PAGES, action)
    stranger = Client().get(PAGES)

    assert page.status_code == 200
    assert all(secret not in page.content.decode() for secret in ACCOUNT.values())
    assert change.status_code == 403
    assert oanda.logins == []
    assert stranger.status_code == 302
    assert stored_credentials("oanda") == Credentials(ACCOUNT)


def test_compat_check_54_test_connection_asks_the_broker(
    browser: Client, oanda: OandaMarket
) -> None:
    browser.post(PAGES + "add/", FORM)
    action = {"action": "test_connection", "_selected_action": "oanda"}

    good = browser.post(PAGES, action, follow=True).content.decode()
    oanda.prices.clear()
    bad = browser.post(PAGES, action, follow=True).content.decode()

    assert "oanda accepts the account." in good
    assert "oanda: the broker does not accept the credentials" in bad
    assert oanda.logins == [LOGIN] * 2


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
