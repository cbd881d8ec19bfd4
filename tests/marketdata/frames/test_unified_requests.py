import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.broker_credentials import Credentials
from marketdata.exceptions import MarketDataError
from marketdata.frames.unified_requests import (
    Auth,
    Authenticate,
    ListSubscriptions,
    Ping,
    Resume,
    Subscribe,
    Unsubscribe,
    parse_request,
)
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe

NO_SYMBOLS = "symbols: expected a list of at least one symbol, found none"


def parse(**fields):
    return parse_request(json.dumps(fields))


def error_of(parsed) -> tuple[str, str]:
    assert isinstance(parsed.request, MarketDataError)
    return parsed.request.code, str(parsed.request)


def test_parse_subscribe_with_symbols_only_has_the_documented_defaults():
    parsed = parse(action="subscribe", symbols=["EUR/USD"])

    assert parsed.id is None
    assert parsed.request == Subscribe(
        symbols=("EUR/USD",),
        broker=None,
        types=(Kind.TICK,),
        interval=Timeframe.M1,
        price=PriceSide.MID,
        snapshot=True,
        since=None,
        conflate_ms=250,
    )


def test_parse_subscribe_with_every_field():
    parsed = parse(
        action="subscribe",
        symbols=["EUR/USD", "btcusdt"],
        broker="Oanda",
        types=["candle", "tick", "candle"],
        interval="1d",
        price="bid",
        snapshot=False,
        since={"epoch": "2k3x9", "seq": 4, "timestamp": 5},
        delivery="full",
        conflate_ms=100,
        id="a-7",
    )

    assert (parsed.id, parsed.action) == ("a-7", "subscribe")
    assert parsed.request == Subscribe(
        symbols=("EUR/USD", "btcusdt"),
        broker="Oanda",
        types=(Kind.CANDLE, Kind.TICK),
        interval=Timeframe.D1,
        price=PriceSide.BID,
        snapshot=False,
        since=Resume("2k3x9", 4, 5),
        is_conflated=False,
        conflate_ms=100,
    )


def test_parse_subscribe_with_null_fields_treats_them_as_absent():
    names = ("broker", "types", "interval", "price", "snapshot", "since", "id")

    parsed = parse(action="subscribe", symbols=["X"], **dict.fromkeys(names))

    assert parsed.request == Subscribe(symbols=("X",))


def test_parse_subscribe_keeps_unknown_types_for_the_reply():
    parsed = parse(action="subscribe", symbols=["X"], types=["tick", "quote"])

    assert parsed.request.types == (Kind.TICK, "quote")


def test_parse_unsubscribe_all():
    assert parse(action="unsubscribe", symbols="all").request == Unsubscribe(
        symbols=None
    )


def test_parse_unsubscribe_with_filters():
    parsed = parse(
        action="unsubscribe", symbols=["X"], broker="b", types=["trade"], price="ask"
    )

    assert parsed.request == Unsubscribe(
        symbols=("X",), broker="b", types=(Kind.TRADE,), price=PriceSide.ASK
    )


@pytest.mark.parametrize(
    ("fields", "request_"),
    [
        ({"action": "list"}, ListSubscriptions()),
        ({"action": "ping"}, Ping()),
        ({"action": "auth", "auth": "k"}, Auth("k")),
        ({"action": "auth", "token": "k"}, Auth("k")),
        (
            {"action": "authenticate", "broker": "b", "credentials": {"token": "t"}},
            Authenticate("b", Credentials({"token": "t"})),
        ),
    ],
)
def test_parse_other_actions(fields, request_):
    assert parse_request(json.dumps(fields)).request == request_


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("null", "expected an object, found null"),
        ("[]", "expected an object, found a list"),
        ("5", "expected an object, found 5"),
        ("true", "expected an object, found true"),
        ('"subscribe"', "expected an object, found 'subscribe'"),
        ("{}", "expected an action, found none"),
        ('{"action":null}', "expected an action, found none"),
        (b"{}", "expected a text frame, found a binary one"),
        ("[" * 10_000, "expected JSON, found too many levels of nesting"),
        ("", "expected JSON, found an error: Input data was truncated"),
    ],
)
def test_parse_what_is_no_request_is_an_invalid_message(text, found):
    parsed = parse_request(text)

    assert parsed.id is None
    assert error_of(parsed) == ("INVALID_MESSAGE", f"Invalid message format: {found}")


@pytest.mark.parametrize(
    "text", ["nope", "{", '{"action":"ping"}x', '{"a":"\\ud800xxxxxxxxxxx"}', "NaN"]
)
def test_parse_what_is_no_json_is_an_invalid_message(text):
    code, message = error_of(parse_request(text))

    assert code == "INVALID_MESSAGE"
    assert message.startswith("Invalid message format: expected JSON, found an error")


