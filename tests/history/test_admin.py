"""Series in the admin: to look at, and to have candles refreshed."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from history import tasks
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import (
    T0_US,
    make_series,
    store,
    stored_candles,
    tick_columns,
)

pytestmark = pytest.mark.django_db

LIST = "admin:history_series_changelist"


@pytest.fixture
def series_id() -> int:
    """A series with one tick that no refresh has seen."""
    found = make_series()
    store(tick_columns(found, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))
    return found


@pytest.fixture
def client() -> Client:
    """A superuser's."""
    User.objects.create_superuser("root", password="x")
    client = Client()
    assert client.login(username="root", password="x")
    return client


@pytest.fixture
def queue(monkeypatch) -> list:
    """What was queued; a task runs at once."""
    queued = []

    class Queued:
        id = "task-1"

    def delay(*args: object, **kwargs: object) -> Queued:
        queued.append((args, kwargs))
        tasks.refresh_candles(*args, **kwargs)
        return Queued()

    monkeypatch.setattr(tasks.refresh_candles, "delay", delay)
    return queued


def act(client: Client, action: str, series_id: int) -> str:
    data = {"action": action, "_selected_action": [series_id]}
    return client.post(reverse(LIST), data, follow=True).content.decode()


def opens(series_id: int) -> list[float]:
    candles = stored_candles(series_id, Timeframe.M1, PriceSide.MID)
    return [candle[0] for candle in candles.values()]


def test_list_of_series_shows_their_statistics(client: Client, series_id: int) -> None:
    page = client.get(reverse(LIST)).content.decode()

    assert "EUR/USD" in page or "EURUSD" in page
    assert "2024-01-02 0" in page
    assert reverse("admin:history_series_add") not in page


def test_series_cannot_be_changed_or_deleted(client: Client, series_id: int) -> None:
    address = reverse("admin:history_series_change", args=[series_id])

    page = client.get(address).content.decode()

    assert '<input type="text"' not in page
    deleted = client.post(reverse("admin:history_series_delete", args=[series_id]))
    assert deleted.status_code == 403


def test_action_refreshes_the_chosen_series(
    client: Client, series_id: int, queue: list
) -> None:
    page = act(client, "refresh_candles", series_id)

    assert "Candles of 1 series are queued as task task-1" in page
    assert queue == [(([series_id],), {"rebuild": False})]
    assert opens(series_id) == [1.5]


def test_action_builds_candles_anew(
    client: Client, series_id: int, queue: list
) -> None:
    act(client, "refresh_candles", series_id)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE candles_1m SET open = 9")

    act(client, "refresh_candles", series_id)
    unchanged = opens(series_id)
    act(client, "rebuild_candles", series_id)

    assert (unchanged, opens(series_id)) == ([9.0], [1.5])


def test_action_without_a_queue_says_so(
    client: Client, series_id: int, monkeypatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.refresh_candles, "delay", fail)

    page = act(client, "refresh_candles", series_id)

    assert "The task queue failed: connection refused" in page


def test_action_needs_the_permission_to_change(series_id: int, queue: list) -> None:
    User.objects.create_user("guest", password="x", is_staff=True)
    guest = Client()
    guest.login(username="guest", password="x")

    act(guest, "refresh_candles", series_id)

    assert queue == []
