import json
import random
from collections import Counter

import pytest

from brokers.exceptions import MalformedFrame
from brokers.kraken.messages import (
    Alive,
    Ignored,
    IgnoredReason,
    Parsed,
    Refusal,
    SystemStatus,
    parse_frame,
)
from brokers.kraken.pairs import from_pair
from marketdata.records import Tick
from tests.brokers.kraken_server import PAIRS, recorded_frames, ticker_frame

RECEIVED_US = 1_700_000_009_000_001
KNOWN = {pair: from_pair(pair) for pair in PAIRS}


def parse(frame: str) -> Parsed:
    return parse_frame(frame.encode(), RECEIVED_US, KNOWN)


def test_parse_frame_ticker_gives_best_prices_and_their_sizes() -> None:
    assert parse(ticker_frame("XBT/CHF", 51000.5, 51001)) == Tick(
        broker="kraken",
        symbol="BTCCHF",
        time_us=RECEIVED_US,
        received_us=RECEIVED_US,
        bid=51000.5,
        ask=51001,
        bid_size=2.25,
        ask_size=1.5,
    )


def test_parse_frame_all_tickers_agree_with_their_json() -> None:
    kinds = Counter()

    for frame in recorded_frames():
        parsed, raw = parse(frame), json.loads(frame)
        kinds[type(parsed).__name__] += 1
        if isinstance(parsed, Tick):
            _, body, _, pair = raw
            assert parsed.symbol == pair.replace("XBT", "BTC").replace("/", "")
            assert (parsed.bid, parsed.bid_size) == (
                float(body["b"][0]),
                float(body["b"][2]),
            )
            assert (parsed.ask, parsed.ask_size) == (
                float(body["a"][0]),
                float(body["a"][2]),
            )

    assert kinds == {"Tick": 18, "Alive": 41, "SystemStatus": 1}


def test_parse_frame_all_trades_are_unknown_events() -> None:
    parsed = [parse(frame) for frame in recorded_frames("trade") if frame[0] == "["]

    assert parsed
    assert set(parsed) == {Ignored(IgnoredReason.UNKNOWN_EVENT, "")}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ('{"event":"heartbeat"}', Alive()),
        ('{"event":"pong","reqid":42}', Alive()),
        ('{"event":"systemStatus","status":"post_only"}', SystemStatus("post_only")),
        (
            '{"event":"subscriptionStatus","pair":"A/B","status":"error",'
            '"errorMessage":"Currency pair not supported A/B"}',
            Refusal("A/B", "Currency pair not supported A/B"),
        ),
        ('{"event":"new"}', Ignored(IgnoredReason.UNKNOWN_EVENT, "new")),
        ("{}", Ignored(IgnoredReason.UNKNOWN_EVENT, "")),
        ("[1,2,3]", Ignored(IgnoredReason.UNKNOWN_EVENT, "")),
        (ticker_frame("A/B", 1, 2), Ignored(IgnoredReason.UNKNOWN_SYMBOL, "A/B")),
        (ticker_frame("XBT/CHF", 0, 2), Ignored(IgnoredReason.NO_QUOTE, "BTCCHF")),
        (ticker_frame("XBT/CHF", 1, 0), Ignored(IgnoredReason.NO_QUOTE, "BTCCHF")),
    ],
)
def test_parse_frame_without_a_tick_tells_why(frame: str, expected: Parsed) -> None:
    assert parse(frame) == expected


def test_parse_frame_truncated_anywhere_is_malformed() -> None:
    for frame in recorded_frames() + recorded_frames("trade"):
        for end in range(len(frame)):
            with pytest.raises(MalformedFrame):
                parse(frame[:end])


def test_parse_frame_garbled_gives_a_record_or_is_malformed() -> None:
    chance = random.Random(1)

    for frame in recorded_frames() * 100:
        damaged = bytearray(frame.encode())
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            parsed = parse_frame(bytes(damaged), RECEIVED_US, KNOWN)
        except MalformedFrame:
            continue
        assert isinstance(parsed, Tick | Alive | Refusal | SystemStatus | Ignored)


@pytest.mark.parametrize("price", ["-1", "inf", "nan", "x", "", None, []])
def test_parse_frame_unusable_price_is_malformed(price: object) -> None:
    frame = json.loads(ticker_frame("XBT/CHF", 1, 2))
    frame[1]["b"][0] = price

    with pytest.raises(MalformedFrame):
        parse(json.dumps(frame))
