"""What the chaos' clients take for the truth."""

import json
from typing import Any

from benchmarks.chaos_clients import Heard, ToldGap
from benchmarks.chaos_market import TICK

MISSING = "the broker's records are missing: connection lost"


def data(seq: int, *, epoch: str = "a", **more: Any) -> bytes:
    inner = {"type": "tick", "data": {"price": 1.5, "volume": 40.0 + seq}}
    frame = {"type": "data", "symbol": "A/USDT", "seq": seq, "epoch": epoch}
    return json.dumps(frame | {"data": inner} | more).encode()


def status(code: str, message: str = "lost on their way") -> bytes:
    frame = {"type": "status", "code": code, "symbol": "A/USDT", "data_type": "tick"}
    return json.dumps(frame | {"from": 5, "to": 9, "message": message}).encode()


def heard(*frames: bytes) -> Heard:
    found = Heard(["AUSDT"])
    for frame in frames:
        found.take(frame)
    return found


def test_numbers_that_follow_each_other_are_true() -> None:
    found = heard(data(8), data(9), data(12, skipped=2), data(1, epoch="b"))

    assert found.lies == []
    assert found.frames == 4
    assert found.columns()[1].tolist() == [TICK, 0, 10, 9, 49]
    assert found.epochs == {10, 11}


def test_hole_is_true_behind_a_gap_only() -> None:
    assert len(heard(data(1), data(3)).lies) == 1
    assert len(heard(data(1), data(2, epoch="b")).lies) == 1
    assert len(heard(data(1), status("FEED_DOWN"), data(3)).lies) == 1

    found = heard(data(1), status("GAP"), data(3), data(4))
    assert (found.lies, found.holes, found.gaps) == ([], 1, set())


def test_number_or_epoch_that_goes_back_is_untrue() -> None:
    assert len(heard(data(2), data(2)).lies) == 1
    assert len(heard(data(2, epoch="b"), data(3)).lies) == 1


def test_gaps_of_the_broker_and_states_are_noted() -> None:
    found = heard(status("GAP", MISSING), status("FEED_DOWN"), status("FEED_UP"))

    assert found.gaps == {ToldGap(TICK, 0, 5, 9)}
    assert (found.downs, found.ups) == (1, 1)
