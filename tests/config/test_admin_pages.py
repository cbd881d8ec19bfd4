"""The admin's pages that belong to no model: who sees what (COMPAT check 54)."""

import re
import subprocess
import sys
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from structlog.testing import capture_logs

from config.admin_look import NAVIGATION
from history.feed_gaps import FeedGapRow, store_feed_gaps
from marketdata import connections_page, process_figures
from marketdata.instruments import load_instruments
from marketdata.layers import MarketDataChannelLayer
from marketdata.models import Broker, Instrument
from marketdata.process_messages import ClientFigures, Closed
from marketdata.process_talk import Asked
from marketdata.records import Kind
from tests.history.storage import make_series
from tests.marketdata.server_process import ROOT

pytestmark = pytest.mark.django_db

FEEDS = "/admin/feeds/"
CONNECTIONS = "/admin/connections/"
DASHBOARD = "/admin/"
INSTRUMENTS = "/admin/marketdata/instrument/"


def browser_of(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create(username="clerk", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def boss() -> Client:
    """A superuser's browser; no password, for hashing is slow."""
    user = User.objects.create(username="boss", is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(user)
    return browser


def links(page: str) -> set[str]:
    return set(re.findall(r'href="(/admin/[^"?]*)"', page))


def test_every_entry_at_the_side_leads_somewhere(boss: Client) -> None:
    entries = [item for group in NAVIGATION for item in group["items"]]

    for entry in entries:
        page = boss.get(str(entry["link"]))

        assert page.status_code == 200, entry["title"]
        # All of it comes from this server.
        text = page.content.decode()
        assert re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//', text) == []


@pytest.mark.parametrize("address", [FEEDS, CONNECTIONS])
def test_compat_check_54_pages_need_their_permission(address: str) -> None:
    clerk = browser_of("view_instrument")

    assert clerk.get(address).status_code == 403
    assert clerk.post(address, {}).status_code == 403
    assert Client().get(address).status_code == 302


@pytest.mark.parametrize("address", [DASHBOARD, FEEDS, CONNECTIONS])
def test_compat_check_54_who_is_no_staff_is_sent_to_the_login(address: str) -> None:
    user = browser_of("view_feed", "view_connections", is_staff=False)

    answer = user.get(address)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")


def test_compat_check_54_who_may_look_may_not_switch_or_close() -> None:
    load_instruments()
    clerk = browser_of("view_feed", "view_connections")

    page = clerk.get(FEEDS).content.decode()
    switched = clerk.post(FEEDS, {"broker": "kraken", "switch": "on"})
    closed = clerk.post(CONNECTIONS, {"process": "x", "client": "1"})

    assert "Kraken" in page
    assert "aria-pressed" not in page
    assert switched.status_code == closed.status_code == 403
    assert Broker.objects.get(pk="kraken").is_enabled is None


@pytest.mark.parametrize(
    ("wish", "expected"), [("on", True), ("off", False), ("configured", None)]
)
def test_switch_is_stored_and_logged(
    boss: Client, wish: str, expected: bool | None
) -> None:
    load_instruments()
    Broker.objects.filter(pk="kraken").update(is_enabled=expected is None)

    page = boss.post(FEEDS, {"broker": "kraken", "switch": wish}, follow=True)

    assert Broker.objects.get(pk="kraken").is_enabled is expected
    assert f"Kraken: {wish}." in page.content.decode()
    assert LogEntry.objects.get().change_message == f"Feed: {wish}"


@pytest.mark.parametrize(
    "form",
    [
        {"broker": "kraken", "switch": "maybe"},
        {"broker": "dukascopy", "switch": "on"},
        {"broker": "nobody", "switch": "on"},
        {},
    ],
)
def test_switch_that_makes_no_sense_changes_nothing(
    boss: Client, form: dict[str, str]
) -> None:
    load_instruments()

    page = boss.post(FEEDS, form, follow=True)

    assert "There is no such feed." in page.content.decode()
    assert not Broker.objects.exclude(is_enabled=None).exists()


def test_client_of_a_process_that_is_gone_is_not_closed(boss: Client) -> None:
    form = {"process": "gone", "client": "1"}

    gone = boss.post(CONNECTIONS, form, follow=True).content.decode()

    assert "does not answer" in gone


@pytest.mark.parametrize("number", ["x", "", "-1", "9" * 19, "9" * 5_000])
def test_what_is_no_clients_number_is_refused(boss: Client, number: str) -> None:
    page = boss.post(CONNECTIONS, {"process": "x", "client": number}, follow=True)

    assert "That is no client." in page.content.decode()


def test_who_closed_a_client_is_logged(boss: Client, monkeypatch) -> None:
    client = ClientFigures(7, "192.0.2.7", "key:desk", *[""] * 3, *[0] * 6)
    asked = Asked([Closed("x", client)], 0)
    monkeypatch.setattr(connections_page, "ask", lambda question, timeout_s: asked)

    with capture_logs() as lines:
        boss.post(CONNECTIONS, {"process": "x", "client": "7"})

    (line,) = [item for item in lines if item["event"] == "client closed"]
    assert (line["by"], line["client"]) == ("boss", "key:desk")
    assert line["address"] == "192.0.2.7"


def test_pages_say_that_redis_is_away(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_instruments()
    away = MarketDataChannelLayer(hosts=["redis://127.0.0.1:1"], prefix="away")
    monkeypatch.setattr(process_figures, "get_channel_layer", lambda alias: away)
    monkeypatch.setattr(process_figures, "ANSWER_TIMEOUT_S", 0.05)

    for address in (DASHBOARD, FEEDS, CONNECTIONS):
        page = boss.get(address)

        assert page.status_code == 200
        assert "Redis does not answer" in page.content.decode()


def test_parts_are_read_anew_without_the_rest(boss: Client) -> None:
    for address in (FEEDS, CONNECTIONS):
        part = boss.get(address, headers={"HX-Request": "true"}).content.decode()

        assert part.lstrip().startswith("<div data-live>")
        assert "<html" not in part


def test_dashboard_shows_to_each_what_he_may_see(boss: Client) -> None:
    load_instruments()
    make_series("EURUSD", "simulated")
    gap = FeedGapRow("EURUSD", Kind.TICK, *_minute_ago(), "the line was cut")
    store_feed_gaps("simulated", [gap])
    clerk = browser_of("view_importjob")

    all_of_it = boss.get(DASHBOARD).content.decode()
    jobs_only = clerk.get(DASHBOARD).content.decode()

    assert "the line was cut" in all_of_it
    assert {FEEDS, CONNECTIONS} <= links(all_of_it)
    assert "Imports" in jobs_only
    assert "the line was cut" not in jobs_only
    assert "data-feed" not in jobs_only
    assert links(jobs_only) & {FEEDS, CONNECTIONS} == set()


def test_compat_check_54_symbols_are_edited_and_checked(boss: Client) -> None:
    load_instruments()
    eur = Instrument.objects.get(symbol="EURUSD")
    page = boss.get(f"{INSTRUMENTS}{eur.pk}/change/")
    form = _values(page)
    name = next(key for key, value in form.items() if value == "EUR_USD")

    bad = boss.post(f"{INSTRUMENTS}{eur.pk}/change/", form | {name: "EUR USD"})
    unchanged = eur.broker_symbols.filter(symbol="EUR_USD").exists()
    good = boss.post(f"{INSTRUMENTS}{eur.pk}/change/", form | {name: "EUR-USD.x"})

    assert "Letters and digits" in bad.content.decode()
    assert unchanged
    assert good.status_code == 302
    assert eur.broker_symbols.filter(symbol="EUR-USD.x").exists()


def test_compat_check_54_symbols_need_their_permission() -> None:
    load_instruments()
    eur = Instrument.objects.get(symbol="EURUSD")
    clerk = browser_of("view_instrument", "view_brokersymbol")

    page = clerk.get(f"{INSTRUMENTS}{eur.pk}/change/")
    answer = clerk.post(f"{INSTRUMENTS}{eur.pk}/change/", {"symbol": "XXXYYY"})

    assert page.status_code == 200
    assert 'name="symbol"' not in page.content.decode()
    assert answer.status_code == 403
    assert Instrument.objects.filter(symbol="EURUSD").exists()


def test_feeds_and_commands_start_without_the_admins_modules() -> None:
    text = (
        "import os, sys, django;"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings';"
        "django.setup();"
        "import brokers.management.commands.run_feed;"
        "print([name for name in sys.modules if name.endswith('.admin')"
        " and not name.startswith(('django', 'unfold'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")


def _minute_ago() -> tuple[int, int]:
    now_us = time.time_ns() // 1_000
    return now_us - 60_000_000, now_us - 30_000_000


def _values(page) -> dict[str, str]:
    """Return what the browser would send of a page's forms, unchanged."""
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    return {
        field.html_name: str(field.value())
        for form in forms
        for field in form
        if field.value() not in (None, False)
    }
