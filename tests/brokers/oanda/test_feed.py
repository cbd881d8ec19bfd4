import asyncio
import json
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.connection import FeedState, KeptConnection
from brokers.connection import Timing as KeptTiming
from brokers.exceptions import (
    FeedLost,
    FeedRefused,
    FeedSilent,
    FeedUnauthorized,
    InvalidCredentials,
)
from brokers.feed import FollowedInstrument, UpstreamGap
from brokers.oanda.access import Access
from brokers.oanda.feed import OandaFeed, Timing, private_feed
from brokers.oanda.limits import StreamLimits
from marketdata.records import Kind, Record
from tests.brokers.oanda_server import (
    ACCOUNT,
    KEY,
    OandaServer,
    price_line,
    recorded_lines,
    shape_lines,
)
from tests.marketdata.polling import until

EUR = FollowedInstrument("EURUSD", "EUR_USD", 5)
YEN = FollowedInstrument("EURJPY", "EUR_JPY", 3)
SHORT = Timing(silence_s=1.0, settle_s=0.05, overlap_s=0.2, retry_s=0.2)


class Running:
    """A feed that runs against a server; ``records`` is what it emitted."""

    def __init__(self, server: OandaServer, *, max_streams: int = 20) -> None:
        self.records: list[Record] = []
        self.limits = StreamLimits(max_streams, 1_000)
        self.feed = OandaFeed(Access(server.address, ACCOUNT, KEY), self.limits, SHORT)
        self.task: asyncio.Task[None] | None = None

    def start(self, *instruments: FollowedInstrument) -> None:
        self.feed.follow(instruments)
        self.task = asyncio.create_task(self.feed.run(self.records.extend))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def bids(self, symbol: str) -> list[float]:
        return [item.bid for item in self.records if item.symbol == symbol]


@pytest.fixture
async def server() -> AsyncIterator[OandaServer]:
    """A server in the place of OANDA's streams."""
    async with OandaServer() as server:
        yield server


@pytest.fixture
async def running(server: OandaServer) -> AsyncIterator[Running]:
    """A feed with short times, not yet started."""
    running = Running(server)
    yield running
    await running.stop()


async def test_compat_check_21_request_is_the_one_that_oanda_documents(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR, YEN)
    await until(lambda: server.streams)

    (request,) = server.requests
    assert request.method == "GET"
    assert request.target == (
        f"/v3/accounts/{ACCOUNT}/pricing/stream?instruments=EUR_JPY,EUR_USD"
    )
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-datetime-format"] == "UNIX"


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1 << 20])
async def test_compat_check_21_chunks_end_anywhere_in_a_line(
    server: OandaServer, running: Running, chunk_bytes: int
) -> None:
    server.beat_s = 0
    running.start(EUR, YEN)
    await until(lambda: server.streams)
    lines = [*recorded_lines(), shape_lines()[0], shape_lines()[4]]
    prices = [json.loads(line) for line in lines]
    expected = [
        (item["instrument"].replace("_", ""), max(float(x["price"]) for x in bids))
        for item in prices
        if (bids := item.get("bids")) and item["instrument"] != "USD_JPY"
    ]

    await server.streams[0].play(lines, chunk_bytes=chunk_bytes)
    await until(lambda: len(running.records) == len(expected))

    assert [(item.symbol, item.bid) for item in running.records] == expected
    assert running.feed.counters.malformed == 0


async def test_run_garbled_lines_are_counted_and_cost_nothing_else(
    server: OandaServer, running: Running
) -> None:
    server.beat_s = 0
    running.start(EUR, YEN)
    await until(lambda: server.streams)
    good = [price_line("EUR_USD", 1 + n / 100, 2) for n in range(20)]
    bad = [b"", b"{", b"\xff\xfe\x00", b"[]", good[0][:80], b'{"type":"NEWS"}']
    lines = [item for line in good for item in (line, *bad)]

    await server.streams[0].send(b"\r\n".join(lines) + b"\n", chunk_bytes=50)
    await until(lambda: running.feed.counters.unknown_events == 20)

    assert running.bids("EURUSD") == [1 + n / 100 for n in range(20)]
    assert running.feed.counters.malformed == 20 * 4
    assert not running.task.done()


