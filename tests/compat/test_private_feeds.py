"""Private feeds from outside: our processes, a broker on a socket (COMPAT part d)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest
from redis.asyncio import Redis

from tests.brokers.line_broker import LineBroker
from tests.compat.private_market import Market, running_market
from tests.compat.sockets import Socket, client
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis

pytestmark = pytest.mark.django_db

A = {
    "token": "token-of-alice-5ac1",
    "accountId": "account-of-alice-77",
    "apiKey": "key-of-alice-31337",
    "apiSecret": "secret-of-alice-4711",
}
B = {"token": "token-of-bob-91b2", "accountId": "account-of-bob-88"}
WRONG = {"token": "token-of-nobody-00", "accountId": "account-of-nobody"}
SECRETS = {*A.values(), *B.values(), *WRONG.values()}
PUBLIC_PRICE, A_PRICE, B_PRICE = 1.0, 2.0, 3.0
SETTINGS = {
    "CHANNEL_PREFIX": "private-feeds",
    "ALLOWED_HOSTS": "127.0.0.1",
    "BROKERS_ENABLED": "oanda",
    "GROUP_GRACE_S": "0.3",
    "FEED_SILENT_S": "2.5",
    "RECONNECT_MIN_S": "0.02",
    "RECONNECT_MAX_S": "0.1",
    "RECORDER_FLUSH_S": "0.1",
    "STATISTICS_S": "1",
    "LOG_LEVEL": "DEBUG",
}


@pytest.fixture(scope="module")
def port() -> int:
    """A port for the broker, free when this was asked."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def market(
    private_redis: PrivateRedis,
    database: str,
    port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Market]:
    """`serve` and `run_feed oanda`."""
    environment = {
        **SETTINGS,
        "DATABASE_URL": database,
        "REDIS_URL": private_redis.url,
        "LINE_BROKER_PORT": str(port),
    }
    with running_market(tmp_path_factory.mktemp("logs"), environment) as market:
        yield market


@pytest.fixture
async def broker(port: int) -> AsyncIterator[LineBroker]:
    """The broker, which knows A and B."""
    async with LineBroker(port) as broker:
        broker.prices |= {A["token"]: A_PRICE, B["token"]: B_PRICE}
        yield broker
        await until(lambda: not any(map(broker.connections, SECRETS)), timeout_s=5)


class Trader:
    """A client that sorts what it gets; reads all the time."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.prices: list[float] = []
        self.frames: list[dict[str, Any]] = []
        self.data: list[dict[str, Any]] = []
        self._asked = 0
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            frame = await self._socket.json(timeout_s=60)
            if frame["type"] == "data":
                self.data.append(frame)
                self.prices.append(frame["data"]["data"]["bid"])
            elif frame["type"] != "heartbeat":
                self.frames.append(frame)

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer, the next with its id."""
        self._asked += 1
        request_id = f"q{self._asked}"
        await self._socket.send({**fields, "id": request_id})
        await until(lambda: self.answers(request_id), timeout_s=20)
        return self.answers(request_id)[0]

    def answers(self, request_id: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("id") == request_id]

    async def authenticate(self, credentials: dict[str, str]) -> dict[str, Any]:
        return await self.ask(
            action="authenticate", broker="OANDA", credentials=credentials
        )

    async def follow(self, symbol: str = "EUR/USD", **fields: Any) -> dict[str, Any]:
        return await self.ask(action="subscribe", symbols=[symbol], **fields)

    @property
    def codes(self) -> list[str]:
        return [frame["code"] for frame in self.frames if "code" in frame]

    async def gets(self, price: float, count: int = 3) -> None:
        """Wait until the newest prices are this one."""
        seen = len(self.prices)
        await until(
            lambda: self.prices[seen:][-count:] == [price] * count, timeout_s=15
        )


@asynccontextmanager
async def trader(market: Market) -> AsyncIterator[Trader]:
    async with client(market.url) as connected:
        await connected.json()
        trader = Trader(connected)
        try:
            yield trader
        finally:
            trader.reading.cancel()


