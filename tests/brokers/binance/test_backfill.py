import asyncio
import json

import pytest
from msgspec import structs

from brokers.binance import backfill, rest
from brokers.binance.backfill import Backfill, TradeIds, backfill_trades
from brokers.binance.feed import BinanceFeed
from brokers.binance.rest import BinanceRest
from brokers.exceptions import FeedLost, MalformedFrame, RequestFailed
from brokers.feed import FollowedInstrument, UpstreamGap
from history.trade_holes import StoredTrades
from marketdata.records import Kind, Record, Side, Trade
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until

FIRST_MS = 1_700_000_000_000


def trade(trade_id: int | None, symbol: str = "BTCUSDT") -> Trade:
    return Trade(
        broker="binance",
        symbol=symbol,
        time_us=1_000 * (trade_id or 0),
        received_us=0,
        price=1.0,
        size=1.0,
        trade_id=trade_id,
    )


def old_trades(fields: dict[str, str]) -> list[dict]:
    """Answer as `historicalTrades` of a market whose last trade is 2999."""
    first, limit = int(fields["fromId"]), int(fields["limit"])
    return [
        {
            "id": number,
            "price": f"{number}.50000000",
            "qty": "0.25000000",
            "quoteQty": "1.0",
            "time": FIRST_MS + number,
            "isBuyerMaker": number % 2 == 0,
            "isBestMatch": True,
        }
        for number in range(first, min(first + limit, 3_000))
    ]


