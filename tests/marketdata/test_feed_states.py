import asyncio

from marketdata.feed_states import FeedStates
from marketdata.layer_messages import Beat
from tests.marketdata.polling import until
from tests.marketdata.virtual_loop import virtual

SILENT_S = 0.05


class Heard:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.changes = []
        self.starts = []
        self.feeds = FeedStates(SILENT_S, self.note_change, self.starts.append)

    def note_change(self, broker):
        self.changes.append((broker, self.feeds.reason(broker)))


def beat(broker="binance", epoch=7, is_live=True):
    return Beat(broker, epoch, is_live)


@virtual
async def test_feed_that_beats_is_up():
    heard = Heard()
    heard.feeds.watch("binance")

    for _ in range(10):
        assert heard.feeds.beat(beat())
        await asyncio.sleep(SILENT_S / 3)

    assert heard.changes == []
    assert heard.feeds.reason("binance") is None
    heard.feeds.close()


async def test_feed_that_was_never_heard_goes_down():
    heard = Heard()
    heard.feeds.watch("binance")

    await until(lambda: heard.changes)

    assert heard.changes == [("binance", "the feed gives no sign of life")]
    heard.feeds.close()


async def test_change_is_told_once():
    heard = Heard()
    heard.feeds.watch("binance")

    for is_live in (True, False, False, True, True):
        heard.feeds.beat(beat(is_live=is_live))

    assert heard.changes == [
        ("binance", "the broker cannot be reached"),
        ("binance", None),
    ]
    heard.feeds.close()


async def test_silence_of_a_feed_that_is_down_changes_only_the_reason():
    heard = Heard()
    heard.feeds.watch("binance")
    heard.feeds.beat(beat(is_live=False))

    await until(lambda: "sign of life" in heard.feeds.reason("binance"))

    assert len(heard.changes) == 1
    heard.feeds.close()


async def test_start_is_told_once_per_epoch_and_older_beats_do_not_count():
    heard = Heard()
    heard.feeds.watch("binance")

    taken = [heard.feeds.beat(beat(epoch=epoch)) for epoch in (7, 7, 8, 7, 8)]

    assert taken == [True, True, True, False, True]
    assert heard.starts == ["binance", "binance"]
    heard.feeds.close()


async def test_brokers_are_apart_and_forgotten_ones_are_silent():
    heard = Heard()
    heard.feeds.watch("binance")
    heard.feeds.watch("kraken")
    heard.feeds.forget("kraken")

    assert not heard.feeds.beat(beat("kraken"))
    await until(lambda: heard.changes)

    assert [broker for broker, _ in heard.changes] == ["binance"]
    heard.feeds.close()
