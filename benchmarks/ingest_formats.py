"""What each broker sends, as the brokers write it, and who reads it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.conf import settings

from benchmarks.ingest_instruments import SYMBOLS
from brokers.binance import messages as binance
from brokers.binance.feed import BinanceFeed
from brokers.demand import Change
from brokers.feed import Feed, FollowedInstrument
from brokers.kraken import messages as kraken
from brokers.kraken.feed import KrakenFeed
from brokers.oanda import messages as oanda
from brokers.oanda.access import access_of
from brokers.oanda.feed import OandaFeed
from brokers.oanda.limits import shared_limits
from brokers.redis import messages as redis
from brokers.redis.feed import RedisFeed
from brokers.simulated.feed import SimulatedFeed
from brokers.simulated.prices import PriceWalk
from marketdata.records import Kind
from marketdata.redis_pipe import redis_pool
from marketdata.topics import Topic

# Of each symbol: 30,000 a second, so that little is late and nothing is left out.
SIMULATED_RATE = 150
Symbols = dict[str, str]  # canonical by the broker's


class Format(NamedTuple):
    """One kind of a broker's messages.

    ``frame`` makes the message of a number and a symbol, ``parse`` reads it at a time
    in us, ``feed`` reads all from an address. ``spell`` gives the broker's symbol;
    ``is_stored`` False: the records are published alone.
    """

    name: str
    server: str  # that plays it, see `ingest_sources`
    frame: Callable[[int, str], bytes]
    parse: Callable[[bytes, int, Symbols], object]
    feed: Callable[[str], Feed]
    spell: Callable[[str], str] = str
    is_stored: bool = True

    def frames(self, count: int) -> list[bytes]:
        """Return messages in turn over the symbols."""
        return [
            self.frame(number, SYMBOLS[number % len(SYMBOLS)])
            for number in range(count)
        ]

    def followed(self) -> list[FollowedInstrument]:
        """Return the instruments as a feed gets them."""
        return [FollowedInstrument(name, self.spell(name), 2) for name in SYMBOLS]

    async def parse_all(self, data: Sequence[bytes]) -> None:
        """Read all messages and do nothing with them."""
        names = {self.spell(symbol): symbol for symbol in SYMBOLS}
        for frame in data:
            self.parse(frame, time.time_ns() // 1_000, names)


def _wrapped(symbol: str, stream: str, data: str) -> bytes:
    return f'{{"stream":"{symbol.lower()}@{stream}","data":{data}}}'.encode()


def _price(number: int) -> int:
    return 37_123 + number % 97


def book_ticker(number: int, symbol: str) -> bytes:
    price = _price(number)
    return _wrapped(
        symbol,
        "bookTicker",
        f'{{"u":{number},"s":"{symbol}","b":"{price}.44000000","B":"3.20000000",'
        f'"a":"{price}.45000000","A":"0.75000000"}}',
    )


def trade(number: int, symbol: str) -> bytes:
    now_ms = _BEGIN_MS + number // 50
    return _wrapped(
        symbol,
        "trade",
        f'{{"e":"trade","E":{now_ms},"s":"{symbol}","t":{1 + number // len(SYMBOLS)},'
        f'"p":"{_price(number)}.44000000","q":"0.01000000","T":{now_ms},"m":true,'
        '"M":true}',
    )


def depth(number: int, symbol: str) -> bytes:
    price, last = _price(number), number + 1
    levels = ",".join(f'["{price}.{n}0000000","1.50000000"]' for n in range(1, 6))
    return _wrapped(
        symbol,
        "depth@100ms",
        f'{{"e":"depthUpdate","E":{_BEGIN_MS},"s":"{symbol}","U":{last},"u":{last},'
        f'"b":[{levels}],"a":[{levels}]}}',
    )


def oanda_price(number: int, symbol: str) -> bytes:
    at_us = _BEGIN_MS * 1_000 + number
    bids, asks = (
        ",".join(
            f'{{"price":"{_price(number)}.{first + n}","liquidity":{n}000000}}'
            for n in (1, 2, 5)
        )
        for first in (10, 20)
    )
    return (
        f'{{"type":"PRICE","time":"{at_us // 1_000_000}.{at_us % 1_000_000:06}000",'
        f'"bids":[{bids}],"asks":[{asks}],"closeoutBid":"1.1","closeoutAsk":"1.2",'
        f'"status":"tradeable","tradeable":true,"instrument":"{_oanda(symbol)}"}}\n'
    ).encode()


def kraken_ticker(number: int, symbol: str) -> bytes:
    price = _price(number)
    return (
        f'[340,{{"a":["{price}.45000",1,"1.50000000"],"b":["{price}.44000",2,'
        f'"2.25000000"],"c":["{price}.44000","0.10000000"],"v":["10.00000000",'
        '"20.00000000"],"p":["1.00000","1.00000"],"t":[100,200],"l":["1.0","1.0"],'
        f'"h":["2.0","2.0"],"o":["1.5","1.5"]}},"ticker","{_kraken(symbol)}"]'
    ).encode()


def gateway_trade(number: int, symbol: str) -> bytes:
    return (
        f'{{"symbol":"{symbol}","price":{_price(number)}.25,"volume":100,"timestamp":'
        f'{_BEGIN_MS + number},"conditions":["@","T"],"exchange":"NASDAQ"}}'
    ).encode()


class NoUpstream:
    """Tells nobody which symbols are wanted."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    def want(self, symbol: str) -> None: ...
    def drop(self, symbol: str) -> None: ...


