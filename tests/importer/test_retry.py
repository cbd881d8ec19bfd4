"""Delays between tries."""

from importer.sources.retry import RetryPolicy

POLICY = RetryPolicy(first_s=1, cap_s=10, retry_after_cap_s=30)


def test_delay_s_doubles_up_to_the_cap():
    delays = [POLICY.delay_s(n, None, random=1) for n in (1, 2, 3, 4, 5, 2_000)]

    assert delays == [1, 2, 4, 8, 10, 10]


def test_delay_s_has_jitter_in_the_upper_half():
    assert POLICY.delay_s(3, None, random=0) == 2
    assert POLICY.delay_s(3, None, random=0.5) == 3


def test_delay_s_is_at_least_what_the_server_asks_for_up_to_its_cap():
    assert POLICY.delay_s(1, 7, random=0) == 7.5
    assert POLICY.delay_s(1, 3600, random=0) == 30.5
