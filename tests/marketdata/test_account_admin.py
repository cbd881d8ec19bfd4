import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from marketdata.account_store import DatabaseStore, ensure_plans
from marketdata.credentials import hash_api_key
from marketdata.models import ApiKey, ClientPlan

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = "/admin/marketdata/apikey/"
PLANS = "/admin/marketdata/clientplan/"


@pytest.fixture
def browser():
    """A superuser's browser."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin"))
    return browser


def made_key(answer) -> str:
    return re.search(r"mdk_[A-Za-z0-9_-]{43}", answer.content.decode())[0]


def test_key_is_shown_once_and_never_again(browser):
    ensure_plans()
    form = {"name": "desk", "plan": "anonymous", "is_active": "on"}

    answer = browser.post(KEYS + "add/", form)
    key = made_key(answer)

    row = ApiKey.objects.get()
    assert (row.name, row.prefix, row.hashed_key) == (
        "desk",
        key[:10],
        hash_api_key(key),
    )
    assert row.hashed_key in DatabaseStore().select_api_keys([hash_api_key(key)])
    assert "no-store" in answer.headers["Cache-Control"]
    for address in (KEYS, f"{KEYS}{row.pk}/change/", f"{KEYS}{row.pk}/history/"):
        page = browser.get(address).content.decode()
        assert key not in page
        assert row.hashed_key not in page
        assert "mdk_" in page or "history" in address
    assert key not in "".join(map(str, browser.cookies.values()))


def test_key_stays_the_same_when_its_row_is_changed(browser):
    ensure_plans()
    browser.post(KEYS + "add/", {"name": "desk", "plan": "anonymous"})
    before = ApiKey.objects.get()

    answer = browser.post(
        f"{KEYS}{before.pk}/change/",
        {"name": "desk 2", "plan": "anonymous", "is_active": "on"},
    )

    assert answer.status_code == 302
    after = ApiKey.objects.get()
    assert (after.name, after.is_active) == ("desk 2", True)
    assert after.hashed_key == before.hashed_key


def test_key_that_is_revoked_is_refused_and_its_row_stays(browser):
    ensure_plans()
    key = made_key(
        browser.post(
            KEYS + "add/", {"name": "desk", "plan": "anonymous", "is_active": "on"}
        )
    )
    row = ApiKey.objects.get()

    page = browser.post(
        KEYS, {"action": "revoke", "_selected_action": row.pk}, follow=True
    )

    assert "1 keys revoked" in page.content.decode()
    assert "revoked" in browser.get(KEYS).content.decode()
    assert DatabaseStore().select_api_keys([hash_api_key(key)]) == {}
    assert "Revoked." in browser.get(f"{KEYS}{row.pk}/history/").content.decode()


def test_who_may_only_look_revokes_no_key():
    ensure_plans()
    user = User.objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    browser = Client()
    browser.force_login(user)
    row = ApiKey.objects.create(name="desk", plan_id="anonymous", hashed_key="0")

    browser.post(KEYS, {"action": "revoke", "_selected_action": row.pk})

    assert browser.get(KEYS).status_code == 200
    assert ApiKey.objects.get().is_active is True


def test_key_of_a_name_that_is_taken_is_refused(browser):
    ensure_plans()
    form = {"name": "desk", "plan": "anonymous"}
    browser.post(KEYS + "add/", form)

    answer = browser.post(KEYS + "add/", form)

    assert b"with this Name already exists" in answer.content
    assert ApiKey.objects.count() == 1


def test_plan_takes_lists_and_keeps_its_name(browser):
    ensure_plans()
    page = browser.get(PLANS + "anonymous/change/")
    form = {
        name: field.value() or ""
        for name, field in zip(
            page.context["adminform"].form.fields,
            page.context["adminform"].form,
            strict=True,
        )
        if not isinstance(field.value(), bool)
    }

    answer = browser.post(
        PLANS + "anonymous/change/",
        {**form, "brokers": "binance,dukascopy", "symbols": "EURUSD", "name": "x"},
    )

    assert answer.status_code == 302
    plan = DatabaseStore().select_plans()["anonymous"]
    assert plan.brokers == {"binance", "dukascopy"}
    assert plan.symbols == {"EURUSD"}


def test_plan_with_a_wrong_list_is_refused(browser):
    ensure_plans()
    fields = ClientPlan._meta.get_fields()
    form = {item.name: getattr(item, "default", "") for item in fields}
    form |= {"name": "pro", "brokers": "", "symbols": "EURUSD,eur/usd"}

    answer = browser.post(
        PLANS + "add/", {k: v for k, v in form.items() if k != "keys"}
    )

    assert b"Item 2 in the array did not validate" in answer.content
    assert not ClientPlan.objects.filter(name="pro").exists()


def test_plan_that_keys_have_is_not_deleted(browser):
    ensure_plans()
    browser.post(KEYS + "add/", {"name": "desk", "plan": "anonymous"})

    browser.post(PLANS + "anonymous/delete/", {"post": "yes"})

    assert ClientPlan.objects.count() == 1


def test_staff_without_permission_sees_no_keys():
    browser = Client()
    browser.force_login(User.objects.create_user("anna", is_staff=True))

    assert browser.get(KEYS).status_code == 403
    assert browser.get(KEYS + "add/").status_code == 403
