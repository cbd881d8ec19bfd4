import pytest

from marketdata.request_limits import (
    MalformedCount,
    RequestGate,
    TokenBucket,
    Verdict,
)

ALLOWED, LIMITED, CLOSE = Verdict


def verdicts(gate: RequestGate, *, per_s: float, seconds: float, since_s: float = 0):
    """Judge requests at a steady rate; return each with its time."""
    count = int(per_s * seconds)
    times_s = [since_s + number / per_s for number in range(count)]
    return [(at_s, gate.judge(at_s)) for at_s in times_s]


def test_bucket_lets_a_burst_pass_and_then_its_rate():
    bucket = TokenBucket(20, 100)

    assert sum(bucket.take(5.0) for _ in range(150)) == 100
    assert sum(bucket.take(6.0) for _ in range(50)) == 20
    assert sum(bucket.take(7.5) for _ in range(50)) == 30


def test_bucket_holds_no_more_than_its_burst():
    bucket = TokenBucket(20, 100)
    bucket.take(0.0)

    assert sum(bucket.take(3600.0) for _ in range(500)) == 100


def test_bucket_of_rate_0_lets_all_pass():
    bucket = TokenBucket(0, 1)

    assert all(bucket.take(0.0) for _ in range(1000))


def test_bucket_of_burst_0_lets_one_pass_at_a_time():
    bucket = TokenBucket(1, 0)

    assert [bucket.take(at_s) for at_s in (0.0, 0.5, 1.0)] == [True, False, True]


def test_bucket_whose_clock_goes_back_gains_nothing():
    bucket = TokenBucket(1, 1)

    assert [bucket.take(at_s) for at_s in (10.0, 5.0, 5.9, 6.0)] == [
        True,
        False,
        False,
        True,
    ]


def test_bucket_with_other_limits_keeps_what_was_spent():
    bucket = TokenBucket(20, 100)
    for _ in range(100):
        bucket.take(0.0)

    bucket.limit_to(100, 500)

    assert not bucket.take(0.0)
    assert sum(bucket.take(1.0) for _ in range(600)) == 100


def test_gate_lets_the_rate_pass_for_ever():
    found = verdicts(RequestGate(20, 100), per_s=20, seconds=120)

    assert {verdict for _, verdict in found} == {ALLOWED}


def test_gate_refuses_what_is_over_the_burst():
    gate = RequestGate(20, 100)

    assert [gate.judge(0.0) for _ in range(102)] == [ALLOWED] * 100 + [LIMITED] * 2


@pytest.mark.parametrize("per_s", [25, 100, 1000])
def test_gate_closes_after_ten_seconds_of_excess(per_s):
    found = verdicts(RequestGate(20, 20), per_s=per_s, seconds=60)

    first = next(at_s for at_s, verdict in found if verdict is LIMITED)
    closed = next(at_s for at_s, verdict in found if verdict is CLOSE)
    assert first + 10 <= closed <= first + 10.3


def test_gate_forgives_after_a_second_without_a_refusal():
    gate = RequestGate(20, 20)
    found = []
    for minute in range(3):  # each time 9 s of it, and a rest
        since_s = minute * 20.0
        found += verdicts(gate, per_s=100, seconds=9, since_s=since_s)

    assert LIMITED in {verdict for _, verdict in found}
    assert CLOSE not in {verdict for _, verdict in found}


def test_gate_does_not_forgive_less():
    gate = RequestGate(20, 20)
    found = []
    for second in range(12):  # half a second each
        found += verdicts(gate, per_s=100, seconds=0.5, since_s=float(second))

    assert CLOSE in {verdict for _, verdict in found}


def test_gate_of_rate_0_lets_all_pass():
    found = verdicts(RequestGate(0, 1), per_s=1000, seconds=20)

    assert {verdict for _, verdict in found} == {ALLOWED}


def test_gate_with_other_limits_goes_on():
    gate = RequestGate(20, 100)
    for _ in range(100):
        gate.judge(0.0)

    gate.limit_to(0, 1)

    assert gate.judge(0.0) is ALLOWED


def test_malformed_exceeds_at_one_too_many_in_a_minute():
    count = MalformedCount(100)

    assert not any(count.exceeds(0.1 * number) for number in range(100))
    assert count.exceeds(60.0)


def test_malformed_forgets_after_a_minute():
    count = MalformedCount(100)

    assert not any(count.exceeds(0.61 * number) for number in range(1000))


def test_malformed_of_0_counts_nothing():
    count = MalformedCount(0)

    assert not any(count.exceeds(0.0) for _ in range(1000))