@pytest.mark.parametrize(
    ("action", "shown"), [("Zap", "'Zap'"), (5, "5"), ([], "a list")]
)
def test_parse_unknown_action_names_the_known(action, shown):
    parsed = parse(action=action, id=3)

    assert parsed.id == 3
    assert error_of(parsed) == (
        "UNKNOWN_ACTION",
        "Invalid message format: expected an action of subscribe, unsubscribe, list, "
        f"ping, auth, authenticate, found {shown}",
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("symbols", "EURUSD", "symbols: expected a list of texts, found 'EURUSD'"),
        (
            "symbols",
            None,
            "symbols: expected a list of at least one symbol, found none",
        ),
        ("symbols", [], "symbols: expected a list of at least one symbol, found none"),
        ("symbols", ["X", 5], "symbols[1]: expected a text, found 5"),
        ("symbols", {}, "symbols: expected a list of texts, found an object"),
        ("symbols", ["X"] * 501, "symbols: expected at most 500 items, found 501"),
        ("broker", 5, "broker: expected a text, found 5"),
        ("types", "tick", "types: expected a list of texts, found 'tick'"),
        ("types", [None], "types[0]: expected a text, found null"),
        (
            "interval",
            "2m",
            "interval: expected one of 1m, 5m, 15m, 1h, 4h, 12h, 1d, found '2m'",
        ),
        ("price", "last", "price: expected one of mid, bid, ask, trade, found 'last'"),
        ("snapshot", 1, "snapshot: expected true or false, found 1"),
        ("since", -1, "since: expected an integer of 0 to 9007199254740992, found -1"),
        (
            "since",
            True,
            "since: expected an integer of 0 to 9007199254740992, found true",
        ),
        ("since", {}, "since: expected epoch and seq, found only {}"),
        ("since", {"epoch": "a"}, "since: expected epoch and seq, found only epoch"),
        ("delivery", "x", "delivery: expected one of full, conflate, found 'x'"),
        ("conflate_ms", 0, "conflate_ms: expected an integer of 1 to 60000, found 0"),
        (
            "conflate_ms",
            1.5,
            "conflate_ms: expected an integer of 1 to 60000, found 1.5",
        ),
        (
            "id",
            {},
            "id: expected a text of at most 100 characters or an integer, "
            "found an object",
        ),
    ],
)
def test_parse_subscribe_with_a_bad_field_names_it(field, value, expected):
    fields = {"action": "subscribe", "symbols": ["X"], field: value}

    assert error_of(parse(**fields)) == ("INVALID_FIELD", expected)


@pytest.mark.parametrize("request_id", [2**64, -(2**64), "x" * 101, 1.5, True, []])
def test_parse_with_an_id_that_cannot_be_echoed_is_an_error(request_id):
    parsed = parse(action="ping", id=request_id)

    assert parsed.id is None
    assert error_of(parsed)[0] == "INVALID_FIELD"


@pytest.mark.parametrize("fields", [{}, {"auth": ""}, {"auth": 5}, {"token": None}])
def test_parse_auth_without_a_token_is_invalid_authentication(fields):
    parsed = parse(action="auth", **fields)

    assert error_of(parsed) == ("INVALID_AUTH", "Invalid authentication")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"broker": "x"},
        {"credentials": {"a": 1}},
        {"broker": "x", "credentials": {}},
    ],
)
def test_parse_authenticate_with_missing_fields(fields):
    parsed = parse(action="authenticate", **fields)

    assert error_of(parsed) == ("BROKER_AUTH_FAILED", "Missing broker or credentials")


def test_parse_authenticate_with_wrong_credentials_does_not_show_them():
    parsed = parse(action="authenticate", broker="x", credentials="s3cret")

    assert error_of(parsed)[0] == "INVALID_FIELD"
    assert "s3cret" not in error_of(parsed)[1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
field_names = st.sampled_from(
    ["symbols", "broker", "types", "interval", "price", "snapshot", "since", "id"]
)


@given(
    st.sampled_from(["subscribe", "unsubscribe", "ping", "auth", "authenticate", "x"]),
    st.dictionaries(field_names, json_values),
)
def test_parse_any_fields_is_a_request_or_an_error_with_a_short_text(action, fields):
    parsed = parse_request(json.dumps({"action": action, **fields}))

    assert not isinstance(parsed.request, MarketDataError) or (
        len(str(parsed.request)) < 250
    )


@given(st.text() | st.binary())
def test_parse_any_frame_never_raises(frame):
    parse_request(frame)