async def test_compat_check_6_authenticate_is_answered_once_by_the_broker(
    market: Market, broker: LineBroker
) -> None:
    async with trader(market) as one:
        missing = await one.ask(action="authenticate", broker="oanda")
        unknown = await one.ask(action="authenticate", broker="zzz", credentials=A)
        none = await one.ask(
            action="authenticate", broker="oanda", credentials={"apiKey": "x"}
        )
        assert broker.logins.count(tuple(WRONG.values())[::-1]) == 0
        bad = [await one.authenticate(WRONG), await one.authenticate(WRONG)]
        tries = broker.logins.count((WRONG["accountId"], WRONG["token"]))
        good = await one.authenticate(A)
        contacted = (A["accountId"], A["token"]) in broker.logins
        answers = [frame for frame in one.frames if "id" in frame]

    assert (missing["type"], missing["message"]) == (
        "error",
        "Missing broker or credentials",
    )
    assert unknown["message"] == "Authentication failed: Unknown broker type: zzz"
    assert none["message"] == "Authentication failed: token not configured"
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
    market: Market, broker: LineBroker
) -> None:
    async with trader(market) as alice, trader(market) as bob, trader(market) as all_:
        for each in (alice, bob, all_):
            await each.follow()
            await each.gets(PUBLIC_PRICE)
        await alice.authenticate(A)
        await bob.authenticate(B)
        await alice.gets(A_PRICE)
        await bob.gets(B_PRICE)
        reply = await alice.follow("GBP/USD", broker="oAnda", since=1)
        await all_.follow("GBP_USD")
        await all_.gets(PUBLIC_PRICE, 20)
        listed = await alice.ask(action="list")

    assert {A_PRICE, B_PRICE}.isdisjoint(all_.prices)
    assert B_PRICE not in alice.prices
    assert A_PRICE not in bob.prices
    assert PUBLIC_PRICE not in alice.prices[alice.prices.index(A_PRICE) :]
    (accepted,) = reply["accepted"]
    assert (accepted["private"], accepted["recorded"]) == (True, False)
    assert reply["rejected"][0]["code"] == "UNSUPPORTED_SINCE"
    assert [item["private"] for item in listed["subscriptions"]] == [True, True]
    assert "clientId" not in str(alice.data)


async def test_compat_check_10_private_feed_ends_with_its_client(
    market: Market, broker: LineBroker
) -> None:
    async with client(market.url) as connected:
        await connected.json()
        one = Trader(connected)
        await one.authenticate(A)
        await one.follow()
        await one.gets(A_PRICE)
        assert broker.connections(A["token"]) == 1

        connected.connection.transport.abort()
        await until(lambda: not broker.connections(A["token"]), timeout_s=5)
        one.reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await one.reading


async def test_private_feed_with_equal_credentials_is_one_and_replaced_ones_end(
    market: Market, broker: LineBroker
) -> None:
    async with trader(market) as one, trader(market) as two:
        for each in (one, two):
            await each.authenticate(A)
            await each.follow()
            await each.gets(A_PRICE)
        assert broker.connections(A["token"]) == 1

        await one.authenticate(WRONG)
        await one.gets(A_PRICE)
        await one.authenticate(B)
        await one.gets(B_PRICE)
        assert broker.connections(A["token"]) == 1
        await two.gets(A_PRICE)
        await two.authenticate(B)
        await two.gets(B_PRICE)
        await until(lambda: not broker.connections(A["token"]))
        assert broker.connections(B["token"]) == 1


async def test_compat_check_18_private_upstream_that_is_reset_harms_nobody(
    market: Market, broker: LineBroker
) -> None:
    login = A["accountId"], A["token"]
    async with trader(market) as alice, trader(market) as other:
        await alice.authenticate(A)
        await alice.follow()
        await other.follow()
        await alice.gets(A_PRICE)
        # The public feed lost its broker with the last test, and says so once back.
        await other.gets(PUBLIC_PRICE)
        told, numbered = len(other.frames), len(other.data)
        for _ in range(20):
            before = broker.logins.count(login)
            broker.drop(A["token"])
            await until(lambda n=before: broker.logins.count(login) > n, timeout_s=10)
            await until(lambda: broker.connections(A["token"]))
        del broker.prices[A["token"]]  # and now it does not know A any more
        broker.drop(A["token"])
        await until(lambda: "FEED_DOWN" in alice.codes, timeout_s=10)
        broker.prices[A["token"]] = A_PRICE
        await alice.gets(A_PRICE)
        await until(lambda: alice.codes[-1] == "FEED_UP", timeout_s=10)
        numbers = [frame["seq"] for frame in other.data[numbered:]]

    assert other.frames[told:] == []
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert market.processes["feed"].poll() is None
    assert market.processes["serve"].poll() is None


async def test_private_feed_is_handed_over_to_a_new_feed_process(
    market: Market, broker: LineBroker
) -> None:
    async with trader(market) as alice:
        await alice.authenticate(A)
        await alice.follow()
        await alice.gets(A_PRICE)
        before = alice.data[-1]["epoch"]

        market.kill_feed()
        await until(lambda: "FEED_DOWN" in alice.codes, timeout_s=10)
        await asyncio.to_thread(market.start_feed)
        await alice.gets(A_PRICE)
        await until(lambda: alice.codes[-1] == "FEED_UP", timeout_s=10)

        assert int(alice.data[-1]["epoch"], 36) > int(before, 36)
        assert PUBLIC_PRICE not in alice.prices
        assert len([frame for frame in alice.frames if "id" in frame]) == 2


