import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.clients import Client, Plan
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Figures, Opening, ServerFacts
from marketdata.effects import Close, Follow, Join, Leave, Send
from marketdata.frames.stream import ChannelEncoding, StreamEncoding
from marketdata.frames.stream_names import FORMS
from marketdata.records import Kind
from marketdata.sessions.stream import COMBINED_STREAM, RAW_STREAM
from marketdata.topics import Topic
from tests.marketdata.samples import FOREIGN, NOW_US, catalog

FACTS = ServerFacts(
    server="3f9a0c21",
    heartbeat_s=30.0,
    max_frame_bytes=102_400,
    max_queue_bytes=1_048_576,
)
CLIENT = Client(plan=Plan(subscriptions=4))
CATALOG = catalog("binance", "oanda")
BTC_TRADES = Topic(Kind.TRADE, "binance", "BTCUSDT")
BTC_TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
BTC_BOOKS = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")
TATA = [
    Topic(Kind.FOREIGN, "redis", f"{kind}@TATA_INR")
    for kind in ("trade", "depth", "ticker")
]
TATA_NAMES = [topic.symbol for topic in TATA]
ACK = b'{"result":null,"id":1}'


def open_session(dialect=COMBINED_STREAM, path="/stream", client=CLIENT, **query):
    return dialect.new_session(FACTS, Opening(path, query, client))


@pytest.fixture
def session():
    return open_session()


def ask(session, method, params=None, **fields):
    request = {"method": method, "params": params, **fields}
    return session.receive(json.dumps(request), catalog=CATALOG, now_us=NOW_US)


def reply_of(join):
    return join.reply(dict.fromkeys(join.topics))


def combined(suffix):
    return StreamEncoding(FORMS[suffix], is_combined=True)


def raw(suffix):
    return StreamEncoding(FORMS[suffix], is_combined=False)


def error_of(effects):
    (send,) = effects
    return json.loads(send.frame)["error"]


# Connecting


def test_compat_56_nothing_is_sent_at_connect_and_as_heartbeat(session):
    assert session.open(CATALOG) == []
    assert session.heartbeat(NOW_US, Figures(0, 0, 0)) is None


def test_open_with_streams_in_the_query_follows_them_without_a_reply():
    session = open_session(streams="btcusdt@trade/trade@TATA_INR/nope@trade")

    (join,) = session.open(CATALOG)

    assert join.follows == (
        Follow(BTC_TRADES, combined("trade")),
        Follow(TATA[0], ChannelEncoding()),
    )
    assert reply_of(join) is None
    assert session.subscription_count == 3


@pytest.mark.parametrize(
    "path", ["/ws/btcusdt@trade", "/binance/ws/btcusdt@trade", "/ws/BTC_USDT@trade"]
)
def test_open_with_a_stream_in_the_path_follows_it_raw(path):
    (join,) = open_session(RAW_STREAM, path).open(CATALOG)

    assert join.follows == (Follow(BTC_TRADES, raw("trade")),)


@pytest.mark.parametrize("path", ["/binance/ws", "/binance/ws/someKeyOfAnAccount"])
def test_open_raw_without_a_stream_does_nothing(path):
    assert open_session(RAW_STREAM, path).open(CATALOG) == []


def test_open_with_a_bad_name_says_so_once_and_follows_nothing():
    session = open_session(streams="btcusdt@trade/internal")

    assert error_of(session.open(CATALOG)) == {
        "code": 2,
        "msg": "Invalid request: stream: expected <symbol>@<stream>, trade@<market>, "
        "depth@<market> or ticker@<market>, found 'internal'",
    }
    assert session.subscription_count == 0


def test_open_before_authentication_sends_nothing_by_itself():
    session = open_session(client=Client(is_required_to_auth=True))

    assert session.open(CATALOG) == []


# Subscribing


def test_compat_57_subscribing_to_channels_of_redis_forwards_what_was_published(
    session,
):
    (join,) = ask(session, "SUBSCRIBE", TATA_NAMES)

    assert [item.topic for item in join.follows] == TATA
    assert reply_of(join) is None
    frames = {
        item.encoding.data(FOREIGN, None, number=1, epoch="2k3x9")
        for item in join.follows
    }
    assert frames == {FOREIGN.payload}


def test_compat_57_subscribing_twice_is_one_copy(session):
    ask(session, "SUBSCRIBE", [TATA_NAMES[0], TATA_NAMES[0]])

    assert ask(session, "SUBSCRIBE", [TATA_NAMES[0]]) == []
    assert ask(session, "SUBSCRIBE", [TATA_NAMES[0]], id=1) == [Send(ACK)]
    assert session.subscription_count == 1


