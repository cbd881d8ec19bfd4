"""Names of Binance's streams and the requests that follow them. Pure.

`{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}` is answered with
`{"result":null,"id":1}`, also for names that do not exist: those never deliver.
Source: "Live Subscribing/Unsubscribing to streams", web-socket-streams.md of
binance/binance-spot-api-docs, commit a5e0bc3d.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from brokers.exceptions import InvalidFeedSetting
from brokers.feed import FollowedInstrument
from marketdata.records import Kind

# A connection may follow 1024 streams and send 5 messages a second, pongs included
# ("Websocket Limits"); over it Binance disconnects, and bans who repeats it.
MAX_STREAMS = 1024
# 300 attempts to connect are allowed in 5 minutes; each of ours is made again at will.
MAX_CONNECTIONS = 16
STREAMS_PER_REQUEST = 200
REQUESTS_PER_S = 3

TRADE_STREAMS = ("trade", "aggTrade")
# What clients can follow of Binance.
_SUFFIXES = {
    Kind.TICK: "bookTicker",
    Kind.ORDERBOOK: "depth@100ms",
}
# These are computed of others.
_SOURCES = {
    Kind.CANDLE: (Kind.TICK, Kind.TRADE),
    Kind.TICKER: (Kind.TICK, Kind.TRADE),
}
# How payloads of a stream name themselves, where that is not the stream's name.
_EVENTS = {"depth": "depthUpdate"}


def stream_suffixes(types: Sequence[str], trade_stream: str) -> dict[Kind, str]:
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
    return {Kind(name): by_name[name] for name in types}


def stream_names(
    instruments: Iterable[FollowedInstrument], suffixes: Mapping[Kind, str]
) -> list[str]:
    """Return the streams of what is wanted of each instrument, all of an instrument
    together; Binance wants symbols in lower case here.
    """
    return [
        f"{item.broker_symbol.lower()}@{suffix}"
        for item in instruments
        for kind, suffix in suffixes.items()
        if is_wanted(item, kind)
    ]


def is_wanted(item: FollowedInstrument, kind: Kind) -> bool:
    """Return whether records of the kind are wanted, or what is made of them."""
    return item.kinds is None or kind in _with_sources(item.kinds)


def event_and_symbol(stream: str) -> tuple[str, str]:
    """Return how payloads of a stream name themselves and their symbol."""
    symbol, _, suffix = stream.partition("@")
    name = suffix.partition("@")[0]
    return _EVENTS.get(name, name), symbol.upper()


def share_out(
    wanted: Iterable[str], followed: Sequence[Collection[str]]
) -> list[dict[str, None]]:
    """Return which streams each connection shall follow.

    ``followed`` says what each does now; a stream that is wanted still stays where it
    is, a new one goes to the first that has room, which may be one connection more.
    """
    wanted = dict.fromkeys(wanted)
    shares = [dict.fromkeys(name for name in old if name in wanted) for old in followed]
    for share in shares:
        for name in share:
            del wanted[name]
    place = 0
    for name in wanted:
        while place < len(shares) and len(shares[place]) >= MAX_STREAMS:
            place += 1
        if place == len(shares):
            shares.append({})
        shares[place][name] = None
    return shares


def _with_sources(kinds: Collection[Kind]) -> set[Kind]:
    return {source for kind in kinds for source in _SOURCES.get(kind, (kind,))}


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
