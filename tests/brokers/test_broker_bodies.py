from datetime import UTC, datetime

import msgspec
import pytest

from brokers.broker_bodies import State, broker_bodies

NOW_S = 1_704_153_600.0
CLAIMED = datetime.fromtimestamp(NOW_S - 1_000, UTC)


def body(name="binance", *, switch=None, claimed=CLAIMED, latest_s=None):
    latest = None if latest_s is None else datetime.fromtimestamp(latest_s, UTC)
    rows = [(name, False, switch, claimed, latest)]
    return broker_bodies(rows, configured=["binance"], silence_s=30.0, now_s=NOW_S)[0]


def test_broker_bodies_have_the_protocols_fields():
    assert msgspec.to_builtins(body(latest_s=NOW_S - 1.5)) == {
        "broker": "binance",
        "enabled": True,
        "state": "live",
        "since": NOW_S - 1_000,
        "last_record": NOW_S - 2,
        "simulated": False,
    }


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({"name": "dukascopy", "latest_s": NOW_S}, State.DISABLED),
        ({"name": "oanda", "switch": True, "latest_s": NOW_S}, State.LIVE),
        ({"switch": False, "latest_s": NOW_S}, State.DISABLED),
        ({"claimed": None}, State.WAITING),
        ({"claimed": None, "latest_s": NOW_S}, State.WAITING),
        ({"latest_s": NOW_S - 30}, State.LIVE),
        ({"latest_s": NOW_S - 31}, State.SILENT),
        ({}, State.SILENT),
    ],
)
def test_broker_bodies_say_only_what_the_store_knows(how, state):
    assert body(**how).state is state
