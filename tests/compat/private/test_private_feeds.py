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


async def test_compat_checks_14_and_17_private_feed_is_preferred_and_for_its_owner_only(
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

    assert {PRICES[ALICE], PRICES[BOB]}.isdisjoint(all_.prices)
    assert PRICES[BOB] not in alice.prices
    assert PRICES[ALICE] not in bob.prices
    assert PRICES[PUBLIC] not in alice.prices[alice.prices.index(PRICES[ALICE]) :]
    (accepted,) = reply["accepted"]
    assert (accepted["private"], accepted["recorded"]) == (True, False)
    assert reply["rejected"][0]["code"] == "UNSUPPORTED_SINCE"
    assert [item["private"] for item in listed["subscriptions"]] == [True, True]
    assert "clientId" not in str(alice.data)


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
        await alice.follow()
        await other.follow()
        await alice.gets(ALICE)
        await other.gets(PUBLIC)
        told, numbered = len(other.frames), len(other.data)
        for _ in range(20):
            before = oanda.logins.count(ALICE)
            oanda.drop(ALICE)
            await until(lambda n=before: oanda.logins.count(ALICE) > n, timeout_s=10)
            await until(lambda: oanda.streams_of(ALICE))
        oanda.away.add(ALICE)
        oanda.drop(ALICE)
        await until(lambda: "FEED_DOWN" in alice.codes, timeout_s=10)
        down, last = len(alice.frames), alice.data[-1]
        oanda.away.clear()
        await alice.gets(ALICE)
        codes = {"FEED_UP", "GAP"}
        await until(lambda: set(alice.codes[-2:]) == codes, timeout_s=10)
        (gap,) = (item for item in alice.frames[down:] if item["code"] == "GAP")
        back = next(item for item in alice.data if item["seq"] == last["seq"] + 1)
        numbers = [frame["seq"] for frame in other.data[numbered:]]

    assert (gap["broker"], gap["symbol"]) == ("oanda", "EUR/USD")
    assert gap["from"] == last["data"]["timestamp"]
    assert gap["to"] == back["data"]["timestamp"]
    assert other.frames[told:] == []
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert market.processes["feed"].poll() is None
    assert market.processes["serve"].poll() is None


async def test_private_feed_is_handed_over_to_a_new_feed_process(
    market: Market, oanda: OandaMarket
) -> None:
    async with trader(market) as alice:
        await alice.authenticate(A)
        await alice.follow()
        await alice.gets(ALICE)
        before = alice.data[-1]["epoch"]

        market.kill_feed()
        await until(lambda: "FEED_DOWN" in alice.codes, timeout_s=10)
        await asyncio.to_thread(market.start_feed)
        await alice.gets(ALICE)
        await until(lambda: alice.codes[-1] == "FEED_UP", timeout_s=10)

        assert int(alice.data[-1]["epoch"], 36) > int(before, 36)
        assert PRICES[PUBLIC] not in alice.prices
        assert len([frame for frame in alice.frames if "id" in frame]) == 2


async def test_private_feeds_are_served_where_the_broker_is_not_public(
    market: Market, oanda: OandaMarket
) -> None:
    market.kill_feed()
    await asyncio.to_thread(market.start_feed, "--private-only")
    oanda.requests.clear()  # the killed process may have come
    async with trader(market) as alice, trader(market) as other:
        await alice.authenticate(A)
        await alice.follow()
        await other.follow()
        await alice.gets(ALICE)
        logins = set(oanda.logins)
    market.kill_feed()
    await asyncio.to_thread(market.start_feed)

    # What is stored of a public feed that was there before is shown, as what it is.
    assert {frame.get("state") for frame in other.data} <= {"stale"}
    assert logins == {ALICE}


async def test_authenticate_while_no_feed_process_runs_waits_for_one(
    market: Market, oanda: OandaMarket
) -> None:
    market.kill_feed()
    async with trader(market) as alice:
        answer = asyncio.create_task(alice.authenticate(A))
        ping = await alice.ask(action="ping")
        assert not answer.done()
        await asyncio.to_thread(market.start_feed)

        assert (await answer)["message"] == "Authenticated with oanda"
    assert ping["type"] == "pong"