async def test_private_feeds_are_served_where_the_broker_is_not_public(
    market: Market, broker: LineBroker
) -> None:
    market.kill_feed()
    await asyncio.to_thread(market.start_feed, "--private-only")
    broker.logins.clear()  # the killed process may have come
    async with trader(market) as alice, trader(market) as other:
        await alice.authenticate(A)
        await alice.follow()
        await other.follow()
        await alice.gets(A_PRICE)
        logins = set(broker.logins)
    market.kill_feed()
    await asyncio.to_thread(market.start_feed)

    # What is stored of a public feed that was there before is shown, as what it is.
    assert {frame.get("state") for frame in other.data} <= {"stale"}
    assert logins == {(A["accountId"], A["token"])}


async def test_authenticate_while_no_feed_process_runs_waits_for_one(
    market: Market, broker: LineBroker
) -> None:
    market.kill_feed()
    async with trader(market) as alice:
        answer = asyncio.create_task(alice.authenticate(A))
        ping = await alice.ask(action="ping")
        assert not answer.done()
        await asyncio.to_thread(market.start_feed)

        assert (await answer)["message"] == "Authenticated with oanda"
    assert ping["type"] == "pong"


async def test_compat_check_51_credentials_are_found_nowhere(
    market: Market, broker: LineBroker, private_redis: PrivateRedis, database: str
) -> None:
    async with listening(private_redis.url) as heard, trader(market) as alice:
        await alice.authenticate(A)
        await alice.authenticate(WRONG)
        await alice.follow()
        await alice.gets(A_PRICE)
        broker.drop(A["token"])
        await alice.gets(A_PRICE)
        processes = [process_texts(item.pid) for item in market.processes.values()]
        kept = await redis_texts(private_redis.url)
        frames = [str(alice.frames), str(alice.data)]
        metrics = await asyncio.to_thread(metric_texts, market)
    market.kill_feed()
    await asyncio.to_thread(market.start_feed)
    stored = await asyncio.to_thread(database_text, database)

    assert "connecting" in market.log
    assert "[hidden]" in market.log
    assert any(b"md.private.oanda" in item for item in heard)
    assert any(b"md.tick.oanda_7e_" in item for item in heard)
    assert "~" not in metrics
    for secret in SECRETS:
        assert secret not in market.log
        assert secret not in "".join(processes)
        assert secret not in stored
        assert not [item for item in (*heard, *kept) if secret.encode() in item]
        assert secret not in "".join(frames)
        assert secret not in metrics
    assert await asyncio.to_thread(stored_bids, database) == {PUBLIC_PRICE}


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[bytes]]:
    """Collect every command that Redis gets, and what is published in it."""
    heard: list[bytes] = []

    async def monitor() -> None:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        reader, writer = await asyncio.open_connection(host, port, limit=2**24)
        writer.write(b"MONITOR\r\n")
        try:
            while line := await reader.readline():
                heard.append(line)
        finally:
            writer.close()

    async def subscribe() -> None:
        async with Redis.from_url(url) as redis, redis.pubsub() as pubsub:
            await pubsub.psubscribe("*")
            async for message in pubsub.listen():
                if isinstance(message["data"], bytes):
                    heard.append(message["data"])

    tasks = [asyncio.create_task(monitor()), asyncio.create_task(subscribe())]
    try:
        await until(lambda: heard)
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def redis_texts(url: str) -> list[bytes]:
    """Return all keys with their values, and the channels that are listened to."""
    found: list[bytes] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter():
            found += [key, await redis.dump(key) or b""]
        found += await redis.pubsub_channels()
    return found


def process_texts(pid: int) -> str:
    """Return a process's command line and environment, with its threads' names."""
    folder = Path(f"/proc/{pid}")
    names = [path.read_bytes() for path in folder.glob("task/*/comm")]
    parts = [(folder / name).read_bytes() for name in ("cmdline", "environ")]
    return b"\n".join(parts + names).decode(errors="replace")


def database_text(url: str) -> str:
    """Return all rows of all tables as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) "
            "FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return "\n".join(
            str(connection.execute(f"SELECT t::text FROM {name} t").fetchall())
            for (name,) in tables
        )


def stored_bids(url: str) -> set[float]:
    """Return the bids of all stored ticks."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT DISTINCT bid FROM ticks").fetchall()
    return {bid for (bid,) in rows}


def metric_texts(market: Market) -> str:
    """Return what the server tells of itself."""
    base = market.url.replace("ws://", "http://").rstrip("/")
    paths = ("/metrics", "/metrics/prometheus", "/health")
    return "".join(urlopen(base + path).read().decode() for path in paths)
