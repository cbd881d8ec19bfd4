import json

import msgspec
import pytest

from marketdata.broker_credentials import Credentials
from marketdata.clients import Client, Plan
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Opening, ServerFacts
from marketdata.effects import Authenticate, Follow, Join, Leave, Position, Send
from marketdata.exceptions import AuthFailed, BrokerAuthFailed
from marketdata.frames.unified import UNIFIED_ENCODING
from marketdata.records import Kind
from marketdata.sessions.unified import MAX_WAITING, UnifiedSession
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.marketdata.samples import NOW_US, catalog

FACTS = ServerFacts(
    server="3f9a0c21",
    heartbeat_s=30.0,
    max_frame_bytes=102_400,
    max_queue_bytes=1_048_576,
)
CLIENT = Client(plan=Plan(subscriptions=3))
CATALOG = catalog("binance", "oanda")
BTC_TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
BTC_TRADES = Topic(Kind.TRADE, "binance", "BTCUSDT")
BTC_BOOKS = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")
EUR_TICKS = Topic(Kind.TICK, "oanda", "EURUSD")


@pytest.fixture
def session() -> UnifiedSession:
    return open_session()


def open_session(client=CLIENT):
    return UnifiedSession(FACTS, Opening("/", {}, client))


def ask(session, **fields):
    return session.receive(json.dumps(fields), catalog=CATALOG, now_us=NOW_US)


def frame_of(effects) -> dict:
    """The only frame that the effects send."""
    (frame,) = [effect.frame for effect in effects if isinstance(effect, Send)]
    return json.loads(frame)


def reply_of(effects, positions=None) -> dict:
    (join,) = effects
    return json.loads(
        join.reply({topic: (positions or {}).get(topic) for topic in join.topics})
    )


def test_open_welcomes_once(session):
    assert frame_of(session.open(CATALOG)) == {
        "type": "status",
        "message": "Connected to Market Data Server",
        "server": "3f9a0c21",
        "protocol": 1,
        "limits": {
            "subscriptions": 3,
            "requests_per_s": 20,
            "since_days": 7,
            "frame_bytes": 102_400,
            "queue_bytes": 1_048_576,
        },
        "heartbeat_s": 30,
    }


def test_open_says_whole_seconds_without_a_fraction(session):
    (welcome,) = session.open(CATALOG)

    assert welcome.frame.endswith(b'"heartbeat_s":30}')


def test_subscribe_joins_the_topic_and_wants_its_snapshot(session):
    (join,) = ask(session, action="subscribe", symbols=["btc_usdt"])

    assert join.follows == (Follow(BTC_TICKS, UNIFIED_ENCODING, snapshot=True),)
    assert session.subscription_count == 1


def test_subscribe_reply_names_what_was_asked_and_where_it_is(session):
    effects = ask(session, action="subscribe", id=7, symbols=["eur_usd", "BTC/USDT"])

    reply = reply_of(effects, {BTC_TICKS: Position(217_000_000, 12)})

    assert reply == {
        "type": "status",
        "id": 7,
        "action": "subscribe",
        "message": "Subscribed to 2 topics",
        "accepted": [
            {
                "requested": "eur_usd",
                "broker": "oanda",
                "symbol": "EUR/USD",
                "type": "tick",
                "seq": None,
                "epoch": None,
                "recorded": False,
            },
            {
                "requested": "BTC/USDT",
                "broker": "binance",
                "symbol": "BTC/USDT",
                "type": "tick",
                "seq": 12,
                "epoch": "3l729s",
                "recorded": True,
            },
        ],
        "rejected": [],
    }


def test_subscribe_to_books_says_that_they_are_not_recorded(session):
    effects = ask(session, action="subscribe", symbols=["BTCUSDT"], types=["orderbook"])

    assert reply_of(effects)["accepted"][0]["recorded"] is False


def test_subscribe_with_types_joins_each(session):
    (join,) = ask(
        session, action="subscribe", symbols=["BTCUSDT"], types=["trade", "orderbook"]
    )

    assert join.topics == (BTC_TRADES, BTC_BOOKS)


