import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.clients import Client, Plan
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Figures, Opening, ServerFacts
from marketdata.effects import Close, Follow, Join, Leave, Send
from marketdata.frames.gateway import GATEWAY_ENCODING
from marketdata.records import Kind
from marketdata.sessions.gateway import gateway_dialect
from marketdata.topics import Topic
from tests.marketdata.samples import NOW_US, catalog

FACTS = ServerFacts(
    server="3f9a0c21",
    heartbeat_s=30.0,
    max_frame_bytes=102_400,
    max_queue_bytes=1_048_576,
)
CATALOG = catalog()
CONNECTION_ID = "5f0c2f0e-8a54-4a6c-9d0b-3c2a7a1b9e11"
NOW_MS = 1_704_153_600_123
DIALECT = gateway_dialect(lambda: CONNECTION_ID, lambda: NOW_US)
FIVE = ["AAPL", "GOOGL", "MSFT", "TSLA", "AMZN"]


def open_session(client=None):
    return DIALECT.new_session(FACTS, Opening("/gateway", {}, client or Client()))


@pytest.fixture
def session():
    return open_session()


def ask(session, **fields):
    return session.receive(json.dumps(fields), catalog=CATALOG, now_us=NOW_US)


def topic(symbol):
    return Topic(Kind.FOREIGN, "redis", f"trade:{symbol}")


def frame_of(effects) -> dict:
    """The only frame that the effects lead to."""
    (frame,) = [
        effect.reply(dict.fromkeys(effect.topics))
        if isinstance(effect, Join)
        else effect.frame
        for effect in effects
        if isinstance(effect, Send | Join)
    ]
    return json.loads(frame)


def test_compat_67_welcome_names_connection_server_and_limit(session):
    (send,) = session.open(CATALOG)

    assert send.frame == (
        b'{"type":"success","message":"Connected to WebSocket Gateway","data":'
        b'{"connectionId":"5f0c2f0e-8a54-4a6c-9d0b-3c2a7a1b9e11",'
        b'"serverId":"ws-gateway-3f9a0c21","maxSymbolsPerConnection":5},'
        b'"timestamp":1704153600123}'
    )


def test_compat_67_each_connection_has_an_id_of_its_own():
    numbers = iter("ab")
    dialect = gateway_dialect(lambda: next(numbers), lambda: NOW_US)
    opening = Opening("/gateway", {}, Client())

    sessions = [dialect.new_session(FACTS, opening) for _ in range(2)]

    ids = [frame_of(item.open(CATALOG))["data"]["connectionId"] for item in sessions]
    assert ids == ["a", "b"]


def test_compat_68_subscribe_follows_in_upper_case_and_in_order(session):
    ask(session, action="subscribe", symbols=["msft"])

    effects = ask(session, action="subscribe", symbols=["googl", "MSFT", "aapl"])

    (join,) = effects
    assert join.follows == (
        Follow(topic("GOOGL"), GATEWAY_ENCODING),
        Follow(topic("AAPL"), GATEWAY_ENCODING),
    )
    assert frame_of(effects) == {
        "type": "success",
        "message": "Successfully subscribed to 2 symbol(s)",
        "data": {
            "subscribed": ["GOOGL", "AAPL"],
            "currentSubscriptions": ["MSFT", "GOOGL", "AAPL"],
        },
        "timestamp": NOW_MS,
    }


def test_compat_68_subscribe_again_says_that_all_are_followed(session):
    ask(session, action="subscribe", symbols=["AAPL"])

    effects = ask(session, action="subscribe", symbols=["aapl"])

    assert isinstance(effects[0], Send)
    assert frame_of(effects) == {
        "type": "success",
        "message": "Already subscribed to all requested symbols",
        "data": {"subscribed": [], "currentSubscriptions": ["AAPL"]},
        "timestamp": NOW_MS,
    }


def test_compat_69_the_sixth_symbol_is_refused_and_nothing_changes(session):
    ask(session, action="subscribe", symbols=FIVE)

    effects = ask(session, action="subscribe", symbols=["NFLX", "AAPL"])

    assert frame_of(effects) == {
        "type": "error",
        "message": "Cannot subscribe: would exceed maximum of 5 symbols per "
        "connection. Currently subscribed to 5 symbols.",
        "timestamp": NOW_MS,
    }
    assert session.subscription_count == 5


def test_compat_69_all_or_nothing_is_subscribed(session):
    ask(session, action="subscribe", symbols=FIVE[:4])

    effects = ask(session, action="subscribe", symbols=["NFLX", "META"])

    assert frame_of(effects)["message"].endswith("subscribed to 4 symbols.")
    assert session.subscription_count == 4


def test_compat_69_one_symbol_in_two_cases_counts_once(session):
    ask(session, action="subscribe", symbols=["TSLA", "tsla"])

    assert session.subscription_count == 1


def test_compat_69_a_plan_raises_the_limit():
    session = open_session(Client(plan=Plan(gateway_symbols=7)))
    symbols = [*FIVE, "NFLX", "META"]

    effects = ask(session, action="subscribe", symbols=symbols)

    assert frame_of(effects)["data"]["subscribed"] == symbols
    welcome = frame_of(session.open(CATALOG))
    assert welcome["data"]["maxSymbolsPerConnection"] == 7


def test_compat_70_unsubscribe_names_what_is_gone_and_what_is_left(session):
    ask(session, action="subscribe", symbols=["AAPL", "MSFT", "TSLA"])

    effects = ask(session, action="unsubscribe", symbols=["tsla", "NFLX", "AAPL"])

    assert effects[0] == Leave(
        ((topic("TSLA"), GATEWAY_ENCODING), (topic("AAPL"), GATEWAY_ENCODING))
    )
    assert frame_of(effects) == {
        "type": "success",
        "message": "Successfully unsubscribed from 2 symbol(s)",
        "data": {"unsubscribed": ["TSLA", "AAPL"], "currentSubscriptions": ["MSFT"]},
        "timestamp": NOW_MS,
    }


