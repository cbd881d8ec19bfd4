import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from brokers.binance import books, rest
from brokers.binance.feed import BinanceFeed
from brokers.binance.rest import BinanceRest
from brokers.exceptions import InvalidFeedSetting, RequestFailed
from brokers.feed import FollowedInstrument, UpstreamGap
from marketdata.books import Book
from marketdata.records import Kind, OrderBook, Record
from tests.brokers.binance.recorded_books import (
    TrueBook,
    recorded_answers,
    recorded_changes,
)
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until

ANSWERS = recorded_answers()
CHANGES = recorded_changes()
BUSY = ("FTMUSDT", "SWRVBUSD")


class Market:
    """Binance with the recorded books, and a feed that follows some of them."""

    def __init__(self, server: ReplayServer) -> None:
        self.server = server
        self.books = {name: TrueBook(ANSWERS[name]) for name in BUSY}
        self.records: list[Record] = []
        self.gaps: list[UpstreamGap] = []
        server.answers["/api/v3/depth"] = self.answer
        suffixes = {Kind.ORDERBOOK: "depth@100ms"}
        rest_client = BinanceRest(server.rest_address)
        self.feed = BinanceFeed(server.address, suffixes, rest_client)
        self.feed.on_gap = self.gaps.append
        self.feed.follow([FollowedInstrument(name, name, 8) for name in BUSY])

    def answer(self, fields: dict[str, str]) -> object:
        book = self.books.get(fields["symbol"])
        return book.answer() if book else None

    async def play(self, symbol: str, frames: list[str], *, lost: bool = False) -> None:
        """Change the book; tell the feed unless the frames get lost."""
        for frame in frames:
            self.books[symbol].apply(json.loads(frame)["data"])
        if not lost:
            await self.server.play(frames)

    def told(self, symbol: str) -> Book:
        book = Book()
        for record in self.records:
            if isinstance(record, OrderBook) and record.symbol == symbol:
                book.apply(record)
        return book

    def is_right(self, symbol: str) -> bool:
        found, true = self.told(symbol).whole(), self.books[symbol]
        if found is None or found.last_id != true.last_id:
            return False
        return (list(found.bids), list(found.asks)) == true.levels(5_000)

    def wholes(self, symbol: str) -> int:
        return sum(
            record.is_snapshot
            for record in self.records
            if isinstance(record, OrderBook) and record.symbol == symbol
        )


@pytest.fixture
async def market(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Market]:
    """A market whose feed runs and has its books."""
    monkeypatch.setattr(rest, "WEIGHT_PER_S", 5_000.0)
    monkeypatch.setattr(books, "RETRY_S", 0.05)
    market = Market(server)
    task = asyncio.create_task(market.feed.run(market.records.extend))
    yield market
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_books_are_fetched_once_and_then_changed(market: Market) -> None:
    await until(lambda: all(map(market.wholes, BUSY)))

    for symbol in BUSY:
        await market.play(symbol, CHANGES[symbol])
    await until(lambda: all(map(market.is_right, BUSY)))

    assert [market.wholes(symbol) for symbol in BUSY] == [1, 1]
    asked = [fields["symbol"] for _, fields in market.server.asked]
    assert sorted(asked) == sorted(BUSY)
    assert market.gaps == []


async def test_cut_frames_are_told_as_a_gap_and_healed(market: Market) -> None:
    await until(lambda: all(map(market.wholes, BUSY)))
    symbol = BUSY[0]
    frames = [
        frame
        for frame in CHANGES[symbol]
        if json.loads(frame)["data"]["u"] > market.books[symbol].last_id
    ]

    for place in range(0, 60, 20):
        await market.play(symbol, frames[place : place + 10])
        await until(lambda: market.is_right(symbol))
        await market.play(symbol, frames[place + 10 : place + 15], lost=True)
        await market.play(symbol, frames[place + 15 : place + 20])
        await until(lambda: market.is_right(symbol))

    assert market.wholes(symbol) == 4
    assert market.feed.counters.gaps == len(market.gaps) == 3
    gap = market.gaps[0]
    data = [json.loads(frame)["data"] for frame in frames]
    assert (gap.symbol, gap.kind) == (symbol, Kind.ORDERBOOK)
    assert (gap.from_us, gap.to_us) == (data[9]["E"] * 1_000, data[15]["E"] * 1_000)
    assert str(data[10]["U"]) in gap.reason
    assert str(data[14]["u"]) in gap.reason


async def test_book_is_asked_for_again_after_a_failure(
    server: ReplayServer, market: Market
) -> None:
    server.rest_refusals = [(503, {}), (500, {})]

    await until(lambda: all(map(market.wholes, BUSY)))

    assert len(server.asked) == 4


async def test_book_of_an_unknown_symbol_is_asked_for_once(market: Market) -> None:
    market.feed.follow([FollowedInstrument("NOPE", "NOPE", 8)])
    await until(lambda: ("/api/v3/depth", "NOPE") in asked_symbols(market))
    await asyncio.sleep(0.3)

    assert asked_symbols(market).count(("/api/v3/depth", "NOPE")) == 1


def asked_symbols(market: Market) -> list[tuple[str, str]]:
    return [(path, fields["symbol"]) for path, fields in market.server.asked]


async def test_refused_request_waits_as_long_as_it_is_told(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = BinanceRest(server.rest_address)
    server.answers["/api/v3/depth"] = lambda fields: {}
    server.rest_refusals = [(429, {"Retry-After": "1"})]

    with pytest.raises(RequestFailed) as raised:
        await client.get("/api/v3/depth", weight=50, symbol="X")
    begin_s = asyncio.get_running_loop().time()
    await client.get("/api/v3/depth", weight=50, symbol="X")

    assert (raised.value.status, raised.value.retry_after_s) == (429, 1.0)
    assert asyncio.get_running_loop().time() - begin_s > 0.9


async def test_nobody_listens_is_a_failed_request() -> None:
    with pytest.raises(RequestFailed):
        await BinanceRest("http://127.0.0.1:1").get(
            "/api/v3/depth", weight=50, symbol="X"
        )


def test_address_of_another_scheme_is_refused() -> None:
    with pytest.raises(InvalidFeedSetting, match="BINANCE_REST_URL"):
        BinanceRest("ws://127.0.0.1")