def test_subscribe_with_some_bad_symbols_accepts_the_others(session):
    effects = ask(session, action="subscribe", symbols=["FOO", "BTCUSDT", "a b"])

    reply = reply_of(effects)
    assert reply["message"] == "Subscribed to 1 topic, 2 rejected"
    assert [item["requested"] for item in reply["accepted"]] == ["BTCUSDT"]
    assert reply["rejected"] == [
        {
            "requested": "FOO",
            "code": "UNKNOWN_SYMBOL",
            "message": "no instrument has the symbol 'FOO'",
        },
        {
            "requested": "a b",
            "code": "INVALID_FIELD",
            "message": "expected a symbol of 1 to 20 letters, digits, '/', '_', '.' "
            "or '-', found 'a b'",
        },
    ]


def test_subscribe_to_one_topic_in_two_spellings_joins_once(session):
    (join,) = ask(session, action="subscribe", symbols=["BTCUSDT", "btc/usdt"])

    assert join.topics == (BTC_TICKS,)
    reply = reply_of([join])
    assert [item["requested"] for item in reply["accepted"]] == ["BTCUSDT", "btc/usdt"]
    assert reply["message"] == "Subscribed to 1 topic"


def test_subscribe_again_is_accepted_without_another_snapshot(session):
    ask(session, action="subscribe", symbols=["BTCUSDT"])

    (join,) = ask(session, action="subscribe", symbols=["BTCUSDT"])

    assert join.follows == (Follow(BTC_TICKS, UNIFIED_ENCODING, snapshot=False),)
    assert session.subscription_count == 1


def test_subscribe_to_candles_follows_the_interval_and_price_asked_for(session):
    effects = ask(
        session,
        action="subscribe",
        symbols=["EURUSD"],
        types=["candle"],
        interval="4h",
        price="bid",
        since=1_704_153_600_000,
    )

    topic = Topic(Kind.CANDLE, "oanda", "EURUSD", Timeframe.H4, PriceSide.BID)
    (join,) = effects
    assert join.follows[0].topic == topic
    assert join.follows[0].since == 1_704_153_600_000
    (accepted,) = reply_of(effects)["accepted"]
    assert (accepted["interval"], accepted["price"]) == ("4h", "bid")


def test_subscribe_to_a_book_of_the_past_is_told_and_gets_a_snapshot(session):
    effects = ask(
        session,
        action="subscribe",
        symbols=["BTCUSDT"],
        types=["orderbook"],
        since=1_704_153_600_000,
        snapshot=False,
    )

    (join,) = effects
    assert join.follows == (Follow(BTC_BOOKS, UNIFIED_ENCODING, snapshot=True),)
    reply = reply_of(effects)
    assert reply["accepted"][0]["type"] == "orderbook"
    assert reply["rejected"][0]["code"] == "UNSUPPORTED_SINCE"


def test_subscribe_without_snapshot_wants_none(session):
    (join,) = ask(session, action="subscribe", symbols=["BTCUSDT"], snapshot=False)

    assert not join.follows[0].snapshot


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"symbols": ["FOO"]}, "UNKNOWN_SYMBOL", "no instrument has the symbol 'FOO'"),
        (
            {"symbols": ["BTCUSDT"], "broker": "zzz"},
            "UNKNOWN_BROKER",
            "expected one of binance, dukascopy, kraken, oanda, simulated, "
            "found broker 'zzz'",
        ),
        (
            {"symbols": ["BTCUSDT"], "broker": "kraken"},
            "NO_BROKER",
            "no enabled broker carries BTC/USDT",
        ),
        (
            {"symbols": ["EURUSD"], "types": ["candle"], "price": "trade"},
            "UNSUPPORTED_TYPE",
            "oanda has no trades of EUR/USD",
        ),
        (
            {"symbols": ["BTCUSDT"], "types": ["quote"]},
            "UNSUPPORTED_TYPE",
            "expected a type of tick, trade, orderbook, candle, found 'quote'",
        ),
    ],
)
def test_subscribe_with_all_rejected_is_an_error(session, fields, code, message):
    effects = ask(session, action="subscribe", id="x", **fields)

    requested = fields["symbols"][0]
    assert frame_of(effects) == {
        "type": "error",
        "id": "x",
        "code": code,
        "message": message,
        "rejected": [{"requested": requested, "code": code, "message": message}],
    }
    assert session.subscription_count == 0