def test_compat_70_unsubscribe_from_none_of_them_is_a_success(session):
    effects = ask(session, action="unsubscribe", symbols=["AAPL"])

    assert len(effects) == 1
    assert frame_of(effects) == {
        "type": "success",
        "message": "Not subscribed to any of the requested symbols",
        "data": {"unsubscribed": [], "currentSubscriptions": []},
        "timestamp": NOW_MS,
    }


def test_compat_70_ping_is_answered_by_a_pong(session):
    assert ask(session, action="ping") == [
        Send(b'{"type":"pong","timestamp":1704153600123}')
    ]


@pytest.mark.parametrize(
    ("text", "message", "is_malformed"),
    [
        ("null", "Invalid message format: missing action field", True),
        ('{"action":"foo"}', "Unknown action: foo", True),
        (
            '{"action":"subscribe","symbols":"AAPL"}',
            "Invalid subscribe message: symbols: expected a list of texts, "
            "found 'AAPL'",
            False,
        ),
    ],
)
def test_compat_71_errors_keep_the_session_as_it_is(
    session, text, message, is_malformed
):
    ask(session, action="subscribe", symbols=["AAPL"])

    effects = session.receive(text, catalog=CATALOG, now_us=NOW_US)

    assert frame_of(effects) == {
        "type": "error",
        "message": message,
        "timestamp": NOW_MS,
    }
    assert effects[0].is_malformed is is_malformed
    assert session.subscription_count == 1


def test_compat_71_what_went_wrong_inside_is_not_told(session):
    frame = session.error(ErrorCode.INTERNAL_ERROR, "KeyError: 'x'")

    assert json.loads(frame)["message"] == "Internal server error"


def test_compat_73_a_client_without_pongs_is_closed_in_server_cs_words(session):
    assert session.end(CloseCode.NO_PONG, "no pong for 60 s") == Close(
        1000,
        "Heartbeat timeout",
        b'{"type":"error","message":"Heartbeat timeout","timestamp":1704153600123}',
    )


def test_compat_75_shutdown_is_told_in_server_cs_words(session):
    assert session.end(CloseCode.GOING_AWAY, "bye", reconnect_ms=7) == Close(
        1001,
        "Server shutting down",
        b'{"type":"error","message":"Server shutting down","timestamp":1704153600123}',
    )


def test_end_for_another_reason_has_the_common_code(session):
    close = session.end(CloseCode.TOO_SLOW, "the client reads too slowly")

    assert (close.code, close.reason) == (4002, "the client reads too slowly")
    assert json.loads(close.frame)["message"] == "the client reads too slowly"


def test_error_begins_with_our_word(session):
    frame = session.error(ErrorCode.RATE_LIMITED, "more than 20/s", text="{}")

    assert json.loads(frame) == {
        "type": "error",
        "message": "RATE_LIMITED: more than 20/s",
        "timestamp": NOW_MS,
    }


def test_heartbeat_has_no_frame(session):
    assert session.heartbeat(NOW_US, Figures(1, 2, 3)) is None


def test_subscribe_to_what_the_plan_does_not_allow_changes_nothing():
    plan = Plan("free", symbols=frozenset({"AAPL"}))
    session = open_session(Client(plan=plan))

    effects = ask(session, action="subscribe", symbols=["AAPL", "MSFT"])

    assert frame_of(effects)["message"] == (
        "Cannot subscribe: plan 'free' does not allow MSFT"
    )
    assert session.subscription_count == 0


def test_subscribe_to_a_symbol_that_the_plan_spells_without_the_dot_joins():
    plan = Plan(symbols=frozenset({"BRKB"}), brokers=frozenset({"redis"}))
    session = open_session(Client(plan=plan))

    (join,) = ask(session, action="subscribe", symbols=["brk.b"])

    assert join.topics == (topic("BRK.B"),)


def test_requests_but_pings_are_refused_before_authentication():
    session = open_session(Client(is_required_to_auth=True))

    effects = ask(session, action="subscribe", symbols=["AAPL"])

    assert frame_of(effects)["message"] == (
        "AUTH_REQUIRED: authentication required: connect with ?token= or an "
        "Authorization header"
    )
    assert frame_of(ask(session, action="ping"))["type"] == "pong"
    assert frame_of(ask(session, action="foo"))["message"] == "Unknown action: foo"


# Whatever comes

SYMBOLS = st.text(max_size=12) | st.sampled_from([*FIVE, "aapl", "A:B", "ß", "*"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SYMBOLS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["action", "symbols"]), inner)
    ),
    max_leaves=10,
)
REQUESTS = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["subscribe", "unsubscribe", "ping"]),
        "symbols": st.lists(SYMBOLS, max_size=6) | JSON,
    }
)


@given(
    st.lists((JSON | REQUESTS).map(json.dumps) | st.text() | st.binary(), max_size=5)
)
def test_receive_of_anything_never_raises_and_gives_one_answer(texts):
    session = open_session()
    followed = set()
    for text in texts:
        effects = session.receive(text, catalog=CATALOG, now_us=NOW_US)

        frame = frame_of(effects)
        assert frame["type"] in ("success", "error", "pong")
        assert frame["timestamp"] == NOW_MS
        for effect in effects:
            if isinstance(effect, Join):
                followed |= {item.topic for item in effect.follows}
            elif isinstance(effect, Leave):
                followed -= {topic for topic, _ in effect.pairs}
        assert len(followed) == session.subscription_count <= 5
