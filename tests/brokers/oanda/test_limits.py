import pytest

from brokers.exceptions import InvalidFeedSetting
from brokers.oanda.access import Access
from brokers.oanda.limits import StreamLimits, shared_limits


def test_take_counts_up_to_the_limit() -> None:
    limits = StreamLimits(2, 1)

    assert [limits.take() for _ in range(3)] == [True, True, False]
    limits.give_back()
    assert limits.has_room
    assert limits.take()


def test_reserve_s_spreads_requests_evenly() -> None:
    limits = StreamLimits(20, 2)

    assert [limits.reserve_s(100.0) for _ in range(3)] == [0, 0.5, 1.0]
    assert limits.reserve_s(200.0) == 0


def test_refused_for_s_ends_and_is_of_these_credentials_alone() -> None:
    limits = StreamLimits(20, 2)
    bad, other = Access("http://a", "1", "k"), Access("http://a", "1", "l")

    limits.note_refused(bad, 130.0, 100.0)

    assert limits.refused_for_s(bad, 110.0) == 20
    assert limits.refused_for_s(other, 110.0) == 0
    assert limits.refused_for_s(bad, 131.0) == 0
    limits.note_refused(other, 230.0, 200.0)
    assert list(limits._refused) == [other.digest()]


def test_shared_limits_are_one_object_for_equal_settings() -> None:
    assert shared_limits(20, 2.0) is shared_limits(20, 2.0)
    with pytest.raises(InvalidFeedSetting, match="OANDA_MAX_STREAMS"):
        shared_limits(0, 2.0)
    with pytest.raises(InvalidFeedSetting, match="OANDA_CONNECTS_PER_S"):
        shared_limits(20, 0)
