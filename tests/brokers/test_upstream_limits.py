import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.upstream_limits import Pace, UpstreamLimits


def limits() -> UpstreamLimits:
    return UpstreamLimits(
        connections=2, streams=1_024, requests=Pace(3), connects=Pace(300, 300.0)
    )


def test_pace_lets_a_burst_pass_and_then_waits() -> None:
    pace = Pace(3, 1.0)

    assert [pace.reserve_s(10.0) for _ in range(7)] == [0, 0, 0, 1, 1, 1, 2]
    assert pace.reserve_s(20.0) == 0


@given(
    st.integers(1, 5),
    st.lists(st.floats(0, 3, allow_subnormal=False), max_size=50),
)
def test_pace_is_never_exceeded(count: int, pauses_s: list[float]) -> None:
    pace, now_s, sent_s = Pace(count, 1.0), 0.0, []
    for pause_s in pauses_s:
        now_s += pause_s
        sent_s.append(now_s + pace.reserve_s(now_s))

    assert sent_s == sorted(sent_s)
    for first_s, last_s in zip(sent_s, sent_s[count:], strict=False):
        assert last_s - first_s >= 1.0 - 1e-9


def test_connections_are_counted_up_to_the_limit() -> None:
    found = limits()

    assert [found.take() for _ in range(3)] == [True, True, False]
    assert not found.has_room
    found.give_back()
    assert (found.open, found.has_room) == (1, True)


@pytest.mark.parametrize(
    ("streams", "connections"), [(0, 0), (1, 1), (1_024, 1), (1_025, 2), (9_999, 2)]
)
def test_connections_for_streams(streams: int, connections: int) -> None:
    assert limits().connections_for(streams) == connections
    assert limits().max_streams == 2_048
