"""COMPAT check 30: what may be kept, for how long, and how a copy is asked about."""

import time

import pytest

from history.answer_cache import AnswerCache
from tests.history.factories import T0, fixture_quotes, make_instrument, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)

CLOSED = {"symbol": "EURUSD", "timeframe": "5m", "from": T0, "to": T0 + 3_599}


@pytest.fixture(autouse=True)
def ticks():
    """Check 27's ticks of EURUSD by dukascopy, with their candles."""
    store_quotes(fixture_quotes())


def tag_of(rest, **query):
    return rest.get("/api/candles", {**CLOSED, **query}).headers["ETag"]


def test_compat_check_30_tag_is_quoted_and_the_same_while_nothing_changes(rest):
    tag = tag_of(rest)

    assert tag.startswith('"')
    assert tag.endswith('"')
    assert tag_of(rest) == tag


def test_compat_check_30_tag_differs_after_one_more_tick_in_the_range(rest):
    tag = tag_of(rest)
    store_quotes([(T0 + 1_000.5, 1.2, 1.3)])

    assert tag_of(rest) != tag
    assert rest.get("/api/candles", CLOSED, If_None_Match=tag).status_code == 200


def test_compat_check_30_live_ticks_keep_the_tag_of_a_closed_range(rest):
    tag = tag_of(rest)
    store_quotes([(T0 + 9_000, 1.2, 1.3)])

    assert tag_of(rest) == tag


@pytest.mark.parametrize(
    "change",
    [
        {"timeframe": "1m"},
        {"price": "bid"},
        {"to": T0 + 3_000},
        {"fields": "full"},
        {"format": "csv"},
        {"limit": "5"},
        {"countback": "5"},
    ],
)
def test_compat_check_30_tags_of_different_answers_differ(rest, change):
    assert tag_of(rest, **change) != tag_of(rest)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_compat_check_30_not_modified_has_its_headers_and_no_candle_query(rest, form):
    tag = tag_of(rest)
    before = rest.statements

    answer = rest.get("/api/candles", CLOSED, If_None_Match=form.format(tag))

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == tag
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Accept" in answer.headers["Vary"]
    assert "Origin" in answer.headers["Vary"]
    assert rest.statements - before == 1


def test_compat_check_30_vary_names_origin_and_accept(rest):
    for address in ("/api/candles", "/api/metadata", "/api/symbols"):
        vary = rest.get(address).headers["Vary"]
        assert {"Accept", "Origin"} <= set(vary.split(", "))


def test_named_version_makes_a_closed_range_immutable(rest):
    version = rest.get("/api/metadata/EURUSD").json()["version"]

    named = rest.get("/api/candles", {**CLOSED, "v": version})
    older = rest.get("/api/candles", {**CLOSED, "v": "0.0"})

    assert named.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert older.headers["Cache-Control"] == "public, max-age=300"


def test_named_version_of_a_range_that_touches_now_is_not_immutable(rest):
    now = int(time.time())
    store_quotes([(now - 60, 1.1, 1.2)])
    version = rest.get("/api/metadata/EURUSD").json()["version"]

    answer = rest.get(
        "/api/candles", {**CLOSED, "from": now - 60, "to": now, "v": version}
    )

    assert answer.headers["Cache-Control"] == "no-cache"


def test_changes_that_wait_for_a_refresh_may_not_be_kept(rest):
    store_quotes([(T0 + 1_000.5, 1.2, 1.3)], refreshed=False)

    answer = rest.get("/api/candles", CLOSED)

    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/api/candles", {}),
        ("/api/candles", {"timeframe": "1s"}),
        ("/api/candles", {"from": T0 - 86_400 * 300, "timeframe": "1m"}),
        ("/api/ticks", {}),
        ("/api/ticks", {"format": "csv"}),
    ],
)
def test_empty_answer_has_no_tag_so_that_no_304_lets_it_be_kept(rest, address, query):
    empty = {**CLOSED, "from": T0 - 7_200, "to": T0 - 3_601, **query}
    full = {**CLOSED, "timeframe": "1h"}

    answer = rest.get(address, empty)

    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "ETag" in rest.get("/api/candles", full).headers


def test_repeated_closed_range_needs_no_candle_query(rest):
    first = rest.get("/api/candles", CLOSED)
    before = rest.statements

    second = rest.get("/api/candles", CLOSED)

    assert rest.statements - before == 1
    assert second.content == first.content
    assert second.headers == first.headers


def test_repeated_closed_range_in_the_other_form_has_its_own_next_page(rest):
    first = rest.get("/api/candles", {**CLOSED, "limit": 2})
    ends = {name: CLOSED[name] for name in ("from", "to")}

    second = rest.get("/api/candles/eurusd/5m", {**ends, "limit": 2})

    assert second.content == first.content
    assert second.headers["X-Next-Cursor"] == first.headers["X-Next-Cursor"]
    assert second.headers["Link"].startswith("</api/candles/eurusd/5m?from=")


def test_kept_answer_is_not_given_after_a_change(rest):
    first = rest.get("/api/candles", CLOSED)
    store_quotes([(T0 + 1_000.5, 1.2, 1.3)])

    assert rest.get("/api/candles", CLOSED).content != first.content


def test_kept_answer_is_not_given_with_other_decimals(rest):
    first = rest.get("/api/candles", CLOSED)
    instrument = make_instrument("EURUSD")
    instrument.decimals = 2
    instrument.save()

    assert rest.get("/api/candles", CLOSED).content != first.content


def test_answers_without_a_cache_are_the_same(rest):
    kept = [rest.get("/api/candles", CLOSED).content for _ in range(2)]
    rest.services.cache = AnswerCache(0)

    assert {*kept, rest.get("/api/candles", CLOSED).content} == {kept[0]}


def test_ticks_of_a_closed_range_are_not_modified_either(rest):
    asked = {"symbol": "EURUSD", "from": T0, "to": T0 + 60}
    first = rest.get("/api/ticks", asked)
    before = rest.statements

    again = rest.get("/api/ticks", asked, If_None_Match=first.headers["ETag"])

    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert (again.status_code, rest.statements - before) == (304, 1)
    store_quotes([(T0 + 30.5, 1.2, 1.3)])
    assert rest.get("/api/ticks", asked).headers["ETag"] != first.headers["ETag"]
