"""Names of streams: text to what is meant by it (PROTOCOL 2).

- Server B's `trade@TATA_INR`, `depth@TATA_INR`, `ticker@TATA_INR` are Redis channels of
  just that name; no other channel can be named.
- Binance's `btcusdt@trade`: an instrument in any spelling, served by the broker that
  the catalog routes it to. The symbol in lower case is the stream's own name.

Any other `<symbol>@<stream>` (`btcusdt@kline_3m`, `nope@trade`, `btcusdt@depth`) is
accepted and never has data. Binance does the same: it acknowledges and lists names of
unknown symbols, streams and intervals, and stays silent (probe of 2026-09-23 in
shared/data/binance/single_messages.jsonl).
"""

import re
from enum import Enum

import msgspec

from marketdata.catalog import Broker, Catalog, Instrument
from marketdata.exceptions import InvalidField, InvalidSymbol, NoBroker, UnknownSymbol
from marketdata.foreign_topics import plan_symbol, stream_topic
from marketdata.frames.fields import describe
from marketdata.price_basis import price_side
from marketdata.records import Kind
from marketdata.timeframes import Timeframe
from marketdata.topics import Topic

# The intervals that are live timeframes; Binance has 1s 3m 30m 2h 6h 8h 3d 1w 1M too.
KLINE_TIMEFRAMES = (
    Timeframe.M1,
    Timeframe.M5,
    Timeframe.M15,
    Timeframe.H1,
    Timeframe.H4,
    Timeframe.H12,
    Timeframe.D1,
)
DEPTH_LEVELS = (5, 10, 20)

_CHANNEL = re.compile(r"(?:trade|depth|ticker)@([A-Za-z0-9_./:\-]{1,40})")
_NAME = re.compile(r"[!-~]{1,60}@[!-~]{1,39}")
# "Partial Book Depth Streams" of Binance's web-socket-streams.md: each second, or as
# often as the name says.
_DEPTH_SPEEDS_MS = {"": 1_000, "@1000ms": 1_000, "@100ms": 100}


class Event(Enum):
    """What a stream's frames tell; values are Binance's names of the payloads."""

    TRADE = "trade"
    AGG_TRADE = "aggTrade"
    BOOK_TICKER = "bookTicker"
    TICKER = "24hrTicker"
    MINI_TICKER = "24hrMiniTicker"
    PARTIAL_DEPTH = "partialDepth"
    KLINE = "kline"


class Form(msgspec.Struct, frozen=True):
    """What follows `<symbol>@` in a name.

    ``levels`` and ``every_ms`` are set for partial depth, ``timeframe`` for klines.
    """

    suffix: str
    event: Event
    levels: int = 0
    every_ms: int | None = None
    timeframe: Timeframe | None = None


class Stream(msgspec.Struct, frozen=True):
    """A stream that a client can follow; ``topic`` None never has data.

    ``form`` is None for server B's channels. ``symbol`` is what plans allow or not.
    """

    name: str
    topic: Topic | None = None
    form: Form | None = None
    symbol: str = ""


def find_stream(text: str, catalog: Catalog) -> Stream:
    """Return the stream that the text names.

    Raises:
        InvalidField: it is no name of a stream at all.
    """
    if channel := _CHANNEL.fullmatch(text):
        return Stream(text, stream_topic(text), None, plan_symbol(channel[1]))
    if not _NAME.fullmatch(text):
        expected = (
            "<symbol>@<stream>, trade@<market>, depth@<market> or ticker@<market>"
        )
        raise InvalidField("stream", expected, describe(text))
    symbol, _, suffix = text.partition("@")
    form = FORMS.get(suffix)
    if form is None:
        return Stream(text)
    try:
        instrument = catalog.find(symbol)
        broker = catalog.route(instrument)
    except (InvalidSymbol, UnknownSymbol, NoBroker):
        return Stream(text)
    topic = _topic(form, broker, instrument)
    return Stream(stream_name(instrument, form), topic, form, instrument.symbol)


def stream_name(instrument: Instrument, form: Form) -> str:
    """Return the name as Binance would write it: `btcusdt@kline_1m`."""
    return f"{instrument.symbol.lower()}@{form.suffix}"


def names_in_path(path: str) -> list[str]:
    """Return the streams named after `/ws/` in a path, divided by slashes.

    What has no `@` is left out: on Binance it would be a key of an account's stream.
    """
    return [name for name in path.partition("/ws/")[2].split("/") if "@" in name]


def names_in_query(query: dict[str, str]) -> list[str]:
    """Return the streams of `?streams=a/b`."""
    return [name for name in query.get("streams", "").split("/") if name]


def _topic(form: Form, broker: Broker, instrument: Instrument) -> Topic:
    kind = _KINDS[form.event]
    if kind is not Kind.CANDLE:
        return Topic(kind, broker.name, instrument.symbol)
    side = price_side(broker, instrument)
    return Topic(kind, broker.name, instrument.symbol, form.timeframe, side)


_KINDS = {
    Event.TRADE: Kind.TRADE,
    Event.AGG_TRADE: Kind.TRADE,
    Event.BOOK_TICKER: Kind.TICK,
    Event.TICKER: Kind.TICKER,
    Event.MINI_TICKER: Kind.TICKER,
    Event.PARTIAL_DEPTH: Kind.ORDERBOOK,
    Event.KLINE: Kind.CANDLE,
}
FORMS = {
    form.suffix: form
    for form in (
        Form("trade", Event.TRADE),
        Form("aggTrade", Event.AGG_TRADE),
        Form("bookTicker", Event.BOOK_TICKER),
        Form("ticker", Event.TICKER),
        Form("miniTicker", Event.MINI_TICKER),
        *(
            Form(f"depth{levels}{speed}", Event.PARTIAL_DEPTH, levels, every_ms)
            for levels in DEPTH_LEVELS
            for speed, every_ms in _DEPTH_SPEEDS_MS.items()
        ),
        *(
            Form(f"kline_{timeframe.value}", Event.KLINE, timeframe=timeframe)
            for timeframe in KLINE_TIMEFRAMES
        ),
    )
}
