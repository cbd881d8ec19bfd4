"""Our account at a broker, changed in the admin while its feed runs (COMPAT 50)."""

import asyncio
from collections.abc import Iterator

import pytest
from django.test import Client

from tests.brokers.oanda_market import Login, OandaMarket
from tests.compat.private.market import Market
from tests.compat.private.traders import DESK, NOBODY, PUBLIC, Trader, trader
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db

PAGES = "/admin/brokers/brokeraccount/"
TAKES_EFFECT_S = 10.0  # in COMPAT; CATALOG_REFRESH_S is shortened here
ONE, TWO = DESK, PUBLIC._replace(key="key-of-ours-renewed-1d0c")


def fields(login: Login) -> dict[str, str]:
    return {"is_active": "on", "accountId": login.account, "apiKey": login.key}


@pytest.fixture
def account(market: Market, oanda: OandaMarket) -> Iterator[None]:
    """No account is left behind."""
    yield
    oanda.prices.pop(TWO, None)


async def test_compat_check_50_changed_account_takes_effect_without_a_restart(
    market: Market, oanda: OandaMarket, account: None, boss: Client
) -> None:
    oanda.prices[TWO] = 4.0

    async def save(path: str, **fields: str) -> None:
        status, page = await asyncio.to_thread(market.page, PAGES + path, boss, fields)
        assert status == 302, page

    async def is_used(login: Login) -> None:
        await until(
            lambda: (
                {each for each in (PUBLIC, ONE, TWO) if oanda.streams_of(each)}
                == {login}
            ),
            timeout_s=TAKES_EFFECT_S,
        )

    async with trader(market) as one:
        await one.follow()
        await one.gets(PUBLIC)
        await save("add/", broker="oanda", **fields(ONE))
        await is_used(ONE)
        await one.gets(DESK)
        await save(
            "oanda/change/", is_active="on", accountId=TWO.account, apiKey=TWO.key
        )
        await is_used(TWO)
        await save("oanda/change/", is_active="on", apiKey=NOBODY.key)
        await until(
            lambda: Login(TWO.account, NOBODY.key) in oanda.logins, timeout_s=10
        )
        await until(lambda: "FEED_DOWN" in one.codes)
        await save("oanda/change/", apiKey=ONE.key)  # not active: the environment's
        await is_used(PUBLIC)
        await one.gets(PUBLIC)
        await save("oanda/change/", **fields(ONE))
        await is_used(ONE)
        await save("oanda/delete/", post="yes")
        await is_used(PUBLIC)
        await one.gets(PUBLIC)

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