async def test_compat_check_21_two_instruments_are_never_taken_for_each_other(
    server: OandaServer, running: Running
) -> None:
    running.start(YEN, EUR)
    await until(lambda: server.streams)

    for n in range(50):
        await server.play(
            [
                price_line("EUR_USD", 1 + n / 100, 2),
                price_line("EUR_JPY", 160 + n / 100, 170),
                price_line("GBP_USD", 9, 9.1),
            ]
        )
    # Not even where the broker sends what was not asked for.
    await server.streams[0].send(price_line("GBP_USD", 9, 9.1) + b"\n")
    await until(lambda: running.feed.counters.unknown_symbols)

    assert running.bids("EURUSD") == [1 + n / 100 for n in range(50)]
    assert running.bids("EURJPY") == [160 + n / 100 for n in range(50)]
    assert len(running.records) == 100


async def test_compat_check_21_heartbeats_give_no_record_and_keep_the_stream(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)

    # So many take longer than the silence that ends a stream.
    await until(lambda: running.feed.counters.received >= 25)

    assert running.records == []
    assert not running.task.done()


async def test_compat_check_21_silence_ends_the_stream(
    server: OandaServer, running: Running
) -> None:
    server.beat_s = 0
    running.start(EUR)
    await until(lambda: server.streams)
    await server.streams[0].send(b'{"type":"HEARTBEAT","time":"1700000000.0"}\n')
    started_s = time.monotonic()

    with pytest.raises(FeedSilent, match="nothing received for 1 s"):
        await asyncio.wait_for(running.task, 60)

    assert time.monotonic() - started_s >= 0.9
    await until(lambda: not server.open_streams)
    assert running.limits.open == 0


async def test_compat_check_21_silence_makes_a_new_stream(
    server: OandaServer, running: Running
) -> None:
    server.beat_s = 0
    kept = KeptConnection(running.feed, KeptTiming(5, 0.01, 0.02, 1))
    kept.follow([EUR])

    task = asyncio.create_task(kept.run(running.records.extend))
    await until(lambda: len(server.streams) == 2)
    await server.play([price_line("EUR_USD", 1.1, 1.2)])
    await until(lambda: running.bids("EURUSD") == [1.1])
    assert kept.is_live
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("status", [401, 403])
async def test_compat_check_21_bad_credentials_are_asked_for_once_in_30_s(
    server: OandaServer, running: Running, status: int
) -> None:
    server.refusals = [(status, {})]
    kept = KeptConnection(running.feed, KeptTiming(5, 0.01, 0.02, 1))
    kept.follow([EUR])
    states: list[dict[str, Any]] = []
    kept._log = SimpleNamespace(info=lambda event, **facts: states.append(facts))

    task = asyncio.create_task(kept.run(running.records.extend))
    await until(lambda: kept.state is FeedState.LOST)
    task.cancel()

    assert len(server.requests) == 1
    assert not kept.is_live
    assert states[-1] == {
        "code": "BROKER_AUTH_FAILED",
        "error": f"the broker does not take the credentials: HTTP {status}",
        "retry_in_s": 30.0,
    }


async def test_compat_check_21_bad_credentials_of_many_feeds_are_asked_for_once(
    server: OandaServer,
) -> None:
    limits = StreamLimits(20, 1_000)
    access = Access(server.address, ACCOUNT, "wrong")
    good = OandaFeed(Access(server.address, ACCOUNT, KEY), limits, SHORT)

    for _ in range(5):
        with pytest.raises(FeedUnauthorized) as raised:
            await OandaFeed(access, limits, SHORT).check_access()
    await good.check_access()

    assert str(raised.value) == (
        "the broker refused these credentials less than 30 s ago"
    )
    assert raised.value.retry_after_s == 30
    keys = [item.headers["authorization"] for item in server.requests]
    assert keys == ["Bearer wrong", f"Bearer {KEY}"]
    assert limits.open == 0


