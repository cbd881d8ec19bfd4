import pytest

from brokers.binance.streams import (
    MAX_STREAMS,
    encode_request,
    event_and_symbol,
    share_out,
    split_requests,
    stream_names,
    stream_suffixes,
    websocket_address,
)
from brokers.exceptions import InvalidFeedSetting
from brokers.feed import FollowedInstrument
from marketdata.records import Kind


def test_stream_suffixes_keep_the_order_of_the_setting_once_each() -> None:
    found = stream_suffixes(["orderbook", "tick", "trade", "tick"], "aggTrade")

    assert list(found.items()) == [
        (Kind.ORDERBOOK, "depth@100ms"),
        (Kind.TICK, "bookTicker"),
        (Kind.TRADE, "aggTrade"),
    ]


@pytest.mark.parametrize("name", ["quote", "ticker", "candle"])
def test_stream_suffixes_unknown_type_names_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidFeedSetting) as raised:
        stream_suffixes(["tick", name], "trade")

    assert str(raised.value) == (
        f"BINANCE_TYPES: expected some of tick, trade, orderbook, found {name!r}"
    )


def test_stream_suffixes_unknown_trade_stream_is_refused() -> None:
    with pytest.raises(InvalidFeedSetting) as raised:
        stream_suffixes(["tick"], "trades")

    assert str(raised.value) == (
        "BINANCE_TRADE_STREAM: expected trade or aggTrade, found 'trades'"
    )


def test_stream_suffixes_without_types_is_refused() -> None:
    with pytest.raises(InvalidFeedSetting):
        stream_suffixes([], "trade")


def test_stream_names_are_lower_case_by_symbol() -> None:
    items = [FollowedInstrument(name, name, 2) for name in ("BTCUSDT", "ethbtc")]
    suffixes = {Kind.TRADE: "trade", Kind.ORDERBOOK: "depth@100ms"}

    found = stream_names(items, suffixes)

    assert found == [
        "btcusdt@trade",
        "btcusdt@depth@100ms",
        "ethbtc@trade",
        "ethbtc@depth@100ms",
    ]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        ("btcusdt@depth@100ms", ("depthUpdate", "BTCUSDT")),
        ("btcusdt@bookTicker", ("bookTicker", "BTCUSDT")),
    ],
)
def test_event_and_symbol_are_those_of_the_payload(
    stream: str, found: tuple[str, str]
) -> None:
    assert event_and_symbol(stream) == found


def test_share_out_leaves_streams_where_they_are_and_fills_up() -> None:
    names = [f"c{number}" for number in range(MAX_STREAMS + 5)]

    first = share_out(names, [])
    assert [len(share) for share in first] == [MAX_STREAMS, 5]

    second = share_out([*names[3:], "new"], first)
    assert [len(share) for share in second] == [MAX_STREAMS - 2, 5]
    assert "new" in second[0]
    assert share_out([], second) == [{}, {}]


def test_split_requests_holds_at_most_200_streams_each() -> None:
    parts = list(split_requests(str(number) for number in range(450)))

    assert [len(part) for part in parts] == [200, 200, 50]
    assert parts[2][-1] == "449"


def test_encode_request_is_the_documented_frame() -> None:
    frame = encode_request("SUBSCRIBE", ["btcusdt@trade"], 7)

    assert frame == '{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":7}'


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("wss://stream.binance.com:9443", "wss://stream.binance.com:9443/stream"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1/stream"),
        ("ws://127.0.0.1:8080/binance", "ws://127.0.0.1:8080/binance/stream"),
        ("ws://127.0.0.1:1/stream", "ws://127.0.0.1:1/stream"),
        ("ws://127.0.0.1:1/ws", "ws://127.0.0.1:1/ws"),
    ],
)
def test_websocket_address_ends_in_one_of_the_two_paths(
    base: str, address: str
) -> None:
    assert websocket_address(base) == address


def test_websocket_address_of_another_scheme_is_refused() -> None:
    with pytest.raises(InvalidFeedSetting) as raised:
        websocket_address("https://stream.binance.com")

    assert str(raised.value) == (
        "BINANCE_WS_URL: expected an address that begins with ws:// or wss://, "
        "found 'https://stream.binance.com'"
    )
