import json
import random
from collections import Counter

import pytest

from brokers.exceptions import MalformedFrame
from brokers.oanda.messages import (
    Heartbeat,
    Ignored,
    IgnoredReason,
    parse_line,
    parse_time_us,
)
from marketdata.records import Tick
from tests.brokers.oanda_server import recorded_lines, shape_lines

RECEIVED_US = 1_700_000_009_000_001
KNOWN = {"EUR_USD": "EURUSD", "EUR_JPY": "EURJPY", "USD_JPY": "USDJPY"}


def parse(line: bytes) -> Tick | Heartbeat | Ignored:
    return parse_line(line, RECEIVED_US, KNOWN)


def test_parse_line_unsorted_levels_gives_the_best_with_their_liquidity() -> None:
    assert parse(shape_lines()[0]) == Tick(
        broker="oanda",
        symbol="EURUSD",
        time_us=1_700_000_000_123_456,
        received_us=RECEIVED_US,
        bid=1.08503,
        ask=1.08516,
        bid_size=500_000,
        ask_size=250_000,
    )


def test_parse_line_not_tradeable_gives_no_tick() -> None:
    expected = Ignored(IgnoredReason.NOT_TRADEABLE, "EURUSD")

    assert parse(shape_lines()[1]) == expected
    old = json.loads(shape_lines()[1])
    del old["tradeable"]
    assert parse(json.dumps(old).encode()) == expected


def test_parse_line_side_without_levels_gives_no_tick() -> None:
    assert parse(shape_lines()[2]) == Ignored(IgnoredReason.NO_QUOTE, "EURUSD")


def test_parse_line_heartbeat_is_no_tick() -> None:
    assert parse(shape_lines()[3]) == Heartbeat()


def test_parse_line_of_2016_without_type_is_a_price() -> None:
    tick = parse(shape_lines()[4])

    assert isinstance(tick, Tick)
    assert (tick.time_us, tick.bid) == (1_474_383_947_960_449, 1.1169)


def test_parse_line_error_body_is_unknown() -> None:
    assert parse(shape_lines()[5]) == Ignored(IgnoredReason.UNKNOWN_EVENT, "")


def test_parse_line_instrument_that_is_not_followed_is_told() -> None:
    assert parse_line(shape_lines()[0], RECEIVED_US, {"EUR_JPY": "EURJPY"}) == Ignored(
        IgnoredReason.UNKNOWN_SYMBOL, "EUR_USD"
    )


def test_parse_line_all_recordings_agree_with_their_json() -> None:
    kinds = Counter()

    for line in recorded_lines():
        parsed, raw = parse(line), json.loads(line)
        kinds[type(parsed).__name__] += 1
        if isinstance(parsed, Tick):
            assert parsed.symbol == raw["instrument"].replace("_", "")
            assert parsed.bid == max(float(item["price"]) for item in raw["bids"])
            assert parsed.ask == min(float(item["price"]) for item in raw["asks"])
            assert parsed.ask > parsed.bid
            assert parsed.bid_size == next(
                item["liquidity"]
                for item in raw["bids"]
                if float(item["price"]) == parsed.bid
            )

    assert kinds["Tick"] >= 7
    assert kinds["Heartbeat"] >= 5
    assert set(kinds) == {"Tick", "Heartbeat"}


def test_parse_line_reordered_gives_the_same_ticks() -> None:
    lines = recorded_lines()

    assert [parse(line) for line in reversed(lines)] == [parse(line) for line in lines][
        ::-1
    ]


def test_parse_line_truncated_anywhere_is_malformed() -> None:
    for line in [*recorded_lines(), *shape_lines()]:
        for end in range(1, len(line.rstrip())):
            with pytest.raises(MalformedFrame):
                parse(line[:end])


def test_parse_line_garbled_gives_a_record_or_is_malformed() -> None:
    chance = random.Random(1)

    for line in [*recorded_lines(), *shape_lines()] * 200:
        damaged = bytearray(line)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            parsed = parse(bytes(damaged))
        except MalformedFrame:
            continue
        assert isinstance(parsed, Tick | Heartbeat | Ignored)


@pytest.mark.parametrize("key", ["bids", "asks"])
@pytest.mark.parametrize("price", ["0", "-1", "inf", "nan", "1e400", "x", "", None, []])
def test_parse_line_unusable_price_is_malformed(key: str, price: object) -> None:
    line = json.loads(shape_lines()[0])
    line[key][0]["price"] = price

    with pytest.raises(MalformedFrame):
        parse(json.dumps(line).encode())


@pytest.mark.parametrize("text", ["", "x", "0.5", "-1700000000.5", "1700100009.1"])
def test_parse_line_unusable_time_is_malformed(text: str) -> None:
    line = json.loads(shape_lines()[0])
    line["time"] = text

    with pytest.raises(MalformedFrame):
        parse(json.dumps(line).encode())


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1700000000.123456789", 1_700_000_000_123_456),
        ("1700000000.999999999", 1_700_000_000_999_999),
        ("1700000000.000000001", 1_700_000_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000),
        ("1700000000", 1_700_000_000_000_000),
        ("2017-09-24T22:20:39.888097022Z", 1_506_291_639_888_097),
        ("2017-09-24T22:20:39Z", 1_506_291_639_000_000),
        ("2017-09-24T22:20:39.999999999+00:00", 1_506_291_639_999_999),
    ],
)
def test_parse_time_us_is_exact_to_the_microsecond(text: str, time_us: int) -> None:
    assert parse_time_us(text) == time_us


@pytest.mark.parametrize(
    "text", ["1_0.5", "+1.5", "1.-5", "1.5e3", "١٢.٣", ".", "2017-09-24T22:20:39"]
)
def test_parse_time_us_other_notation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_time_us(text)
