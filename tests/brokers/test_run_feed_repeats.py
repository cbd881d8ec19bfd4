"""Ticks without a number that a broker repeats to the process behind a killed one."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from history.models import Tick
from tests.brokers.kraken_server import KrakenServer, ticker_frame
from tests.brokers.oanda_server import ACCOUNT, KEY, OandaServer, price_line
from tests.brokers.processes import manage
from tests.brokers.test_run_feed import stored, until_stored
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

Send = Callable[[float, float], Awaitable[None]]  # bid and time


async def of_oanda(stack: AsyncExitStack) -> tuple[dict[str, str], Callable, Send]:
    """Return the settings, the number of its streams so far, and what sends a price."""
    server = await stack.enter_async_context(OandaServer())

    async def send(bid: float, time_s: float) -> None:
        line = price_line("EUR_USD", bid, bid + 1, time_s=time_s)
        await server.streams[-1].play([line])

    settings = {
        "OANDA_URL": server.address,
        "OANDA_API_KEY": KEY,
        "OANDA_ACCOUNT_ID": ACCOUNT,
    }
    return settings, lambda: len(server.streams), send


async def of_kraken(stack: AsyncExitStack) -> tuple[dict[str, str], Callable, Send]:
    """Return the same of Kraken, whose tickers have no time."""
    server = await stack.enter_async_context(KrakenServer())

    async def send(bid: float, time_s: float) -> None:
        await server.send(ticker_frame("XBT/USD", bid, bid + 1))

    settings = {"KRAKEN_WS_URL": server.address}
    return settings, lambda: len(server.asked("subscribe")), send


@pytest.mark.parametrize(
    ("broker", "world", "symbol"),
    [("oanda", of_oanda, "EURUSD"), ("kraken", of_kraken, "BTCUSD")],
)
async def test_repeated_tick_is_stored_once(
    instruments: int, prefix: str, broker: str, world: Callable, symbol: str
) -> None:
    async with AsyncExitStack() as stack:
        settings, subscriptions, send = await world(stack)
        settings |= {
            "CHANNEL_PREFIX": prefix,
            "LEASE_EXPIRY_S": "1",
            "RECORDER_FLUSH_S": "0.1",
        }
        async with manage("run_feed", broker, **settings) as feed:
            await until(subscriptions, timeout_s=20)
            await send(1.5, 1_700_000_000.25)
            await until_stored(Tick, symbol, 1, broker)
            await feed.stop(signal.SIGKILL)
        before = subscriptions()
        async with manage("run_feed", broker, **settings) as feed:
            await until(lambda: subscriptions() > before, timeout_s=20)
            await send(1.5, 1_700_000_000.25)
            await send(1.75, 1_700_000_001.5)
            await until_stored(Tick, symbol, 2, broker)
            assert await feed.stop() == 0, feed.log

    rows = await asyncio.to_thread(stored, Tick, symbol, broker)
    assert sorted(row.bid for row in rows) == [1.5, 1.75]