async def test_run_without_instruments_asks_for_nothing(
    server: OandaServer, running: Running
) -> None:
    running.start()
    await asyncio.sleep(0.2)
    assert server.requests == []

    running.feed.follow([EUR])
    await until(lambda: server.streams)
    running.feed.follow([])
    await until(lambda: not server.open_streams)
    await asyncio.sleep(SHORT.settle_s * 3)

    assert len(server.requests) == 1
    assert not running.task.done()


async def test_run_without_credentials_asks_for_nothing(server: OandaServer) -> None:
    feed = OandaFeed(None, StreamLimits(20, 2))
    feed.follow([EUR])

    with pytest.raises(FeedUnauthorized, match="no OANDA credentials"):
        await feed.run(lambda records: None)

    assert server.requests == []


async def test_follow_one_more_loses_no_tick_of_the_others_and_repeats_none(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)
    sent: list[float] = []

    async def send_on() -> None:
        while True:
            bid = 1 + len(sent) / 10_000
            line = price_line("EUR_USD", bid, 2)
            server.snapshot = [line, price_line("EUR_JPY", 160, 161, time_s=1.6e9)]
            await server.play([line])
            sent.append(bid)
            await asyncio.sleep(0.002)

    sending = asyncio.create_task(send_on())
    await until(lambda: len(running.records) > 20)
    running.feed.follow([EUR, YEN])
    await until(lambda: len(server.streams) == 2 and len(server.open_streams) == 1)
    count = len(sent)
    await until(lambda: len(sent) > count + 20)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: running.bids("EURUSD")[-1] == sent[-1])

    assert server.most_open == 2
    assert server.open_streams[0].instruments == ["EUR_JPY", "EUR_USD"]
    assert running.bids("EURUSD") == sent
    assert running.bids("EURJPY") == [160]


async def test_follow_changes_that_come_together_share_one_stream(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)

    for n in range(10):
        more = [FollowedInstrument(f"C{n}USD", f"C{n}_USD", 2) for n in range(n)]
        running.feed.follow([EUR, *more])
    await until(lambda: len(server.streams) == 2 and len(server.open_streams) == 1)

    assert len(server.open_streams[0].instruments) == 10
    assert len(server.requests) == 2


async def test_follow_before_the_first_line_is_not_kept_waiting(
    server: OandaServer, running: Running
) -> None:
    server.beat_s = 0
    running.start(EUR)
    await until(lambda: server.streams)

    running.feed.follow([EUR, YEN])

    await until(lambda: len(server.streams) == 2)


async def test_follow_that_is_refused_keeps_the_old_stream_and_tries_again(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)
    server.refusals = [(500, {}), (503, {})]

    running.feed.follow([EUR, YEN])
    await until(lambda: len(server.requests) == 2)
    await server.play([price_line("EUR_USD", 1.1, 1.2)])
    await until(lambda: running.bids("EURUSD") == [1.1])
    await until(lambda: len(server.streams) == 2 and len(server.open_streams) == 1)

    assert not running.task.done()
    times = [item.time_s for item in server.requests]
    assert times[2] - times[1] >= SHORT.retry_s


async def test_follow_old_stream_that_ends_meanwhile_is_a_gap(
    server: OandaServer, running: Running
) -> None:
    gaps: list[UpstreamGap] = []
    running.feed.on_gap = gaps.append
    running.start(EUR)
    await until(lambda: server.streams)
    await server.play([price_line("EUR_USD", 1.1, 1.2)])
    await until(lambda: running.records)
    server.may_answer.clear()

    running.feed.follow([EUR, YEN])
    await until(lambda: len(server.requests) == 2)
    server.streams[0].end()
    await until(lambda: running.limits.open == 2 and not server.open_streams)
    await asyncio.sleep(0.05)
    server.may_answer.set()
    await until(lambda: len(server.open_streams) == 1 and running.limits.open == 1)

    assert [gap.reason for gap in gaps] == [
        "the old stream ended before the new one began"
    ]
    assert not running.task.done()


