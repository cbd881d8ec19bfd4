from msgspec import structs

from brokers.missed_trades import store_missed
from tests.brokers.fakes import FakeRecorder, trade


def test_missed_trades_are_stored_as_not_published_by_their_place() -> None:
    recorder = FakeRecorder()
    times = [5, 5, 5, 6, 7, 7]
    trades = [
        structs.replace(trade(), time_us=time_us, trade_id=number)
        for number, time_us in enumerate(times)
    ]

    store_missed(recorder)(trades)

    assert [record for record, _, _ in recorder.rows] == trades
    assert {epoch for _, epoch, _ in recorder.rows} == {0}
    assert [number for _, _, number in recorder.rows] == [0, 1, 2, 0, 0, 1]
