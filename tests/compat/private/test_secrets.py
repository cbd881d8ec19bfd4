"""COMPAT check 51: secrets are planted wherever we take them, and found nowhere."""

import asyncio
import json
from collections.abc import Callable

import pytest
from django.test import Client

from tests.brokers.oanda_market import Login, OandaMarket
from tests.compat.private.market import Market
from tests.compat.private.traces import (
    database_text,
    listening,
    metric_texts,
    process_texts,
    redis_texts,
    stored_bids,
)
from tests.compat.private.traders import (
    ALICE,
    BOB,
    DESK,
    NOBODY,
    OF_FILE,
    PRICES,
    PUBLIC,
    WRONG,
    A,
    Trader,
    trader,
)
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis

pytestmark = pytest.mark.django_db

PAGES = "/admin/brokers/brokeraccount/"
MISTAKEN = "planted-in-a-field-that-is-none-8842"
HALF = "planted-in-half-a-frame-6120"
SECRETS = {*A.values(), *NOBODY, *PUBLIC, *DESK, *OF_FILE, MISTAKEN, HALF}


def spiteful_answers(login: Login) -> list[bytes]:
    """Return answers that put what was shown into errors of whoever reads them."""
    account, key = (value.encode() for value in login)
    return [
        b"HTTP/1.1 Bearer " + key + b" for " + account + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + key + b" no header " + account + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/" + key + b"\r\n\r\n",
        b"HTTP/1.1 500 " + key + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + key + b"\r\n",
    ]


async def spite(oanda: OandaMarket, login: Login, drop: Callable[[], None]) -> None:
    """Have the account's feed lost, answered spitefully, and given odd lines."""
    oanda.answers[login] = spiteful_answers(login)
    drop()
    await until(lambda: not oanda.answers[login], timeout_s=20)
    await until(lambda: oanda.streams_of(login), timeout_s=20)
    for line in (
        f'{{"type": "PRICE", "{login.key}": ',
        json.dumps({"type": "PRICE", "instrument": login.key, "time": login.account}),
        json.dumps({"type": login.key}),
        login.key,
    ):
        await asyncio.to_thread(oanda.say, login, line.encode())


async def authenticate_in_all_ways(alice: Trader) -> None:
    await alice.authenticate(WRONG)
    await alice.authenticate({**WRONG, "environment": MISTAKEN})
    await alice.authenticate({"token": f"{MISTAKEN} {HALF}", "accountId": HALF})
    await alice.authenticate({"token": [MISTAKEN], "accountId": {HALF: MISTAKEN}})
    await alice.ask(action="authenticate", broker="zzz", credentials={"x": HALF})
    await alice.ask(action="authentikate", broker="oanda", credentials=A)
    await alice.socket.send(f'{{"action":"authenticate","credentials":{{"{HALF}')
    await alice.authenticate(A)


def use_admin(market: Market, boss: Client) -> str:
    """Enter an account and mistaken ones, test it; return all that was shown."""
    account = {"accountId": DESK.account, "apiKey": DESK.key, "is_active": "on"}
    test = {"action": "test_connection", "_selected_action": "oanda"}
    steps: list[tuple[str, dict[str, str] | None]] = [
        ("add/", account | {"broker": "oanda", "apiSecret": MISTAKEN}),
        ("add/", account | {"broker": "oanda", "accountId": f"{MISTAKEN} {HALF}"}),
        ("add/", account | {"broker": "oanda"}),
        ("", test),
        ("oanda/change/", account | {"apiKey": NOBODY.key}),
        ("", test),
        ("oanda/change/", account),
        *(("", None), ("oanda/change/", None), ("oanda/history/", None)),
    ]
    answers = [market.page(PAGES + path, boss, fields) for path, fields in steps]
    assert [status for status, _ in answers[:7]] == [200, 200, *[302] * 5]
    return "".join(page for _, page in answers)


async def test_compat_check_51_credentials_are_found_nowhere(
    market: Market,
    oanda: OandaMarket,
    market_redis: PrivateRedis,
    market_database: str,
    boss: Client,
) -> None:
    async with listening(market_redis.url) as heard, trader(market) as alice:
        await authenticate_in_all_ways(alice)
        await alice.follow()
        await alice.gets(ALICE)
        await spite(oanda, ALICE, lambda: oanda.drop(ALICE))
        await alice.gets(ALICE)
        await spite(oanda, PUBLIC, lambda: oanda.drop(PUBLIC))
        pages = await asyncio.to_thread(use_admin, market, boss)
        await until(lambda: oanda.streams_of(DESK), timeout_s=15)
        await spite(oanda, DESK, lambda: oanda.drop(DESK))
        texts = [process_texts(item.pid) for item in market.processes.values()]
        kept = await redis_texts(market_redis.url)
        frames = f"{alice.frames}{alice.data}"
        metrics = await asyncio.to_thread(metric_texts, market)
        await until(lambda: PRICES[DESK] in stored_bids(market_database), timeout_s=15)
    stored = await asyncio.to_thread(database_text, market_database)
    bids = await asyncio.to_thread(stored_bids, market_database)
    delete = {"post": "yes"}
    await asyncio.to_thread(market.page, PAGES + "oanda/delete/", boss, delete)

    # What is searched is there.
    assert any(b"md.private.oanda" in item for item in heard)
    assert any(b"md.tick.oanda_7e_" in item for item in heard)
    assert "private feed refused" in market.log
    assert "first malformed line" in market.log
    assert "gAAAA" in stored  # how what Fernet encrypted begins
    assert "Oanda accepts the account." in pages
    assert "~" not in metrics
    assert all(PUBLIC.key in environment for _, environment in texts)
    assert bids >= {PRICES[PUBLIC], PRICES[DESK]}
    assert not bids & {PRICES[ALICE], PRICES[BOB]}
    given = {*PUBLIC}
    for secret in SECRETS:
        found = {
            "log": secret in market.log,
            "ps": secret in "".join(shown for shown, _ in texts),
            "environment": secret in str(texts) and secret not in given,
            "Redis": any(secret.encode() in item for item in (*heard, *kept)),
            "database": secret in stored,
            "frames": secret in frames,
            "metrics": secret in metrics,
            "pages": secret in pages,
        }
        assert not any(found.values()), (secret, found)