def test_compat_58_unsubscribing_of_three_removes_three(session):
    ask(session, "SUBSCRIBE", TATA_NAMES)

    (leave,) = ask(session, "UNSUBSCRIBE", TATA_NAMES)

    assert leave == Leave(tuple((topic, ChannelEncoding()) for topic in TATA))
    assert session.subscription_count == 0


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "null",
        '{"method":"SUBSCRIBE","id":null}',
        '{"method":"SUBSCRIBE","params":7,"id":null}',
        '{"method":7,"params":[],"id":null}',
        b"\x00\xff",
    ],
)
def test_compat_60_bad_frames_are_answered_by_an_error_and_change_nothing(
    session, text
):
    ask(session, "SUBSCRIBE", TATA_NAMES)

    (send,) = session.receive(text, catalog=CATALOG, now_us=NOW_US)

    frame = json.loads(send.frame)
    assert frame.keys() == {"error", "id"}
    assert frame["error"].keys() == {"code", "msg"}
    assert frame["id"] is None
    assert session.subscription_count == 3


@pytest.mark.parametrize("name", ["internal", "channel:trade:AAPL", "md.tick.binance"])
def test_compat_61_other_channels_of_redis_are_refused(session, name):
    effects = ask(session, "SUBSCRIBE", [TATA_NAMES[0], name], id=1)

    assert error_of(effects)["code"] == 2
    assert session.subscription_count == 0


def test_compat_61_a_channel_with_an_at_sign_is_unreachable(session):
    assert ask(session, "SUBSCRIBE", ["orders@TATA_INR"], id=1) == [Send(ACK)]


def test_compat_62_properties_ask_for_snapshots_and_numbers(session):
    ask(session, "SET_PROPERTY", ["seq", True])
    ask(session, "SET_PROPERTY", ["snapshot", True])

    (join,) = ask(session, "SUBSCRIBE", ["btcusdt@depth5", *TATA_NAMES])

    assert [item.snapshot for item in join.follows] == [True, True, False, True]
    assert {item.encoding.is_numbered for item in join.follows} == {True}


def test_subscribe_acknowledges_before_the_first_record(session):
    (join,) = ask(session, "SUBSCRIBE", ["btcusdt@trade"], id=1)

    assert reply_of(join) == ACK


def test_subscribe_does_not_begin_with_a_snapshot(session):
    (join,) = ask(session, "SUBSCRIBE", ["btcusdt@bookTicker", "trade@M"])

    assert [item.snapshot for item in join.follows] == [False, False]


def test_subscribe_to_two_streams_of_a_topic_follows_it_in_two_forms(session):
    (join,) = ask(session, "SUBSCRIBE", ["btcusdt@trade", "btcusdt@aggTrade"])

    assert join.topics == (BTC_TRADES,)
    assert [item.encoding for item in join.follows] == [
        combined("trade"),
        combined("aggTrade"),
    ]


def test_subscribe_in_two_spellings_is_one_stream(session):
    (join,) = ask(session, "SUBSCRIBE", ["btcusdt@trade", "BTC/USDT@trade"])

    assert len(join.follows) == 1
    assert session.subscription_count == 1


@pytest.mark.parametrize(
    "name", ["nopeusdt@trade", "btcusdt@kline_3m", "btcusdt@markPrice"]
)
def test_subscribe_to_what_has_no_data_is_acknowledged_and_silent(session, name):
    assert ask(session, "SUBSCRIBE", [name], id=1) == [Send(ACK)]
    assert session.subscription_count == 1


def test_subscribe_again_finds_an_instrument_that_has_come_since(session):
    request = json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@trade"]})
    session.receive(request, catalog=catalog(), now_us=NOW_US)

    (join,) = session.receive(request, catalog=CATALOG, now_us=NOW_US)

    assert join.topics == (BTC_TRADES,)
    assert session.subscription_count == 1


@pytest.mark.parametrize(
    ("name", "conflate_ms"),
    [
        ("btcusdt@depth5", 1_000),
        ("btcusdt@depth5@100ms", 100),
        ("btcusdt@bookTicker", None),
        ("btcusdt@trade", None),
        ("btcusdt@kline_1m", None),
        ("depth@M", None),
    ],
)
def test_subscribe_delivers_each_record_except_of_partial_depth(
    session, name, conflate_ms
):
    (join,) = ask(session, "SUBSCRIBE", [name])

    assert join.follows[0].conflate_ms == conflate_ms


