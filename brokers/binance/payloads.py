"""What Binance's spot market streams send, one struct per payload.

Only the keys we use are declared; others are skipped, so an added key breaks nothing.
Prices and sizes come as strings and are read as the nearest float. Times are integer
milliseconds (we never ask for `timeUnit=MICROSECOND`).

Source of all shapes: "WebSocket Streams for Binance", web-socket-streams.md of
binance/binance-spot-api-docs, commit a5e0bc3d; "recorded" payloads are from
tests/payloads/binance/.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

# From 2001 on: an earlier time is damage or in seconds, and would be stored for good.
_Millis = Annotated[int, Meta(ge=1_000_000_000_000)]
# How far a time may be ahead of receiving: a day is damage, not a clock that is fast,
# and one such record would be its series' latest for good.
MAX_AHEAD_US = 86_400_000_000
# Text such as "inf" passes as a float, so the upper bound keeps it out.
_Price = Annotated[float, Meta(gt=0, le=1e18)]
_PriceOrNone = Annotated[float, Meta(ge=0, le=1e18)]
_Size = Annotated[float, Meta(ge=0, le=1e30)]
_Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Levels = tuple[tuple[_Price, _Size], ...]


class RequestError(Struct, frozen=True):
    """`{"code":2,"msg":"Invalid request: ..."}` inside the `error` of a reply."""

    code: int = 0
    msg: str = ""


class Frame(Struct):
    """What every frame is read as first, to see what it is.

    A combined stream wraps: `{"stream":"btcusdt@trade","data":{...}}`; a raw one sends
    the payload alone. Most payloads have an event name `e`; book tickers are known by
    `u`, partial books by `lastUpdateId`. Replies to requests carry our `id`:
    `{"result":null,"id":1}` (also a list or a value), `{"error":{...},"id":1}`.
    """

    stream: str = ""
    data: Raw | UnsetType = UNSET
    event: str = field(name="e", default="")
    update_id: Raw | UnsetType = field(name="u", default=UNSET)
    last_update_id: Raw | UnsetType = field(name="lastUpdateId", default=UNSET)
    id: int | str | None = None
    result: Raw | UnsetType = UNSET
    error: RequestError | UnsetType = UNSET


class TradePayload(Struct):
    """One trade (stream `<symbol>@trade`; "Trade Streams").

    `{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100",
    "T":1672515782136,"m":true,"M":true}`: `E` sent at, `s` symbol, `t` trade id, `p`
    price, `q` size, `T` traded at, `m` true if the buyer was the maker, so the seller
    took. Until 2023 also `b` and `a`, the orders' ids.
    """

    symbol: str = field(name="s")
    id: _Id = field(name="t")
    price: _Price = field(name="p")
    size: _Size = field(name="q")
    time_ms: _Millis = field(name="T")
    is_buyer_maker: bool = field(name="m")


class AggTradePayload(Struct):
    """Trades of one taker order at one price (`@aggTrade`; "Aggregate Trade Streams").

    Recorded: `{"e":"aggTrade","E":1618677373913,"s":"SWRVBUSD","a":749094,
    "p":"2.27600000","q":"21.96300000","f":1135632,"l":1135632,"T":1618677373912,
    "m":false,"M":true}`: `a` aggregate id, `f` and `l` first and last trade id, the
    rest as in a trade.
    """

    symbol: str = field(name="s")
    id: _Id = field(name="a")
    price: _Price = field(name="p")
    size: _Size = field(name="q")
    time_ms: _Millis = field(name="T")
    is_buyer_maker: bool = field(name="m")


class BookTickerPayload(Struct):
    """Best bid and ask (`@bookTicker`; "Individual Symbol Book Ticker Streams").

    Recorded: `{"u":64830107,"s":"SWRVBUSD","b":"2.27200000","B":"218.40800000",
    "a":"2.27700000","A":"1.19200000"}`: `u` the book's update number, `b` and `B` best
    bid and its size, `a` and `A` best ask. No event name and no time. A side without
    orders has price "0.00000000".
    """

    update_id: _Id = field(name="u")
    symbol: str = field(name="s")
    bid: _PriceOrNone = field(name="b")
    bid_size: _Size = field(name="B")
    ask: _PriceOrNone = field(name="a")
    ask_size: _Size = field(name="A")


class DepthUpdatePayload(Struct):
    """Levels that changed (`@depth`, `@depth@100ms`; "Diff. Depth Stream").

    Recorded: `{"e":"depthUpdate","E":1618677372522,"s":"QSPBTC","U":105811205,
    "u":105811205,"b":[["0.00000158","24324.00000000"]],"a":[]}`: `U`..`u` the update
    numbers that it covers, `b` and `a` [price, size], size 0 removes the level.
    """

    symbol: str = field(name="s")
    time_ms: _Millis = field(name="E")
    first_id: _Id = field(name="U")
    last_id: _Id = field(name="u")
    bids: _Levels = field(name="b")
    asks: _Levels = field(name="a")


class PartialDepthPayload(Struct):
    """The best 5, 10 or 20 levels (`@depth20@100ms`; "Partial Book Depth Streams").

    `{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}`, best
    first. No symbol and no time: the symbol stands only in the stream's name.
    """

    last_id: _Id = field(name="lastUpdateId")
    bids: _Levels
    asks: _Levels


class TickerPayload(Struct):
    """Rolling 24 hours (`@ticker`, `@miniTicker`; "Individual Symbol Ticker Streams").

    `{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010",
    "h":"0.0025","l":"0.0010","v":"10000","q":"18"}`: last, open, high and low price,
    volume in base and in quote units. `24hrTicker` has these and more.
    """

    symbol: str = field(name="s")
    time_ms: _Millis = field(name="E")
    last: _PriceOrNone = field(name="c")
    open: _PriceOrNone = field(name="o")
    high: _PriceOrNone = field(name="h")
    low: _PriceOrNone = field(name="l")
    volume: _Size = field(name="v")
    quote_volume: _Size = field(name="q")


class KlineBody(Struct):
    """The `k` of a kline, see ``KlinePayload``."""

    start_ms: _Millis = field(name="t")
    interval: str = field(name="i")
    open: _Price = field(name="o")
    high: _Price = field(name="h")
    low: _Price = field(name="l")
    close: _Price = field(name="c")
    volume: _Size = field(name="v")
    trades: _Id = field(name="n")
    is_final: bool = field(name="x")


class KlinePayload(Struct):
    """A candle of trades (`@kline_1m`; "Kline/Candlestick Streams for UTC").

    Recorded: `{"e":"kline","E":1618677373907,"s":"SWRVBUSD","k":{"t":1618677360000,
    "T":1618677419999,"s":"SWRVBUSD","i":"1m","f":1135631,"L":1135631,"o":"2.27700000",
    "c":"2.27700000","h":"2.27700000","l":"2.27700000","v":"9.82600000","n":1,"x":false,
    "q":"22.37380200","V":"0.00000000","Q":"0.00000000","B":"0"}}`: `t` and `T` start
    and last millisecond, `i` interval, `o h l c` prices, `v` base volume, `n` trades,
    `x` true when the candle is closed.
    """

    symbol: str = field(name="s")
    body: KlineBody = field(name="k")
