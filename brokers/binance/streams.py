"""Names of Binance's streams and the requests that follow them. Pure.

`{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}` is answered with
`{"result":null,"id":1}`, also for names that do not exist: those never deliver.
Source: "Live Subscribing/Unsubscribing to streams", web-socket-streams.md of
binance/binance-spot-api-docs, commit a5e0bc3d.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from brokers.exceptions import InvalidFeedSetting
from marketdata.records import Kind

# A connection may follow 1024 streams and send 5 messages a second, pongs included
# ("Websocket Limits"); over it Binance disconnects, and bans who repeats it.
MAX_STREAMS = 1024
STREAMS_PER_REQUEST = 200
REQUESTS_PER_S = 3

TRADE_STREAMS = ("trade", "aggTrade")
# What clients can follow of Binance.
_SUFFIXES = {
    Kind.TICK: "bookTicker",
    Kind.ORDERBOOK: "depth@100ms",
}


def stream_suffixes(types: Sequence[str], trade_stream: str) -> tuple[str, ...]:
    """Return what follows `<symbol>@` for the record types named in the settings.

    Raises:
        InvalidFeedSetting: a type or the trade stream has no such name.
    """
    if trade_stream not in TRADE_STREAMS:
        expected = " or ".join(TRADE_STREAMS)
        raise InvalidFeedSetting("BINANCE_TRADE_STREAM", expected, trade_stream)
    suffixes = _SUFFIXES | {Kind.TRADE: trade_stream}
    by_name = {kind.value: suffixes[kind] for kind in Kind if kind in suffixes}
    expected = f"some of {', '.join(by_name)}"
    if not types:
        raise InvalidFeedSetting("BINANCE_TYPES", expected, "")
    for name in types:
        if name not in by_name:
            raise InvalidFeedSetting("BINANCE_TYPES", expected, name)
    return tuple(by_name[name] for name in dict.fromkeys(types))


def stream_names(broker_symbols: Iterable[str], suffixes: Sequence[str]) -> list[str]:
    """Return the streams of the symbols; Binance wants symbols in lower case here."""
    return [
        f"{symbol.lower()}@{suffix}" for symbol in broker_symbols for suffix in suffixes
    ]


def split_requests(streams: Iterable[str]) -> Iterable[list[str]]:
    """Yield the streams in lists that fit one request each."""
    rest = iter(streams)
    while part := list(islice(rest, STREAMS_PER_REQUEST)):
        yield part


def encode_request(method: str, streams: Sequence[str], request_id: int) -> str:
    """Return the request's frame; ``method`` is SUBSCRIBE or UNSUBSCRIBE."""
    request = {"method": method, "params": streams, "id": request_id}
    return msgspec.json.encode(request).decode()


def websocket_address(base: str) -> str:
    """Return the address of combined streams below the base address of the settings.

    A base that names one of Binance's two paths, `/stream` or `/ws`, stays as it is.

    Raises:
        InvalidFeedSetting: it is not the address of a WebSocket server.
    """
    if not base.startswith(("ws://", "wss://")):
        expected = "an address that begins with ws:// or wss://"
        raise InvalidFeedSetting("BINANCE_WS_URL", expected, base)
    base = base.rstrip("/")
    return base if base.endswith(("/stream", "/ws")) else f"{base}/stream"