@pytest.mark.parametrize(
    ("name", "conflate_ms"),
    [("btcusdt@bookTicker", 250), ("btcusdt@trade", None), ("btcusdt@depth5", 1_000)],
)
def test_subscribe_of_a_conflated_plan_conflates_book_tickers(name, conflate_ms):
    session = open_session(client=Client(plan=Plan(is_conflated=True)))

    (join,) = ask(session, "SUBSCRIBE", [name])

    assert join.follows[0].conflate_ms == conflate_ms


def test_subscribe_over_the_limit_changes_nothing(session):
    ask(session, "SUBSCRIBE", TATA_NAMES)

    effects = ask(session, "SUBSCRIBE", ["btcusdt@trade", "nope@trade"], id=7)

    (send,) = effects
    assert send == Send(
        b'{"error":{"code":2,"msg":"Invalid request: expected at most 4 subscriptions"}'
        b',"id":7}'
    )
    assert session.subscription_count == 3


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("btcusdt@trade", Plan("free", brokers=frozenset({"oanda"}))),
        ("btcusdt@trade", Plan("free", symbols=frozenset({"EURUSD", "btcusdt"}))),
        ("trade@TATA_INR", Plan("free", brokers=frozenset({"binance"}))),
        ("trade@TATA_INR", Plan("free", symbols=frozenset({"trade@TATA_INR"}))),
    ],
)
def test_subscribe_to_what_the_plan_does_not_allow_changes_nothing(name, plan):
    session = open_session(client=Client(plan=plan))

    effects = ask(session, "SUBSCRIBE", ["nope@trade", name], id=7)

    assert error_of(effects) == {
        "code": 4506,
        "msg": f"FORBIDDEN: plan 'free' does not allow {name}",
    }
    assert session.subscription_count == 0


def test_subscribe_to_a_market_that_the_plan_allows_joins():
    plan = Plan(brokers=frozenset({"redis"}), symbols=frozenset({"TATAINR"}))
    session = open_session(client=Client(plan=plan))

    (join,) = ask(session, "SUBSCRIBE", TATA_NAMES)

    assert list(join.topics) == TATA


def test_requests_before_authentication_are_refused():
    session = open_session(client=Client(is_required_to_auth=True))

    effects = ask(session, "SUBSCRIBE", ["btcusdt@trade"], id=1)

    assert effects == [
        Send(
            b'{"error":{"code":4501,"msg":"AUTH_REQUIRED: authentication required: '
            b'connect with ?token= or an Authorization header"},"id":1}'
        )
    ]
    assert session.subscription_count == 0


def test_open_before_authentication_refuses_the_streams_of_the_address():
    client = Client(is_required_to_auth=True)
    session = open_session(client=client, streams="btcusdt@trade")

    assert error_of(session.open(CATALOG))["code"] == 4501


# Unsubscribing, listing, properties


def test_unsubscribe_in_another_spelling_acknowledges_after_leaving(session):
    ask(session, "SUBSCRIBE", ["btcusdt@trade", "btcusdt@aggTrade"])

    effects = ask(session, "UNSUBSCRIBE", ["BTC_USDT@trade"], id=1)

    assert effects == [Leave(((BTC_TRADES, combined("trade")),)), Send(ACK)]
    assert session.subscription_count == 1


@pytest.mark.parametrize("name", ["btcusdt@trade", "nope@trade", "internal", ""])
def test_unsubscribe_from_what_is_not_followed_is_harmless(session, name):
    assert ask(session, "UNSUBSCRIBE", [name, name], id=1) == [Send(ACK)]


def test_unsubscribe_twice_in_a_request_leaves_once(session):
    ask(session, "SUBSCRIBE", ["btcusdt@trade"])

    effects = ask(session, "UNSUBSCRIBE", ["btcusdt@trade", "BTCUSDT@trade"])

    assert effects == [Leave(((BTC_TRADES, combined("trade")),))]


def test_list_names_what_is_followed_silent_ones_included(session):
    ask(session, "SUBSCRIBE", ["BTC/USDT@trade", "NOPE@trade", "trade@TATA_INR"])

    assert ask(session, "LIST_SUBSCRIPTIONS", id=3) == [
        Send(b'{"result":["btcusdt@trade","NOPE@trade","trade@TATA_INR"],"id":3}')
    ]


@pytest.mark.parametrize(
    ("dialect", "result"), [(COMBINED_STREAM, b"true"), (RAW_STREAM, b"false")]
)
def test_get_property_tells_the_form_of_the_path(dialect, result):
    effects = ask(open_session(dialect), "GET_PROPERTY", ["combined"], id=2)

    assert effects == [Send(b'{"result":' + result + b',"id":2}')]