@pytest.fixture
def client(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> BinanceRest:
    monkeypatch.setattr(rest, "WEIGHT_PER_S", 5_000.0)
    server.answers["/api/v3/historicalTrades"] = old_trades
    return BinanceRest(server.rest_address)


async def ids_of(client: BinanceRest, first: int, last: int) -> list[int | None]:
    trades = await backfill_trades(
        client, "BTCUSDT", "BTCUSDT", (first, last), trade_stream="trade"
    )
    return [item.trade_id for item in trades]


async def test_backfill_returns_all_in_order_over_several_pages(
    server: ReplayServer, client: BinanceRest
) -> None:
    assert await ids_of(client, 5, 2_300) == list(range(5, 2_301))
    assert [fields["fromId"] for _, fields in server.asked] == ["5", "1005", "2005"]


async def test_backfill_gives_trades_as_the_stream_does(client: BinanceRest) -> None:
    (found,) = await backfill_trades(
        client, "BTCUSDT", "BTCUSDT", (8, 8), trade_stream="trade"
    )

    assert (found.trade_id, found.price, found.size) == (8, 8.5, 0.25)
    assert (found.side, found.time_us) == (Side.SELL, 1_000 * (FIRST_MS + 8))


async def test_backfill_of_aggregate_trades_asks_for_those(
    server: ReplayServer, client: BinanceRest
) -> None:
    row = {"a": 7, "p": "2.5", "q": "1", "f": 70, "l": 71, "T": FIRST_MS, "m": False}
    server.answers["/api/v3/aggTrades"] = lambda fields: [row | {"M": True}]

    (found,) = await backfill_trades(
        client, "BTCUSDT", "BTCUSDT", (7, 7), trade_stream="aggTrade"
    )

    assert (found.trade_id, found.price, found.side) == (7, 2.5, Side.BUY)


async def test_backfill_ends_where_binance_has_no_more(client: BinanceRest) -> None:
    assert await ids_of(client, 2_990, 3_500) == list(range(2_990, 3_000))


async def test_backfill_is_bounded(
    client: BinanceRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MAX_TRADES", 10)

    assert await ids_of(client, 1, 2_000) == list(range(1, 11))


async def test_backfill_raises_what_went_wrong(
    server: ReplayServer, client: BinanceRest
) -> None:
    server.rest_refusals = [(503, {})]
    with pytest.raises(RequestFailed):
        await ids_of(client, 1, 2)

    server.answers["/api/v3/historicalTrades"] = lambda fields: {"no": "list"}
    with pytest.raises(MalformedFrame):
        await ids_of(client, 1, 2)


async def test_feed_fetches_the_trades_that_it_missed_between_connections(
    server: ReplayServer, client: BinanceRest
) -> None:
    feed = BinanceFeed(server.address, {Kind.TRADE: "trade"}, client)
    live: list[Record] = []
    missed: list[Trade] = []
    gaps: list[UpstreamGap] = []
    feed.on_missed, feed.on_gap = missed.extend, gaps.append
    feed.follow([FollowedInstrument("BTCUSDT", "BTCUSDT", 2)])

    for number in (10, 15):
        asked = len(server.requests)
        task = asyncio.create_task(feed.run(live.extend))
        await until(lambda asked=asked: len(server.requests) > asked)
        await server.send(json.dumps(stream_frame(number)))
        await until(lambda number=number: live and live[-1].trade_id == number)
        if number == 10:
            await server.drop()
            with pytest.raises(FeedLost):
                await task
    await until(lambda: missed)

    assert [item.trade_id for item in missed] == [11, 12, 13, 14]
    assert [item.trade_id for item in live] == [10, 15]
    assert len(gaps) == feed.counters.gaps == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_feed_fetches_what_a_process_before_it_missed(
    server: ReplayServer, client: BinanceRest
) -> None:
    feed = BinanceFeed(server.address, {Kind.TRADE: "trade"}, client)
    live: list[Record] = []
    missed: list[Trade] = []
    gaps: list[UpstreamGap] = []
    feed.on_missed, feed.on_gap = missed.extend, gaps.append
    feed.learn([StoredTrades("BTCUSDT", 20, 20_000, [(3, 4), (8, 8)])])
    feed.follow([FollowedInstrument("BTCUSDT", "BTCUSDT", 2)])

    task = asyncio.create_task(feed.run(live.extend))
    await until(lambda: len(missed) == 3)
    await server.send(json.dumps(stream_frame(23)))
    await until(lambda: len(missed) == 5)

    assert [item.trade_id for item in missed] == [3, 4, 8, 21, 22]
    assert [item.trade_id for item in live] == [23]
    assert [(item.from_us, item.reason) for item in gaps] == [
        (20_000, "trades 21 to 22 never came")
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_feed_fetches_again_what_was_under_way_when_its_connection_was_lost(
    server: ReplayServer, client: BinanceRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "RETRY_MIN_S", 60.0)
    server.rest_refusals = [(503, {})]
    feed = BinanceFeed(server.address, {Kind.TRADE: "trade"}, client)
    missed: list[Trade] = []
    feed.on_missed = missed.extend
    feed.learn([StoredTrades("BTCUSDT", 20, 20_000, [(3, 4)])])
    feed.follow([FollowedInstrument("BTCUSDT", "BTCUSDT", 2)])

    task = asyncio.create_task(feed.run(lambda records: None))
    await until(lambda: server.asked and server.clients)
    await server.drop()
    with pytest.raises(FeedLost):
        await task
    task = asyncio.create_task(feed.run(lambda records: None))
    await until(lambda: missed)

    assert [item.trade_id for item in missed] == [3, 4]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_backfill_waits_for_an_interface_that_is_down(
    server: ReplayServer, client: BinanceRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "RETRY_MIN_S", 0.01)
    server.rest_refusals = [(503, {})] * 3
    found: list[Trade] = []
    filling = Backfill(client, "trade", lambda symbol: symbol)
    filling.put("BTCUSDT", (5, 6))

    task = asyncio.create_task(filling.run(found.extend))
    await until(lambda: found)

    assert [item.trade_id for item in found] == [5, 6]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def stream_frame(number: int) -> dict:
    data = {
        "e": "trade",
        "s": "BTCUSDT",
        "t": number,
        "p": "1.5",
        "q": "1",
        "T": FIRST_MS + number,
        "m": True,
    }
    return {"stream": "btcusdt@trade", "data": data}


def test_trade_ids_tell_the_hole_before_a_trade() -> None:
    ids = TradeIds()
    assert ids.take(trade(5)) is None
    assert ids.take(trade(6)) is None
    assert ids.take(trade(1, "ETHBTC")) is None

    assert ids.missing(trade(10)) == (7, 9)
    gap = ids.take(trade(10))

    assert gap is not None
    assert (gap.symbol, gap.kind) == ("BTCUSDT", Kind.TRADE)
    assert (gap.from_us, gap.to_us) == (6_000, 10_000)
    assert gap.reason == "trades 7 to 9 never came"
    assert ids.take(trade(11)) is None


def test_trade_ids_take_repeated_and_nameless_trades_for_no_hole() -> None:
    ids = TradeIds()
    ids.take(trade(5))

    assert ids.take(trade(4)) is None
    assert ids.take(trade(None)) is None
    assert ids.take(trade(6)) is None


def test_trade_ids_lower_id_of_a_later_time_is_of_another_stream() -> None:
    ids = TradeIds()
    ids.take(trade(50))
    later = structs.replace(trade(7), time_us=60_000)

    assert ids.take(later) is None
    gap = ids.take(structs.replace(trade(9), time_us=61_000))

    assert gap is not None
    assert gap.reason == "trades 8 to 8 never came"


async def test_feed_misses_nothing_of_what_nobody_wanted(client: BinanceRest) -> None:
    feed, gaps = told_feed(client)
    wanted = FollowedInstrument("BTCUSDT", "BTCUSDT", 2, is_recorded=False)
    feed.follow([wanted])
    feed._take_trade(trade(5))

    feed.follow([structs.replace(wanted, kinds=frozenset({Kind.ORDERBOOK}))])
    feed.follow([wanted])
    feed._take_trade(trade(9))

    assert not gaps


async def test_feed_fetches_no_trades_that_are_not_recorded(
    client: BinanceRest, server: ReplayServer
) -> None:
    feed, gaps = told_feed(client)
    missed: list[Trade] = []
    feed.on_missed = missed.extend
    item = FollowedInstrument("BTCUSDT", "BTCUSDT", 2)
    other = FollowedInstrument("ETHBTC", "ETHBTC", 5, is_recorded=False)
    feed.follow([item, other])
    for number in (5, 9):
        feed._take_trade(trade(number, "ETHBTC"))
        feed._take_trade(trade(number))

    (fetching,) = feed._make_backfill()
    task = asyncio.create_task(fetching)
    await until(lambda: missed)
    task.cancel()

    assert len(gaps) == 2
    assert {fields["symbol"] for _, fields in server.asked} == {"BTCUSDT"}


def told_feed(client: BinanceRest) -> tuple[BinanceFeed, list[UpstreamGap]]:
    """Return a feed of trades that is not connected, and the gaps that it tells."""
    gaps: list[UpstreamGap] = []
    feed = BinanceFeed("ws://127.0.0.1:1", {Kind.TRADE: "trade"}, client)
    feed.on_gap = gaps.append
    return feed, gaps


def test_trade_ids_far_higher_ones_are_of_another_stream() -> None:
    ids = TradeIds()
    ids.take(trade(5))

    assert ids.take(structs.replace(trade(3_000_000), time_us=1_000_000)) is None
    gap = ids.take(structs.replace(trade(3_000_002), time_us=1_000_000))

    assert gap is not None
    assert gap.reason == "trades 3000001 to 3000001 never came"
