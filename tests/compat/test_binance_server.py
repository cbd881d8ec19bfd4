"""Clients of Binance's market streams, from outside; with COMPAT check 80's candles."""

import asyncio
import contextlib

import pytest

from tests.compat.sockets import client

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

SYMBOLS = ("btcusdt", "eurusd")


@pytest.fixture(scope="module")
def server(start_server, start_feed):
    """Our server with simulated prices."""
    with (
        start_feed("simulated", SIMULATED_RATE="50"),
        start_server(BROKERS_ENABLED="simulated") as server,
    ):
        yield server


def names(suffix: str) -> str:
    return "/".join(f"{symbol}@{suffix}" for symbol in SYMBOLS)


async def receive_streams(socket, count: int) -> dict[str, dict]:
    """Return the last payload of so many different streams."""
    payloads = {}
    async with asyncio.timeout(60):
        while len(payloads) < count:
            frame = await socket.json(timeout_s=30)
            payloads[frame["stream"]] = frame["data"]
    return payloads


async def test_raw_frames_are_the_payload(server):
    async with client(server.url, "/binance/ws/eurusd@bookTicker") as socket:
        frame = await socket.json()

    assert list(frame) == ["u", "s", "b", "B", "a", "A"]
    assert frame["s"] == "EURUSD"
    assert len(frame["b"].partition(".")[2]) == 5
    assert float(frame["b"]) < float(frame["a"])


@pytest.mark.parametrize("path", ["/binance/stream", "/stream"])
async def test_combined_frames_name_their_stream(server, path):
    async with client(server.url, f"{path}?streams={names('bookTicker')}") as socket:
        payloads = await receive_streams(socket, len(SYMBOLS))

    assert set(payloads) == {f"{symbol}@bookTicker" for symbol in SYMBOLS}


async def test_all_forms_arrive_at_a_client_that_subscribes(server):
    suffixes = ("trade", "aggTrade", "bookTicker", "depth5@100ms", "kline_1m")
    streams = [f"btcusdt@{suffix}" for suffix in suffixes]
    async with client(server.url, "/binance/stream") as socket:
        request = {"method": "SUBSCRIBE", "params": streams, "id": 1}

        assert await socket.ask(request) == {"result": None, "id": 1}
        payloads = await receive_streams(socket, len(streams))

    events = [payloads[name].get("e") for name in streams]
    assert events == ["trade", "aggTrade", None, None, "kline"]
    assert payloads["btcusdt@depth5@100ms"].keys() == {"lastUpdateId", "bids", "asks"}
    assert len(payloads["btcusdt@depth5@100ms"]["bids"]) == 5


async def test_changing_the_form_loses_and_repeats_nothing(server):
    async with client(server.url, "/binance/ws/btcusdt@bookTicker") as socket:
        numbers = []
        is_combined = False
        async with asyncio.timeout(60):
            while len(numbers) < 100:
                if len(numbers) % 10 == 5:
                    is_combined = not is_combined
                    params = ["combined", is_combined]
                    await socket.send({"method": "SET_PROPERTY", "params": params})
                frame = await socket.json()
                numbers.append(frame.get("data", frame)["u"])

    assert numbers == list(range(numbers[0], numbers[0] + 100))


async def test_unsubscribing_ends_the_stream(server):
    stream = ["eurusd@bookTicker"]
    async with client(server.url, "/binance/ws/" + stream[0]) as socket:
        await socket.json()

        await socket.send({"method": "UNSUBSCRIBE", "params": stream, "id": 1})
        with contextlib.suppress(KeyError):
            while (await socket.json())["u"]:
                pass
        await socket.nothing(timeout_s=1.0)


async def test_what_has_no_data_is_acknowledged_and_silent(server):
    params = ["nope@trade", "btcusdt@kline_3m", "eurusd@markPrice"]
    async with client(server.url, "/binance/ws") as socket:
        assert await socket.ask({"method": "SUBSCRIBE", "params": params, "id": 1}) == {
            "result": None,
            "id": 1,
        }
        await socket.nothing(timeout_s=1.0)


async def test_compat_80_candles_are_streamed(server):
    async with client(server.url, f"/stream?streams={names('kline_1m')}") as socket:
        payloads = await receive_streams(socket, len(SYMBOLS))

    for symbol in SYMBOLS:
        frame = payloads[f"{symbol}@kline_1m"]
        body = frame["k"]
        assert (frame["e"], frame["s"]) == ("kline", symbol.upper())
        assert (body["s"], body["i"]) == (symbol.upper(), "1m")
        assert body["T"] - body["t"] == 59_999
        low, opening, closing, high = (float(body[key]) for key in "loch")
        assert 0 < low <= min(opening, closing) <= max(opening, closing) <= high
    volumes = [payloads[f"{symbol}@kline_1m"]["k"]["v"] for symbol in SYMBOLS]
    assert volumes[1] == "0"


async def test_tickers_of_24_hours_are_streamed(server):
    streams = f"{names('ticker')}/{names('miniTicker')}"
    async with client(server.url, f"/stream?streams={streams}") as socket:
        payloads = await receive_streams(socket, 4)

    for symbol in SYMBOLS:
        full, mini = (payloads[f"{symbol}@{kind}"] for kind in ("ticker", "miniTicker"))
        assert (full["e"], mini["e"]) == ("24hrTicker", "24hrMiniTicker")
        assert full["C"] - full["O"] == 86_400_000
        assert float(full["l"]) <= float(full["c"]) <= float(full["h"])