def test_subscribe_over_the_limit_rejects_what_is_over(session):
    types = ["tick", "trade", "orderbook"]
    ask(session, action="subscribe", symbols=["BTCUSDT"], types=types)

    effects = ask(session, action="subscribe", symbols=["EURUSD", "BTCUSDT"])

    reply = reply_of(effects)
    assert [item["requested"] for item in reply["accepted"]] == ["BTCUSDT"]
    assert reply["rejected"] == [
        {
            "requested": "EURUSD",
            "code": "SUBSCRIPTION_LIMIT",
            "message": "expected at most 3 subscriptions",
        }
    ]


def test_unsubscribe_leaves_before_it_replies(session):
    ask(session, action="subscribe", symbols=["BTCUSDT", "EURUSD"])

    leave, send = ask(session, action="unsubscribe", id=1, symbols=["btc/usdt"])

    assert leave == Leave(((BTC_TICKS, UNIFIED_ENCODING),))
    assert json.loads(send.frame) == {
        "type": "status",
        "id": 1,
        "action": "unsubscribe",
        "message": "Unsubscribed from 1 topic",
        "accepted": [
            {
                "requested": "btc/usdt",
                "broker": "binance",
                "symbol": "BTC/USDT",
                "type": "tick",
            }
        ],
        "rejected": [],
    }
    assert session.subscription_count == 1


def test_unsubscribe_all_leaves_everything(session):
    ask(session, action="subscribe", symbols=["BTCUSDT", "EURUSD"])

    leave, _ = ask(session, action="unsubscribe", symbols="all")

    assert leave == Leave(
        ((BTC_TICKS, UNIFIED_ENCODING), (EUR_TICKS, UNIFIED_ENCODING))
    )
    assert session.subscription_count == 0


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({}, ()),
        ({"types": ["trade"]}, (BTC_TICKS,)),
        ({"broker": "Binance"}, ()),
        ({"broker": "kraken"}, (BTC_TICKS, BTC_TRADES)),
        ({"types": ["candle"], "interval": "1m"}, (BTC_TICKS, BTC_TRADES)),
    ],
)
def test_unsubscribe_with_filters_leaves_what_fits(session, filters, left):
    types = ["tick", "trade"]
    ask(session, action="subscribe", symbols=["BTCUSDT"], types=types)

    leave, _ = ask(session, action="unsubscribe", symbols=["BTCUSDT"], **filters)

    assert {BTC_TICKS, BTC_TRADES} - set(dict(leave.pairs)) == set(left)


def test_unsubscribe_from_what_is_not_followed_is_harmless(session):
    leave, send = ask(session, action="unsubscribe", symbols=["EURUSD"])

    assert leave == Leave(())
    assert json.loads(send.frame)["message"] == "Unsubscribed from 0 topics"


def test_unsubscribe_from_an_unknown_symbol_is_an_error(session):
    frame = frame_of(ask(session, action="unsubscribe", symbols=["FOO"]))

    assert (frame["type"], frame["code"]) == ("error", "UNKNOWN_SYMBOL")


def test_unsubscribe_works_after_the_instrument_was_removed(session):
    ask(session, action="subscribe", symbols=["BTCUSDT"])
    request = json.dumps({"action": "unsubscribe", "symbols": ["BTC/USDT"]})

    leave, _ = session.receive(request, catalog=type(CATALOG)([], []), now_us=NOW_US)

    assert leave == Leave(((BTC_TICKS, UNIFIED_ENCODING),))


def test_list_names_what_is_followed(session):
    ask(session, action="subscribe", symbols=["EURUSD"])

    assert frame_of(ask(session, action="list", id=2)) == {
        "type": "status",
        "action": "list",
        "id": 2,
        "subscriptions": [
            {
                "broker": "oanda",
                "symbol": "EUR/USD",
                "type": "tick",
                "delivery": "full",
            }
        ],
    }


def test_ping_is_answered_with_the_time_in_ms(session):
    assert frame_of(ask(session, action="ping", id="p")) == {
        "type": "pong",
        "id": "p",
        "timestamp": NOW_US // 1_000,
    }


def test_auth_of_a_good_key_gives_the_session_its_client(session):
    trader = Client("trader", Plan("desk", subscriptions=9))

    (effect,) = ask(session, action="auth", id=7, auth="key")

    assert effect.token == "key"
    assert frame_of(effect.answer(trader)) == {
        "type": "status",
        "id": 7,
        "action": "auth",
        "message": "Authenticated successfully",
    }
    assert session.client == trader


