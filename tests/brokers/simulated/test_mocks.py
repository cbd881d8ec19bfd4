"""COMPAT check 20: the mocks of server A, A-BR-03 and A-BR-05."""

import asyncio
from random import Random

import msgspec
import pytest

from brokers.feed import FollowedInstrument
from brokers.simulated.feed import SimulatedFeed
from brokers.simulated.mocks import (
    BINANCE_PERIOD_S,
    OANDA_PERIOD_S,
    BinanceMock,
    OandaMock,
)
from marketdata.catalog import Broker, Catalog, Instrument, InstrumentType
from marketdata.exceptions import NoBroker
from marketdata.frames.unified import UNIFIED_ENCODING
from marketdata.records import Record, Tick

EUR = FollowedInstrument("EURUSD", "EUR_USD", 5)
EURUSD = Instrument(
    symbol="EURUSD",
    display="EUR/USD",
    type=InstrumentType.FOREX,
    decimals=5,
    brokers={"oanda": "EUR_USD", "simulated-oanda": "EUR_USD"},
)


def frames(mock: BinanceMock | OandaMock, decimals: int, count: int) -> list[dict]:
    instrument = msgspec.structs.replace(EURUSD, decimals=decimals)
    made = []
    for step in range(count):
        (record,) = mock.step(step, step)
        assert isinstance(record, Tick)
        frame = UNIFIED_ENCODING.data(record, instrument, number=1, epoch="a")
        made.append(msgspec.json.decode(frame))
    return made


def test_compat_check_20_binance_mock_prices_and_volumes() -> None:
    found = frames(BinanceMock("BTCUSDT", 2, Random(1).random), 2, 2_000)

    assert all(frame["broker"] == "simulated-binance" for frame in found)
    assert all(frame["simulated"] is True for frame in found)
    prices = [frame["data"]["data"]["price"] for frame in found]
    volumes = [frame["data"]["data"]["volume"] for frame in found]
    assert 100_000 <= min(prices) < 100_050
    assert 100_950 < max(prices) <= 101_000
    assert 0 <= min(volumes) < 5
    assert 95 < max(volumes) <= 100


@pytest.mark.parametrize(
    ("symbol", "decimals", "base"),
    [
        ("EURUSD", 5, 1.0850),
        ("GBPUSD", 5, 1.2650),
        ("USDJPY", 3, 156.50),
        ("AUDUSD", 5, 0.6450),
        ("USDCAD", 5, 1.3650),
        ("XAUUSD", 3, 1.0),
    ],
)
def test_compat_check_20_oanda_mock_stays_at_its_base(
    symbol: str, decimals: int, base: float
) -> None:
    found = frames(OandaMock(symbol, decimals, Random(1).random), decimals, 2_000)

    assert all(frame["broker"] == "simulated-oanda" for frame in found)
    assert all(frame["simulated"] is True for frame in found)
    moves = [frame["data"]["data"]["price"] - base for frame in found]
    volumes = [frame["data"]["data"]["volume"] for frame in found]
    assert -0.000501 < min(moves) < -0.0004
    assert 0.0004 < max(moves) < 0.000501
    assert 0 <= min(volumes) < 50_000
    assert 950_000 < max(volumes) <= 1e6


@pytest.mark.parametrize(
    ("mock", "period_s"), [(BinanceMock, BINANCE_PERIOD_S), (OandaMock, OANDA_PERIOD_S)]
)
async def test_compat_check_20_mock_period(
    mock: type[BinanceMock | OandaMock], period_s: float
) -> None:
    assert period_s == {BinanceMock: 1.0, OandaMock: 0.5}[mock]
    feed = SimulatedFeed(1 / period_s, 1, broker=mock.broker, start_walk=mock)
    feed.follow([EUR])
    records: list[Record] = []

    task = asyncio.create_task(feed.run(records.extend))
    await asyncio.sleep(2 * period_s + 0.2)
    task.cancel()

    assert len(records) == 3
    gaps_us = [records[i + 1].time_us - records[i].time_us for i in (0, 1)]
    assert all(0.8e6 * period_s < gap < 1.2e6 * period_s for gap in gaps_us)


def test_compat_check_20_mock_is_chosen_by_configuration_only() -> None:
    def catalog(*enabled: str) -> Catalog:
        names = ("oanda", "simulated-oanda")
        brokers = [Broker(n, n in enabled, n.startswith("simulated")) for n in names]
        return Catalog([EURUSD], brokers)

    both = catalog("oanda", "simulated-oanda")
    assert both.route(EURUSD).name == "oanda"
    assert both.route(EURUSD, "Simulated-OANDA").name == "simulated-oanda"
    assert catalog("simulated-oanda").route(EURUSD).name == "simulated-oanda"
    with pytest.raises(NoBroker):
        catalog("oanda").route(EURUSD, "simulated-oanda")