async def test_follow_without_room_for_a_second_stream_tells_the_gap(
    server: OandaServer,
) -> None:
    running = Running(server, max_streams=1)
    gaps: list[UpstreamGap] = []
    running.feed.on_gap = gaps.append
    running.start(EUR)
    await until(lambda: server.streams)
    await server.play([price_line("EUR_USD", 1.1, 1.2, time_s=1_700_000_000.25)])
    await until(lambda: running.records)

    running.feed.follow([EUR, YEN])
    await until(lambda: len(server.streams) == 2)
    await running.stop()

    assert server.most_open == 1
    assert [(gap.symbol, gap.kind, gap.from_us, gap.to_us) for gap in gaps] == [
        ("EURUSD", Kind.TICK, 1_700_000_000_250_000, None)
    ]


async def test_run_more_streams_than_allowed_are_not_asked_for(
    server: OandaServer,
) -> None:
    limits = StreamLimits(2, 1_000)
    access = Access(server.address, ACCOUNT, KEY)
    feeds = [OandaFeed(access, limits, SHORT) for _ in range(3)]
    for feed in feeds:
        feed.follow([EUR])
    tasks = [asyncio.create_task(feed.run(lambda records: None)) for feed in feeds]

    with pytest.raises(FeedLost, match="as many streams as OANDA allows"):
        await asyncio.wait_for(tasks[2], 60)

    await until(lambda: len(server.open_streams) == 2)
    assert len(server.requests) == 2
    for task in tasks[:2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limits.open == 0


async def test_run_again_drops_what_was_seen_before_the_reconnect(
    server: OandaServer, running: Running
) -> None:
    server.snapshot = [price_line("EUR_USD", 1.1, 1.2)]
    running.start(EUR)
    await until(lambda: running.records)
    server.streams[0].end()
    with pytest.raises(FeedLost):
        await running.task

    running.start(EUR)
    await until(lambda: len(server.streams) == 2)
    await server.play([price_line("EUR_USD", 1.3, 1.4)])
    await until(lambda: len(running.records) > 1)

    assert running.bids("EURUSD") == [1.1, 1.3]


async def test_run_dropped_or_finished_answer_raises_feed_lost(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)
    server.streams[0].end()
    with pytest.raises(FeedLost, match="ClientPayloadError|ClientConnection"):
        await asyncio.wait_for(running.task, 60)

    running.start(EUR)
    await until(lambda: len(server.streams) == 2)
    await server.streams[1].finish()
    with pytest.raises(FeedLost, match="the broker ended the stream"):
        await asyncio.wait_for(running.task, 60)


async def test_run_line_without_an_end_raises_feed_lost(
    server: OandaServer, running: Running
) -> None:
    running.start(EUR)
    await until(lambda: server.streams)

    await server.streams[0].send(b"x" * 1_000_000)

    with pytest.raises(FeedLost, match="a line without an end"):
        await asyncio.wait_for(running.task, 60)


@pytest.mark.parametrize(
    ("status", "headers", "retry_after_s"),
    [(400, {}, 0), (404, {}, 0), (429, {"Retry-After": "77"}, 77), (451, {}, 0)],
)
async def test_run_refused_waits_for_long(
    server: OandaServer,
    running: Running,
    status: int,
    headers: dict[str, str],
    retry_after_s: float,
) -> None:
    server.refusals = [(status, headers)]
    running.start(EUR)

    with pytest.raises(FeedRefused) as raised:
        await asyncio.wait_for(running.task, 60)

    assert (raised.value.status, raised.value.retry_after_s) == (status, retry_after_s)
    assert running.limits.open == 0


async def test_run_instrument_that_is_unknown_costs_the_others_nothing(
    server: OandaServer, running: Running
) -> None:
    server.unknown = {"XAU_USD", "C07_USD"}
    names = ["EUR_USD", "XAU_USD", *(f"C{n:02}_USD" for n in range(30))]
    more = [FollowedInstrument(name.replace("_", ""), name, 5) for name in names]
    running.start(*more)
    await until(lambda: running.feed.counters.received)
    requests = len(server.requests)

    await until(lambda: len(server.open_streams) == 1)
    assert set(server.open_streams[0].instruments) == {*names} - server.unknown
    await server.play([price_line("EUR_USD", 1.1, 1.2)])
    await until(lambda: running.bids("EURUSD") == [1.1])
    running.feed.follow([*more, YEN])
    await until(lambda: len(server.open_streams[0].instruments) == 31)

    assert requests <= 22
    assert len(server.requests) == requests + 1
    assert running.limits.open <= 2


async def test_run_all_refused_gives_up_soon(
    server: OandaServer, running: Running
) -> None:
    names = [f"C{n:02}_USD" for n in range(40)]
    server.unknown = {*names}
    running.start(*(FollowedInstrument(name, name, 5) for name in names))

    with pytest.raises(FeedRefused, match="HTTP 400"):
        await asyncio.wait_for(running.task, 60)

    assert len(server.requests) == 9
    assert running.limits.open == 0


async def test_run_redirect_is_not_followed_with_the_key(
    server: OandaServer, running: Running
) -> None:
    server.refusals = [(302, {"Location": f"{server.address}/elsewhere"})]
    running.start(EUR)

    with pytest.raises(FeedLost, match="expected HTTP 200, found 302"):
        await asyncio.wait_for(running.task, 60)

    assert len(server.requests) == 1


async def test_check_access_good_and_bad_credentials(server: OandaServer) -> None:
    limits = StreamLimits(20, 1_000)
    good = OandaFeed(Access(server.address, ACCOUNT, KEY), limits)
    bad = OandaFeed(Access(server.address, ACCOUNT, "other"), limits)

    await good.check_access()
    with pytest.raises(FeedUnauthorized, match="HTTP 401"):
        await bad.check_access()

    assert limits.open == 0
    await until(lambda: not server.open_streams)


async def test_credentials_are_in_no_text(
    server: OandaServer, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    errors: list[BaseException] = []
    for refusals in ([(400, {})], [(500, {})], [(200, {"X": "\x00"})], [(401, {})]):
        server.refusals = refusals
        running.start(EUR)
        (error,) = await asyncio.gather(running.task, return_exceptions=True)
        errors.append(error)
    away = Access("http://127.0.0.1:1", ACCOUNT, KEY)
    for access in (away, Access("http://nowhere.invalid", ACCOUNT, KEY)):
        feed = OandaFeed(access, StreamLimits(1, 10), SHORT)
        feed.follow([EUR])
        (error,) = await asyncio.gather(
            feed.run(lambda records: None), return_exceptions=True
        )
        errors.append(error)

    texts = [repr(away), str(away), repr(away.__rich_repr__()), capsys.readouterr().out]
    for error in errors:
        assert isinstance(error, FeedLost)
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
        texts += [str(error), repr(error)]
    assert not [text for text in texts if KEY in text or ACCOUNT in text]


def settings_of(server: OandaServer) -> SimpleNamespace:
    return SimpleNamespace(
        OANDA_URL=server.address,
        OANDA_ENVIRONMENT="",
        OANDA_MAX_STREAMS=20,
        OANDA_CONNECTS_PER_S=1_000.0,
        OANDA_SILENCE_S=12.0,
        OANDA_API_KEY="ours",
        OANDA_ACCOUNT_ID="ours",
    )


@pytest.mark.parametrize("name", ["apiKey", "token"])
async def test_private_feed_uses_the_clients_account(
    server: OandaServer, name: str
) -> None:
    feed = private_feed(settings_of(server), {name: KEY, "accountId": ACCOUNT})

    await feed.check_access()

    assert f"/v3/accounts/{ACCOUNT}/pricing" in server.requests[0].target
    await until(lambda: not server.open_streams)


@pytest.mark.parametrize(
    ("credentials", "text"),
    [
        ({}, "OANDA API key not configured"),
        ({"accountId": "1"}, "OANDA API key not configured"),
        ({"apiKey": "k"}, "OANDA account ID not configured"),
        ({"apiKey": "k\r\nX: y", "accountId": "1"}, "OANDA API key has characters"),
        ({"apiKey": "k", "accountId": "é"}, "OANDA account ID has characters"),
        (
            {"apiKey": "k", "accountId": "1", "environment": "http://evil"},
            "environment: expected practice or live",
        ),
    ],
)
async def test_private_feed_never_falls_back_on_our_account(
    server: OandaServer, credentials: dict[str, str], text: str
) -> None:
    with pytest.raises(InvalidCredentials, match=text) as raised:
        private_feed(settings_of(server), credentials)

    assert raised.value.code == "AUTH_FAILED"
