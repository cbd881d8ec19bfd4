from brokers.oanda.seen import KEPT, Seen
from marketdata.records import Tick


def tick(time_us: int, bid: float = 1.0, symbol: str = "EURUSD") -> Tick:
    return Tick(
        broker="oanda", symbol=symbol, time_us=time_us, received_us=0, bid=bid, ask=2.0
    )


def test_is_new_same_time_and_content_is_not_new() -> None:
    seen = Seen()

    assert seen.is_new(tick(1))
    assert not seen.is_new(tick(1))
    assert seen.is_new(tick(1, bid=1.5))
    assert seen.is_new(tick(1, symbol="EURJPY"))
    assert seen.is_new(tick(2))


def test_is_new_late_tick_of_the_other_stream_is_new_once() -> None:
    seen = Seen()

    assert [seen.is_new(tick(n)) for n in (5, 7, 6, 6, 5)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert seen.newest_us("EURUSD") == 7
    assert seen.newest_us("EURJPY") is None


def test_is_new_keeps_a_bounded_past() -> None:
    seen = Seen()

    for n in range(10 * KEPT):
        assert seen.is_new(tick(n))

    assert len(seen._last["EURUSD"]) == KEPT
