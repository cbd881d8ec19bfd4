from marketdata.sinks import deliver_to_all
from marketdata.wire import Batch

BATCH = Batch((b"one", b"two"))


class Way:
    """A socket that takes some bytes of each write; None: it is broken."""

    def __init__(self, takes) -> None:
        self.taken = []
        self._takes = takes

    def send(self, data):
        if self._takes is None:
            raise BlockingIOError
        self.taken.append(data[: self._takes])
        return len(self.taken[-1])


class NoWay:
    send = None


class Sink:
    """Keeps how it was reached."""

    def __init__(self, way) -> None:
        self.way = way
        self.sent = 0
        self.delivered = []
        self.rests = []

    def deliver(self, batch):
        self.delivered.append(batch)

    def finish(self, batch, taken):
        self.rests.append((batch, taken))


def deliver(*ways):
    sinks = [Sink(way) for way in ways]
    deliver_to_all(BATCH, sinks)
    return sinks


def test_open_way_gets_the_bytes_and_the_sink_only_the_count():
    (sink,) = deliver(Way(1_000))

    assert sink.way.taken == [BATCH.wire]
    assert (sink.sent, sink.delivered, sink.rests) == (2, [], [])


def test_sink_without_a_way_is_delivered_to():
    (sink,) = deliver(NoWay())

    assert (sink.sent, sink.delivered, sink.rests) == (0, [BATCH], [])


def test_rest_of_a_write_is_the_sinks():
    full, broken, other = deliver(Way(3), Way(None), Way(1_000))

    assert full.rests == [(BATCH, 3)]
    assert broken.rests == [(BATCH, 0)]
    assert (full.sent, broken.sent, other.sent) == (0, 0, 2)