def test_auth_of_a_bad_key_is_an_error_and_changes_nothing(session):
    (effect,) = ask(session, action="auth", token="key")

    frame = frame_of(effect.answer(AuthFailed("Invalid authentication")))

    assert (frame["code"], frame["message"]) == (
        "INVALID_AUTH",
        "Invalid authentication",
    )
    assert session.client == CLIENT


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe", "list", "authenticate"])
def test_request_before_a_required_auth_is_refused(action):
    session = open_session(Client(is_required_to_auth=True))

    effects = ask(
        session,
        action=action,
        symbols=["BTCUSDT"],
        broker="binance",
        credentials={"a": "b"},
    )

    assert frame_of(effects)["code"] == "AUTH_REQUIRED"


def test_ping_before_a_required_auth_is_answered():
    session = open_session(Client(is_required_to_auth=True))

    assert frame_of(ask(session, action="ping"))["type"] == "pong"


def test_subscribe_to_what_the_plan_does_not_allow_is_rejected():
    plan = Plan("desk", symbols=frozenset({"EURUSD"}))
    session = open_session(Client("trader", plan))

    effects = ask(session, action="subscribe", symbols=["EURUSD", "BTCUSDT"])

    (rejected,) = reply_of(effects)["rejected"]
    assert (rejected["code"], rejected["message"]) == (
        "FORBIDDEN",
        "plan 'desk' does not allow BTC/USDT of binance",
    )


@pytest.mark.parametrize(
    ("delivery", "is_default", "conflate_ms"),
    [("full", True, None), ("conflate", False, 50), (None, False, None)]
    + [(None, True, 50)],
)
def test_subscribe_is_conflated_as_asked_or_as_the_plan_says(
    delivery, is_default, conflate_ms
):
    session = open_session(Client(plan=Plan(is_conflated=is_default)))

    (join,) = ask(
        session,
        action="subscribe",
        symbols=["BTCUSDT"],
        types=["tick", "trade"],
        delivery=delivery,
        conflate_ms=50,
    )

    # A print is never left out.
    assert [item.conflate_ms for item in join.follows] == [conflate_ms, None]


def private(session, **fields):
    """Ask for a private feed, and return the effect."""
    (effect,) = ask(
        session,
        **{"action": "authenticate", "broker": "oanda", "credentials": {"a": "b"}}
        | fields,
    )
    return effect


OWNED_EUR_TICKS = msgspec.structs.replace(EUR_TICKS, owner="0wner")


def test_authenticate_opens_a_private_feed_and_answers_once(session):
    effect = private(session, broker="OANDA", id=7)

    assert (effect.broker, effect.credentials) == ("oanda", Credentials({"a": "b"}))
    assert frame_of(effect.answer("0wner")) == {
        "type": "status",
        "id": 7,
        "action": "authenticate",
        "message": "Authenticated with oanda",
    }


def test_authenticate_that_failed_says_why_and_changes_nothing(session):
    error = BrokerAuthFailed("Authentication failed: no")

    answer = frame_of(private(session).answer(error))

    assert (answer["code"], answer["message"]) == ("BROKER_AUTH_FAILED", str(error))
    assert ask(session, action="subscribe", symbols=["EURUSD"])[0].topics == (
        EUR_TICKS,
    )


def test_authenticate_names_a_broker_that_exists_and_that_the_plan_allows(session):
    poor = open_session(Client(plan=Plan(brokers=frozenset({"binance"}))))

    assert frame_of([private(session, broker="zzz")])["message"] == (
        "Authentication failed: Unknown broker type: zzz"
    )
    assert frame_of([private(poor)])["code"] == "FORBIDDEN"


def test_authenticate_moves_what_is_followed_and_leads_what_comes(session):
    ask(session, action="subscribe", symbols=["EURUSD", "BTCUSDT"])

    _, leave, join = private(session).answer("0wner")

    assert leave == Leave(((EUR_TICKS, UNIFIED_ENCODING),))
    assert join.topics == (OWNED_EUR_TICKS,)
    assert join.reply({OWNED_EUR_TICKS: None}) is None
    (again,) = ask(session, action="subscribe", symbols=["EURUSD"], since=1)
    assert again.follows[0] == Follow(OWNED_EUR_TICKS, UNIFIED_ENCODING, False)
    listed = frame_of(ask(session, action="list"))["subscriptions"]
    assert [item.get("private") for item in listed] == [None, True]
    assert private(session).answer("0wner")[1:] == []