def test_set_property_changes_the_form_without_losing_a_record(session):
    ask(session, "SUBSCRIBE", ["btcusdt@trade", "trade@TATA_INR", "nope@trade"])

    join, leave = ask(session, "SET_PROPERTY", ["combined", False], id=1)

    assert join.follows == (Follow(BTC_TRADES, raw("trade")),)
    assert reply_of(join) == ACK
    assert leave == Leave(((BTC_TRADES, combined("trade")),))
    assert ask(session, "UNSUBSCRIBE", ["btcusdt@trade"]) == [
        Leave(((BTC_TRADES, raw("trade")),))
    ]


def test_set_property_to_what_it_is_only_acknowledges(session):
    ask(session, "SUBSCRIBE", ["btcusdt@trade"])

    assert ask(session, "SET_PROPERTY", ["combined", True], id=1) == [Send(ACK)]
    assert ask(session, "SET_PROPERTY", ["combined", True]) == []


def test_set_property_seq_numbers_envelopes_of_both_kinds(session):
    ask(session, "SUBSCRIBE", ["btcusdt@bookTicker", "trade@TATA_INR"])

    join, leave = ask(session, "SET_PROPERTY", ["seq", True])

    assert [item.topic for item in join.follows] == [BTC_TICKS, TATA[0]]
    assert len(leave.pairs) == 2
    assert {item.encoding.is_numbered for item in join.follows} == {True}


# Errors and the end


def test_error_answers_the_request_it_is_given(session):
    frame = session.error(
        ErrorCode.RATE_LIMITED,
        "more than 20 requests/s",
        text='{"method":"LIST_SUBSCRIPTIONS","id":"a"}',
    )

    assert frame == (
        b'{"error":{"code":4006,"msg":"RATE_LIMITED: more than 20 requests/s"},'
        b'"id":"a"}'
    )


@pytest.mark.parametrize(
    ("text", "is_malformed"),
    [
        ("x", True),
        ('{"method":"FOO","id":1}', True),
        ('{"method":"SUBSCRIBE","params":7,"id":1}', False),
        ('{"method":"SUBSCRIBE","params":["internal"],"id":1}', False),
    ],
)
def test_receive_tells_what_is_no_request_at_all(session, text, is_malformed):
    (send,) = session.receive(text, catalog=CATALOG, now_us=NOW_US)

    assert send.is_malformed is is_malformed


def test_error_of_no_request_has_no_id(session):
    frame = session.error(ErrorCode.INTERNAL_ERROR, "Server error")

    assert json.loads(frame)["id"] is None


@pytest.mark.parametrize("code", CloseCode)
def test_end_sends_the_error_and_closes_with_the_common_code(session, code):
    assert session.end(code, "why", reconnect_ms=5) == Close(
        code, "why", b'{"error":{"code":%d,"msg":"why"}}' % code
    )


# Whatever comes

NAMES = st.sampled_from(
    ["btcusdt@trade", "eurusd@kline_1h", "trade@M", "nope@x", "internal", "", "@"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NAMES,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["method", "params", "id"]), inner)
    ),
    max_leaves=10,
)
REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(
            [
                "SUBSCRIBE",
                "UNSUBSCRIBE",
                "LIST_SUBSCRIPTIONS",
                "SET_PROPERTY",
                "GET_PROPERTY",
            ]
        )
    },
    optional={"params": st.lists(NAMES | JSON) | JSON, "id": JSON},
)


@given(
    st.lists((JSON | REQUESTS).map(json.dumps) | st.text() | st.binary(), max_size=5)
)
def test_receive_of_anything_never_raises_and_gives_one_answer_at_most(texts):
    session = open_session()
    followed = set()
    for text in texts:
        effects = session.receive(text, catalog=CATALOG, now_us=NOW_US)

        frames = [effect.frame for effect in effects if isinstance(effect, Send)]
        for effect in effects:
            if isinstance(effect, Join):
                followed |= {(item.topic, item.encoding) for item in effect.follows}
                frames += filter(None, [reply_of(effect)])
            elif isinstance(effect, Leave):
                assert followed.issuperset(effect.pairs)
                followed -= set(effect.pairs)
        assert len(frames) <= 1
        assert all(
            json.loads(frame).keys() <= {"error", "result", "id"} for frame in frames
        )
        assert session.subscription_count <= CLIENT.plan.subscriptions
    assert len(followed) <= session.subscription_count
