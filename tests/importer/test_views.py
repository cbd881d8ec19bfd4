import time

import pytest
from django.utils import timezone
from msgspec import structs

from history.feed_gaps import FeedGapRow, store_feed_gaps
from history.feed_states import FeedStateRow, store_feed_state
from history.series import get_or_create_series
from history.timestamps import to_datetime
from importer.models import HourState, ImportHour
from marketdata.records import Kind
from tests.history.factories import T0, make_instrument, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3_600
S = 1_000_000


@pytest.fixture
def series():
    """Two hours of EURUSD in the ledger: one stored, one failed."""
    series = store_quotes([(T0, 1.1, 1.2)])
    for hour, state, rows in ((0, HourState.STORED, 1), (1, HourState.FAILED, 0)):
        ImportHour.objects.create(
            series_id=series.pk,
            hour=to_datetime((T0 + hour * HOUR) * 1_000_000),
            state=state,
            rows=rows,
            imported_at=timezone.now(),
        )
    return series


@pytest.mark.usefixtures("series")
def test_coverage_has_every_hour_that_touches_the_range_and_the_gaps(rest):
    answer = rest.get(
        "/api/coverage", {"symbol": "eur/usd", "from": T0 + 60, "to": T0 + 2 * HOUR + 1}
    )

    assert answer.headers["X-Broker"] == "dukascopy"
    assert answer.json() == {
        "symbol": "EURUSD",
        "broker": "dukascopy",
        "hours": [
            {"hour": T0, "state": "stored", "rows": 1},
            {"hour": T0 + HOUR, "state": "failed", "rows": 0},
            {"hour": T0 + 2 * HOUR, "state": "missing", "rows": 0},
        ],
        "gaps": [
            {"from": T0 + HOUR, "to": T0 + 2 * HOUR, "reason": "failed"},
            {"from": T0 + 2 * HOUR, "to": T0 + 3 * HOUR, "reason": "missing"},
        ],
    }


def test_coverage_of_a_live_broker_is_what_its_candles_hold(rest):
    store_quotes([(T0, 1.1, 1.2), (T0 + 1, 1.1, 1.2)], broker="oanda")

    answer = rest.get(
        "/api/coverage",
        {"symbol": "EURUSD", "broker": "oanda", "from": T0, "to": T0 + HOUR},
    )

    assert answer.json()["hours"] == [{"hour": T0, "state": "stored", "rows": 2}]


def test_coverage_of_a_live_broker_has_the_gaps_of_its_feed(rest):
    store_quotes([(T0, 1.1, 1.2), (T0 + 60, 1.1, 1.2)], broker="oanda")
    gap = FeedGapRow(
        "EURUSD", Kind.TICK, T0 * S + 1, (T0 + 59) * S + 1, "connection lost"
    )
    later = structs.replace(gap, from_us=(T0 + 2 * HOUR) * S, to_us=(T0 + 9 * HOUR) * S)
    store_feed_gaps("oanda", [later, gap])

    answer = rest.get(
        "/api/coverage",
        {"symbol": "EURUSD", "broker": "oanda", "from": T0, "to": T0 + HOUR},
    )

    assert answer.json()["hours"] == [{"hour": T0, "state": "stored", "rows": 2}]
    assert answer.json()["gaps"] == [
        {"from": T0, "to": T0 + 60, "reason": "connection lost", "type": "tick"}
    ]


@pytest.mark.usefixtures("series")
def test_coverage_is_of_the_last_30_days_by_default(rest):
    assert len(rest.get("/api/coverage?symbol=EURUSD").json()["hours"]) == 30 * 24 + 1


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "symbol"),
        ("?symbol=EURUSD&from=abc", "from"),
        (f"?symbol=EURUSD&from={T0}&to={T0}", ""),
        (f"?symbol=EURUSD&from=0&to={T0}", ""),
    ],
)
def test_coverage_checks_what_it_is_asked(rest, query, field):
    answer = rest.get(f"/api/coverage{query}")

    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == field


@pytest.mark.usefixtures("series")
def test_coverage_of_unknown_symbol_or_broker_is_not_found(rest):
    for query, code in (
        ("symbol=XXXYYY", "SYMBOL_NOT_FOUND"),
        ("symbol=EURUSD&broker=kraken", "UNKNOWN_BROKER"),
    ):
        answer = rest.get(f"/api/coverage?{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.parametrize(
    ("state", "age_s", "expected"),
    [("live", 1, "live"), ("live", 60, "silent"), ("stopped", 60, "stopped")],
)
def test_coverage_tells_the_state_of_a_live_feed(rest, state, age_s, expected):
    store_quotes([(T0, 1.1, 1.2)], broker="oanda")
    seen = int(time.time()) - age_s
    row = FeedStateRow(state, (seen - 9) * S, seen * S, (seen - 3) * S)
    store_feed_state("oanda", row, guard=lambda cursor: None)

    body = rest.get("/api/coverage", {"symbol": "EURUSD", "broker": "oanda"}).json()

    assert body["feed"] == {
        "state": expected,
        "since": seen if expected == "silent" else seen - 9,
        "live_until": seen - 3,
    }


def test_coverage_of_what_a_broker_carries_and_nothing_is_stored_of(rest):
    make_instrument(spellings={"dukascopy": "EURUSD"})
    friday = 1_704_488_400  # 2024-01-05T21:00:00Z, the market closes at 22:00

    answer = rest.get(
        "/api/coverage",
        {
            "symbol": "EURUSD",
            "broker": "dukascopy",
            "from": friday,
            "to": friday + 2 * HOUR,
        },
    )

    assert answer.json() == {
        "symbol": "EURUSD",
        "broker": "dukascopy",
        "hours": [
            {"hour": friday, "state": "missing", "rows": 0},
            {"hour": friday + HOUR, "state": "closed", "rows": 0},
        ],
        "gaps": [{"from": friday, "to": friday + HOUR, "reason": "missing"}],
    }
    assert rest.statements == 2


def test_coverage_of_a_series_of_which_every_hour_failed(rest):
    make_instrument(spellings={"dukascopy": "EURUSD"})
    series = get_or_create_series("EURUSD", "dukascopy")
    ImportHour.objects.create(
        series_id=series.pk,
        hour=to_datetime(T0 * S),
        state=HourState.FAILED,
        imported_at=timezone.now(),
    )

    answer = rest.get(
        "/api/coverage",
        {"symbol": "EURUSD", "broker": "dukascopy", "from": T0, "to": T0 + HOUR},
    )

    assert answer.json()["hours"] == [{"hour": T0, "state": "failed", "rows": 0}]


@pytest.mark.parametrize("broker", ["", "&broker=oanda"])
def test_coverage_of_what_the_broker_does_not_carry_is_refused(rest, broker):
    make_instrument(spellings={"dukascopy": "EURUSD"})

    answer = rest.get(f"/api/coverage?symbol=EURUSD{broker}")

    assert answer.json()["code"] == "SYMBOL_NOT_FOUND"