def test_authenticate_leaves_candles_public(session):
    private(session).answer("0wner")

    (join,) = ask(
        session, action="subscribe", symbols=["EURUSD"], types=["candle", "trade"]
    )

    assert [(item.kind, item.owner) for item in join.topics] == [
        (Kind.CANDLE, ""),
        (Kind.TRADE, "0wner"),
    ]


def test_authenticate_serves_a_broker_that_is_not_enabled(session):
    off = catalog("binance")

    def subscribe(**more):
        text = json.dumps({"action": "subscribe", "symbols": ["EURUSD"], **more})
        return session.receive(text, catalog=off, now_us=NOW_US)

    assert frame_of(subscribe())["code"] == "NO_BROKER"
    private(session).answer("0wner")

    assert subscribe()[0].topics == (OWNED_EUR_TICKS,)
    assert frame_of(subscribe(types=["candle"]))["code"] == "NO_BROKER"


def test_requests_wait_for_private_feeds_that_are_opened(session):
    first, second = private(session), private(session, broker="binance")

    assert ask(session, action="subscribe", symbols=["EURUSD"]) == []
    assert ask(session, action="list", id="l") == []
    assert frame_of(ask(session, action="ping"))["type"] == "pong"
    assert len(first.answer("0wner")) == 1
    _, join, listed = second.answer(BrokerAuthFailed("no"))

    assert join.topics == (OWNED_EUR_TICKS,)
    assert json.loads(listed.frame)["id"] == "l"


def test_requests_that_wait_are_limited(session):
    private(session)
    for _ in range(MAX_WAITING):
        ask(session, action="list")

    assert frame_of(ask(session, action="list"))["code"] == "RATE_LIMITED"


def test_bad_request_is_answered_with_its_id(session):
    frame = frame_of(ask(session, action="subscribe", id=9, symbols="EURUSD"))

    assert frame == {
        "type": "error",
        "id": 9,
        "code": "INVALID_FIELD",
        "message": "symbols: expected a list of texts, found 'EURUSD'",
    }


@pytest.mark.parametrize("count", [1, 500])
def test_reply_to_hostile_symbols_stays_far_below_the_queue(session, count):
    symbols = ['"\\' + "\x00" * 60] * count

    frame = frame_of(ask(session, action="subscribe", symbols=symbols))

    assert len(json.dumps(frame)) < 1_000 * count + 500


def test_error_frame_has_code_and_message(session):
    frame = json.loads(session.error(ErrorCode.TOO_SLOW, "text"))

    assert frame == {"type": "error", "code": "TOO_SLOW", "message": "text"}


def test_end_by_shutdown_says_when_to_come_back(session):
    close = session.end(
        CloseCode.GOING_AWAY, "Server shutting down", reconnect_ms=1_234
    )

    assert (close.code, close.reason) == (1001, "Server shutting down")
    assert json.loads(close.frame) == {
        "type": "status",
        "code": "SHUTDOWN",
        "reconnect_after_ms": 1_234,
        "message": "Server shutting down",
    }


@pytest.mark.parametrize("code", sorted(set(CloseCode) - {CloseCode.GOING_AWAY}))
def test_end_for_any_other_reason_sends_an_error(session, code):
    close = session.end(code, "text")

    assert close.code == code
    assert json.loads(close.frame)["type"] == "error"


def test_error_answers_the_request_by_its_id(session):
    frame = session.error(ErrorCode.RATE_LIMITED, "text", text='{"id":7}')

    assert json.loads(frame) == {
        "type": "error",
        "id": 7,
        "code": "RATE_LIMITED",
        "message": "text",
    }


def test_every_request_gets_one_frame(session):
    requests = ["subscribe", "unsubscribe", "list", "ping", "auth", "authenticate", "?"]
    for action in requests:
        effects = ask(session, action=action, symbols=["BTCUSDT"])

        replies = [
            item for item in effects if isinstance(item, Send | Join | Authenticate)
        ]
        assert len(replies) == 1
