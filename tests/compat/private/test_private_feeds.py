"""Private feeds from outside: our processes, and OANDA's protocol (COMPAT part d)."""

import asyncio
import contextlib

import pytest

from tests.brokers.oanda_market import OandaMarket
from tests.compat.private.market import Market
from tests.compat.private.traders import (
    ALICE,
    BOB,
    NOBODY,
    PRICES,
    PUBLIC,
    WRONG,
    A,
    B,
    Trader,
    trader,
)
from tests.compat.sockets import client
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db


async def test_compat_check_6_authenticate_is_answered_once_by_the_broker(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as one:
        missing = await one.ask(action="authenticate", broker="oanda")
        unknown = await one.ask(action="authenticate", broker="zzz", credentials=A)
        none = await one.ask(
            action="authenticate", broker="oanda", credentials={"apiKey": "x"}
        )
        assert oanda.logins.count(NOBODY) == 0
        bad = [await one.authenticate(WRONG), await one.authenticate(WRONG)]
        tries = oanda.logins.count(NOBODY)
        good = await one.authenticate(A)
        contacted = ALICE in oanda.logins
        answers = [frame for frame in one.frames if "id" in frame]

    assert (missing["type"], missing["message"]) == (
        "error",
        "Missing broker or credentials",
    )
    assert unknown["message"] == "Authentication failed: Unknown broker type: zzz"
    assert none["message"] == "Authentication failed: OANDA account ID not configured"
    for answer in bad:
        assert (answer["type"], answer["code"]) == ("error", "BROKER_AUTH_FAILED")
        assert answer["message"] == (
            "Authentication failed: the broker does not accept the credentials"
        )
    assert tries == 1
    assert (good["type"], good["message"]) == ("status", "Authenticated with oanda")
    assert contacted
    assert len(answers) == 6


async def test_compat_check_14_and_17_private_feed_is_preferred_and_for_its_owner_only(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as alice, trader(market) as bob, trader(market) as all_:
        for each in (alice, bob, all_):
            await each.follow()
            await each.gets(PUBLIC)
        await alice.authenticate(A)
        await bob.authenticate(B)
        await alice.gets(ALICE)
        await bob.gets(BOB)
        reply = await alice.follow("GBP/USD", broker="oAnda", since=1)
        await all_.follow("GBP_USD")
        await all_.gets(PUBLIC, 20)
        listed = await alice.ask(action="list")
        candle = await alice.follow(types=["candle"])
        await until(lambda: len(alice.candles) > 1)

    assert {PRICES[ALICE], PRICES[BOB]}.isdisjoint(all_.prices)
    assert PRICES[BOB] not in alice.prices
    assert PRICES[ALICE] not in bob.prices
    assert PRICES[PUBLIC] not in alice.prices[alice.prices.index(PRICES[ALICE]) :]
    (accepted,) = reply["accepted"]
    assert (accepted["private"], accepted["recorded"]) == (True, False)
    assert reply["rejected"][0]["code"] == "UNSUPPORTED_SINCE"
    assert [item["private"] for item in listed["subscriptions"]] == [True, True]
    assert "clientId" not in str(alice.data)
    # Candles stay public ones: private records are in none.
    assert "private" not in candle["accepted"][0]
    assert {round(item["data"]["data"]["close"]) for item in alice.candles} == {1}


async def test_compat_check_10_private_feed_ends_with_its_client(
    market: Market, oanda: OandaMarket
) -> None:
    async with client(market.url) as connected:
        await connected.json()
        one = Trader(connected)
        await one.authenticate(A)
        await one.follow()
        await one.gets(ALICE)
        await until(lambda: len(oanda.streams_of(ALICE)) == 1)

        connected.connection.transport.abort()
        await until(lambda: not oanda.streams_of(ALICE), timeout_s=5)
        one.reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await one.reading


async def test_private_feed_with_equal_credentials_is_one_and_replaced_ones_end(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as one, trader(market) as two:
        for each in (one, two):
            await each.authenticate(A)
            await each.follow()
            await each.gets(ALICE)
        await until(lambda: len(oanda.streams_of(ALICE)) == 1)

        await one.authenticate(WRONG)
        await one.gets(ALICE)
        await one.authenticate(B)
        await one.gets(BOB)
        await until(lambda: len(oanda.streams_of(ALICE)) == 1)
        await two.gets(ALICE)
        await two.authenticate(B)
        await two.gets(BOB)
        await until(lambda: not oanda.streams_of(ALICE))
        assert len(oanda.streams_of(BOB)) == 1


async def test_compat_check_18_private_upstream_that_is_reset_harms_nobody(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as alice, trader(market) as other:
        await alice.authenticate(A)
        for each in (alice, other):  # in a market that never closes
            await each.follow("BTC/USD", broker="oanda")
        await alice.gets(ALICE)
        await other.gets(PUBLIC)
        told, numbered = len(other.frames), len(other.data)
        for _ in range(20):
            before = oanda.logins.count(ALICE)
            oanda.drop(ALICE)
            await until(lambda n=before: oanda.logins.count(ALICE) > n, timeout_s=10)
            await until(lambda: oanda.streams_of(ALICE))
        await alice.gets(ALICE)
        await until(lambda: alice.states[-1:] != ["FEED_DOWN"])
        downs, gaps = alice.states.count("FEED_DOWN"), len(alice.gaps)
        oanda.away.add(ALICE)
        oanda.drop(ALICE)
        await until(lambda: alice.states.count("FEED_DOWN") > downs, timeout_s=10)
        last = alice.data[-1]
        oanda.away.clear()
        await alice.gets(ALICE)
        await until(lambda: alice.states[-1] == "FEED_UP", timeout_s=10)
        await until(lambda: len(alice.gaps) > gaps)
        gap = alice.gaps[-1]
        back = next(item for item in alice.data if item["seq"] == last["seq"] + 1)
        numbers = [frame["seq"] for frame in other.data[numbered:]]

    assert (gap["broker"], gap["symbol"]) == ("oanda", "BTC/USD")
    assert gap["from"] == last["data"]["timestamp"]
    assert gap["to"] == back["data"]["timestamp"]
    assert other.frames[told:] == []
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert market.processes["feed"].poll() is None
    assert market.processes["serve"].poll() is None


async def test_private_feed_is_handed_over_and_opened_when_a_feed_process_starts(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as alice, trader(market) as bob:
        await alice.authenticate(A)
        await alice.follow()
        await alice.gets(ALICE)
        before = alice.data[-1]["epoch"]

        market.kill_feed()
        await until(lambda: "FEED_DOWN" in alice.codes, timeout_s=10)
        starting = asyncio.create_task(asyncio.to_thread(market.start_feed))
        answer = asyncio.create_task(bob.authenticate(B))
        ping = await bob.ask(action="ping")
        assert not answer.done()
        await starting
        await alice.gets(ALICE)
        await until(lambda: alice.codes[-1] == "FEED_UP", timeout_s=10)

        assert (await answer)["message"] == "Authenticated with oanda"
    assert ping["type"] == "pong"
    assert int(alice.data[-1]["epoch"], 36) > int(before, 36)
    assert PRICES[PUBLIC] not in alice.prices
    assert len([frame for frame in alice.frames if "id" in frame]) == 2


async def test_private_feeds_are_served_by_one_process_that_may_have_no_public_one(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as alice, trader(market) as other:
        await alice.authenticate(A)
        await alice.follow()
        await alice.gets(ALICE)
        opened, epochs = oanda.logins.count(ALICE), [alice.data[-1]["epoch"]]

        spare = {"name": "spare", "awaits": "private service stands by"}
        await asyncio.to_thread(market.start_feed, "--private-only", **spare)
        assert oanda.logins.count(ALICE) == opened
        oanda.requests.clear()
        await asyncio.to_thread(market.stop_feed)
        await alice.gets(ALICE)
        await other.follow()
        assert set(oanda.logins) == {ALICE}
        epochs.append(alice.data[-1]["epoch"])

        await asyncio.to_thread(market.start_feed, awaits="feed live")
        await other.gets(PUBLIC)
        await alice.gets(ALICE)
        assert oanda.logins.count(ALICE) == 1
        assert alice.data[-1]["epoch"] == epochs[-1]
        await asyncio.to_thread(market.stop_feed, "spare")
        await until(lambda: alice.data[-1]["epoch"] != epochs[-1], timeout_s=15)
        epochs.append(alice.data[-1]["epoch"])

    assert [int(epoch, 36) for epoch in epochs] == sorted(
        {int(epoch, 36) for epoch in epochs}
    )
    assert PRICES[PUBLIC] not in alice.prices
