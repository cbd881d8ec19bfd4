"""Until when journals of dead processes go."""

from pathlib import Path

from history.journal import Journal
from history.journal_ends import ends_left
from marketdata.records import Kind
from tests.history.live_rows import EPOCH, T0_US, tick_row, trade_row


def test_ends_left_are_of_the_newest_segments_before_the_epoch(tmp_path: Path) -> None:
    for epoch, number, symbol in (
        (EPOCH - 3, 9, "USDJPY"),  # before the newest two segments
        (EPOCH - 2, 5, "EURUSD"),
        (EPOCH - 1, 3, "GBPUSD"),
        (EPOCH, 99, "EURUSD"),
    ):
        journal = Journal(tmp_path, epoch, max_bytes=1_000_000)
        journal.append([tick_row(number, epoch=epoch, symbol=symbol), trade_row(1)])
        journal.close()

    assert ends_left(tmp_path, EPOCH) == {
        (Kind.TICK, "EURUSD"): T0_US + 5_000_000,
        (Kind.TICK, "GBPUSD"): T0_US + 3_000_000,
        (Kind.TRADE, "EURUSD"): T0_US + 1_000_000,
    }
    assert ends_left(tmp_path, EPOCH - 3) == {}
