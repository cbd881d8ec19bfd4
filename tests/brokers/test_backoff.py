from brokers.backoff import Backoff

ALMOST_ONE = 1 - 2**-53


def test_next_delay_doubles_up_to_the_cap() -> None:
    backoff = Backoff(1.0, 60.0)

    delays = [backoff.next_delay_s(0.5) for _ in range(8)]

    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_next_delay_jitter_reaches_from_nothing_to_the_whole() -> None:
    assert Backoff(1.0, 60.0).next_delay_s(0.0) == 0.0
    assert Backoff(1.0, 60.0).next_delay_s(ALMOST_ONE) == ALMOST_ONE


def test_next_delay_after_thousands_of_failures_stays_at_the_cap() -> None:
    backoff = Backoff(1.0, 60.0)

    delays = [backoff.next_delay_s(0.5) for _ in range(5_000)]

    assert delays[-1] == 30.0


def test_reset_starts_over() -> None:
    backoff = Backoff(1.0, 60.0)
    backoff.next_delay_s(0.5)
    backoff.next_delay_s(0.5)

    backoff.reset()

    assert backoff.next_delay_s(0.5) == 0.5


def test_refused_delay_is_in_the_upper_half_of_the_cap() -> None:
    assert Backoff(1.0, 60.0).refused_delay_s(0.0) == 30.0
    assert Backoff(1.0, 60.0).refused_delay_s(0.5) == 45.0
