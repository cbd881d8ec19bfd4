from msgspec import structs

from brokers.repeats import Repeats
from marketdata.records import Tick
from tests.brokers.fakes import tick, trade

S = 1_000_000
LAST = structs.replace(tick(), time_us=10 * S, received_us=11 * S)


def repeats(*lasts: Tick) -> Repeats:
    """Return what expects these again, connected at 20 s."""
    expecting = Repeats()
    expecting.expect(lasts or [LAST])
    expecting.begin(20 * S)
    return expecting


def test_without_drops_the_same_price_of_the_same_time_once() -> None:
    again = structs.replace(LAST, received_us=21 * S)
    expecting = repeats()

    assert expecting.without([again, trade()]) == [trade()]
    assert not expecting.is_expecting
    assert expecting.without([again]) == [again]


def test_without_keeps_what_has_another_time_or_price() -> None:
    for other in (
        structs.replace(LAST, time_us=12 * S, received_us=21 * S),
        structs.replace(LAST, bid=LAST.bid / 2),
        structs.replace(LAST, ask_size=77.0),
        structs.replace(LAST, symbol="GBPUSD"),
    ):
        assert repeats().without([other]) == [other]


def test_without_drops_the_same_price_that_has_no_time_of_the_brokers() -> None:
    at_once = structs.replace(LAST, time_us=21 * S, received_us=21 * S)
    later = structs.replace(LAST, time_us=31 * S, received_us=31 * S)

    assert repeats().without([at_once]) == []
    assert repeats().without([later]) == [later]


def test_without_looks_at_the_first_tick_of_each_symbol_alone() -> None:
    expecting = repeats()
    other = structs.replace(LAST, time_us=12 * S, received_us=21 * S)
    again = structs.replace(LAST, received_us=21 * S)

    assert expecting.without([other, again]) == [other, again]
