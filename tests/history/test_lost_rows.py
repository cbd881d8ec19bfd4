"""Spans of what is lost: merged for each topic, and around damaged blocks."""

from msgspec import structs

from history.feed_gaps import FeedGapRow
from history.lost_rows import LostSpans, holes_of_damage
from marketdata.records import Kind
from tests.history.live_rows import T0_US, tick_row, trade_row

S = 1_000_000
EUR, GBP = (Kind.TICK, "EURUSD"), (Kind.TICK, "GBPUSD")


def gap(start_us: int, end_us: int, kind: Kind = Kind.TICK, symbol: str = "EURUSD"):
    return FeedGapRow(symbol, kind, T0_US + start_us, T0_US + end_us, "not stored")


def test_lost_rows_are_one_span_of_each_symbol_and_kind() -> None:
    lost = LostSpans()

    lost.add([tick_row(3), tick_row(4, symbol="GBPUSD"), trade_row(5), tick_row(9)])
    lost.add([tick_row(6), tick_row(7, symbol="GBPUSD")])

    assert lost
    assert lost.take() == [
        gap(3 * S - 1, 9 * S + 1),
        gap(4 * S - 1, 7 * S + 1, symbol="GBPUSD"),
        gap(5 * S - 1, 5 * S + 1, Kind.TRADE),
    ]
    assert not lost
    assert lost.take() == []


def test_spans_that_could_not_be_stored_grow_on() -> None:
    lost = LostSpans()
    lost.add([tick_row(3)])
    taken = lost.take()
    lost.add([tick_row(5)])

    lost.extend(taken)

    assert lost.take() == [gap(3 * S - 1, 5 * S + 1)]


def test_lost_row_without_a_possible_time_counts_when_it_came() -> None:
    lost = LostSpans()
    record, epoch, number = tick_row(3)

    lost.add([(structs.replace(record, time_us=2**63 - 1), epoch, number)])

    assert lost.take() == [gap(3 * S + 6, 3 * S + 8)]


def holes(places: list[int], ends: dict, until_s: int = 60) -> list[FeedGapRow]:
    rows = [tick_row(number) for number in (1, 2, 8, 9)]
    found = holes_of_damage(rows, places, ends=ends, until_us=T0_US + until_s * S)
    return sorted(found, key=lambda item: (item.symbol, item.from_us))


def test_damage_is_a_hole_from_the_record_before_to_the_one_behind() -> None:
    assert holes([2], {EUR: T0_US}) == [gap(2 * S, 8 * S)]
    assert holes([4], {EUR: T0_US}) == [gap(9 * S, 60 * S)]
    assert holes([2, 3], {}) == [gap(2 * S, 8 * S), gap(8 * S, 9 * S)]


def test_damage_at_the_begin_is_a_hole_from_what_is_stored() -> None:
    assert holes([0], {EUR: T0_US - S}) == [gap(-S, S)]
    assert holes([0], {}) == []


def test_damage_of_what_is_stored_already_is_no_hole() -> None:
    assert holes([2], {EUR: T0_US + 8 * S}) == []


def test_damage_is_a_hole_of_a_topic_that_was_stored_until_then() -> None:
    ends = {EUR: T0_US + 9 * S, GBP: T0_US + 3 * S}

    assert holes([2], ends) == [gap(3 * S, 60 * S, symbol="GBPUSD")]
    assert holes([2], ends, until_s=9_000) == []