def _oanda(symbol: str) -> str:
    return f"{symbol[:4]}_USDT"


def _kraken(symbol: str) -> str:
    return f"{symbol[:4]}/USDT"


def _oanda_feed(address: str) -> Feed:
    access = access_of(f"http://{address}", "101-004-1-001", "key")
    return OandaFeed(access, shared_limits(20, 2.0))


def _redis_feed(address: str) -> Feed:
    feed = RedisFeed(lambda: redis_pool(settings.REDIS_URL), NoUpstream())  # type: ignore[arg-type]
    topics = (Topic(Kind.FOREIGN, redis.BROKER, f"trade:{name}") for name in SYMBOLS)
    feed.demand(Change(added=tuple(topics)))
    return feed


def _binance_feed(kind: Kind, suffix: str) -> Callable[[str], Feed]:
    return lambda address: BinanceFeed(f"ws://{address}", {kind: suffix})


def _parse_redis(frame: bytes, now_us: int, names: Symbols) -> object:
    return redis.parse_gateway_trade("trade:C000USDT", frame, now_us)


def _walk(number: int, symbol: str) -> bytes:
    return b"%d" % (number % len(_walks))


def _step(frame: bytes, now_us: int, names: Symbols) -> object:
    return _walks[int(frame)].step(now_us, now_us)


_BEGIN_MS = time.time_ns() // 1_000_000
_walks = [PriceWalk(symbol, 2, lambda: 0.5) for symbol in SYMBOLS]

FORMATS = (
    Format(
        "Binance bookTicker",
        "binance",
        book_ticker,
        binance.parse_frame,
        _binance_feed(Kind.TICK, "bookTicker"),
    ),
    Format(
        "Binance trade",
        "binance",
        trade,
        binance.parse_frame,
        _binance_feed(Kind.TRADE, "trade"),
    ),
    Format(
        "Binance depth, 10 levels",
        "binance",
        depth,
        binance.parse_frame,
        _binance_feed(Kind.ORDERBOOK, "depth@100ms"),
        is_stored=False,
    ),
    Format(
        "OANDA price", "oanda", oanda_price, oanda.parse_line, _oanda_feed, spell=_oanda
    ),
    Format(
        "Kraken ticker",
        "kraken",
        kraken_ticker,
        kraken.parse_frame,
        lambda address: KrakenFeed(f"ws://{address}"),
        spell=_kraken,
    ),
    Format(
        "Redis channel:trade:*",
        "redis",
        gateway_trade,
        _parse_redis,
        _redis_feed,
        is_stored=False,
    ),
    Format(
        "simulated",
        "",
        _walk,
        _step,
        lambda address: SimulatedFeed(SIMULATED_RATE, 1),
    ),
)
