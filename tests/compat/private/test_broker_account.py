"""Our account at a broker, changed in the admin while its feed runs (COMPAT 50)."""

import asyncio

import pytest
from django.test import Client

from tests.brokers.oanda_market import Login, OandaMarket
from tests.compat.private.market import Market
from tests.compat.private.traders import (
    DESK,
    NOBODY,
    PUBLIC,
    RENEWED,
    Trader,
    trader,
)
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db

PAGES = "/admin/brokers/brokeraccount/"
TAKES_EFFECT_S = 10.0  # in COMPAT; CATALOG_REFRESH_S is shortened here


def fields(login: Login) -> dict[str, str]:
    return {"is_active": "on", "accountId": login.account, "apiKey": login.key}


async def test_compat_check_50_changed_account_takes_effect_without_a_restart(
    market: Market, oanda: OandaMarket, boss: Client
) -> None:
    async def save(path: str, **fields: str) -> None:
        status, page = await asyncio.to_thread(market.page, PAGES + path, boss, fields)
        assert status == 302, page

    async with trader(market) as one:

        async def uses(login: Login) -> None:
            accounts = (PUBLIC, DESK, RENEWED)
            await until(
                lambda: (
                    [each for each in accounts if oanda.streams_of(each)] == [login]
                ),
                timeout_s=TAKES_EFFECT_S,
            )
            await one.gets(login)

        await one.follow()
        await uses(PUBLIC)
        await save("add/", broker="oanda", **fields(DESK))
        await uses(DESK)
        await save("oanda/change/", **fields(RENEWED))
        await uses(RENEWED)
        await save("oanda/change/", is_active="on", apiKey=NOBODY.key)
        wrong = RENEWED._replace(key=NOBODY.key)
        await until(lambda: wrong in oanda.logins, timeout_s=TAKES_EFFECT_S)
        await until(lambda: "FEED_DOWN" in one.codes)
        await save("oanda/change/", apiKey=DESK.key)  # not active: the environment's
        await uses(PUBLIC)
        await save("oanda/change/", **fields(DESK))
        await uses(DESK)
        await save("oanda/delete/", post="yes")
        await uses(PUBLIC)
        await until(lambda: len(one.gaps) == 5)

    assert_truth(one)


def assert_truth(one: Trader) -> None:
    """All that was published came, and each hole in OANDA's prices was told."""
    numbers = [frame["seq"] for frame in one.data]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len({frame["epoch"] for frame in one.data}) == 1
    times = [frame["data"]["timestamp"] for frame in one.data]
    assert times == sorted(times)
    gaps = [
        (item["from"], item["to"]) for item in one.frames if item.get("code") == "GAP"
    ]
    assert len(gaps) == 5
    for start, end in gaps:
        assert times.index(end) - times.index(start) == 1
