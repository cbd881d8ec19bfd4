import asyncio

from marketdata.outbox import Outbox
from marketdata.wire import PING_BATCH, Batch


class RecordingPort:
    """Keeps what is written; a test turns `is_ready` on and off."""

    def __init__(self) -> None:
        self.is_ready = True
        self.send = None
        self.on_ready = lambda: None
        self.written = []
        self.is_short = False
        self.unanswered = 0

    def write(self, batch):
        self.written.extend(batch.payloads or ["ping"])

    def write_rest(self, batch, taken):
        self.written.append(batch.wire[taken:])

    def close(self, code, reason):
        self.written.append((code, reason))
        self.is_ready = False

    def keep_short(self):
        self.is_short = True

    def is_answering(self):
        self.unanswered += 1
        return self.unanswered <= 1

    def become_ready(self):
        self.is_ready = True
        self.on_ready()


class Overflow:
    """Counts overflows."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self):
        self.count += 1


class Source:
    """Offers frames one after the other, as a conflator."""

    def __init__(self, *frames) -> None:
        self.frames = list(frames)

    def take(self, sink):
        return batch(self.frames.pop(0)) if self.frames else None


def make(max_bytes=10):
    port, overflow = RecordingPort(), Overflow()
    return port, overflow, Outbox(port, max_bytes, overflow)


def batch(*payloads):
    return Batch(payloads)


def test_deliver_to_a_ready_socket_writes_at_once():
    port, _, outbox = make()

    outbox.deliver(batch(b"a", b"b"))

    assert port.written == [b"a", b"b"]
    assert (outbox.sent, outbox.queued_bytes) == (2, 0)


def test_rest_of_what_went_past_the_outbox_is_written_and_counted():
    port, _, outbox = make()

    outbox.finish(batch(b"a", b"b"), 3)

    assert (port.written, outbox.sent) == ([b"\x81\x01b"], 2)


def test_stopped_outbox_has_no_way_past_it():
    port, _, outbox = make()
    port.send = lambda data: len(data)

    outbox.stop()

    assert outbox.way.send is None


def test_deliver_to_a_full_socket_waits_and_keeps_order():
    port, _, outbox = make(max_bytes=20)
    port.is_ready = False

    outbox.deliver(batch(b"aa", b"b"))
    outbox.send_text(b"reply")
    outbox.ping()
    outbox.deliver(batch(b"c"))
    assert (port.written, outbox.queued_bytes) == ([], 7 + 7 + 2 + 3)
    port.become_ready()
    outbox.deliver(batch(b"d"))

    assert port.written == [b"aa", b"b", b"reply", "ping", b"c", b"d"]
    assert (outbox.sent, outbox.queued_bytes) == (5, 0)


def test_flush_stops_when_the_socket_is_full_again():
    port, _, outbox = make()
    port.is_ready = False
    outbox.deliver(batch(b"a"))
    outbox.deliver(batch(b"b"))
    write = port.write

    def write_one(item):
        write(item)
        port.is_ready = False

    port.write = write_one
    port.become_ready()

    assert port.written == [b"a"]
    assert outbox.queued_bytes == batch(b"b").size


def test_deliver_up_to_the_limit_is_kept():
    port, overflow, outbox = make(max_bytes=10)
    port.is_ready = False

    outbox.deliver(batch(b"x" * 8))

    assert (overflow.count, outbox.queued_bytes) == (0, 10)


def test_deliver_over_the_limit_drops_what_waits_and_tells_once():
    port, overflow, outbox = make(max_bytes=10)
    port.is_ready = False

    outbox.deliver(batch(b"x" * 8))
    outbox.deliver(batch(b"y"))
    outbox.deliver(batch(b"z"))

    assert (overflow.count, outbox.queued_bytes, outbox.is_closed) == (1, 0, True)
    assert port.written == []


def test_close_after_an_overflow_still_sends_the_last_frame():
    port, _, outbox = make(max_bytes=1)
    port.is_ready = False
    outbox.deliver(batch(b"xx"))

    outbox.close(4002, "too slow", b"error")

    assert port.written == [b"error", (4002, "too slow")]


def test_close_twice_closes_once_and_nothing_follows():
    port, _, outbox = make()

    outbox.close(1001, "bye")
    outbox.close(4001, "again", b"x")
    outbox.deliver(batch(b"y"))
    outbox.offer(Source(b"z"))
    outbox.ping()

    assert port.written == [(1001, "bye")]


def test_stop_takes_no_more_and_leaves_the_close_to_come():
    port, _, outbox = make()

    outbox.stop()
    outbox.deliver(batch(b"y"))
    outbox.close(1001, "bye", b"x")

    assert port.written == [b"x", (1001, "bye")]


def test_ping_fails_once_one_was_not_answered():
    port, _, outbox = make()

    assert [outbox.ping(), outbox.ping()] == [True, False]
    assert port.written == ["ping"]
    port.unanswered = 0
    assert outbox.ping()


def test_ping_is_no_frame_to_the_client():
    _, _, outbox = make()

    outbox.ping()

    assert (outbox.sent, PING_BATCH.wire) == (0, b"\x89\x00")


def test_offer_to_a_ready_socket_is_taken_at_once():
    port, _, outbox = make()

    outbox.offer(Source(b"a"))

    assert (port.written, outbox.sent, port.is_short) == ([b"a"], 1, True)


def test_offer_to_a_full_socket_is_made_when_it_accepts_and_only_then():
    port, _, outbox = make()
    port.is_ready = False
    source, other = Source(b"old"), Source(b"b")

    outbox.offer(source)
    outbox.offer(other)
    outbox.offer(source)
    source.frames = [b"new", b"never"]
    port.become_ready()

    assert port.written == [b"new", b"b"]
    assert outbox.queued_bytes == 0


def test_offers_come_after_what_was_delivered():
    port, _, outbox = make()
    port.is_ready = False

    outbox.offer(Source(b"newest"))
    outbox.send_text(b"reply")
    port.become_ready()

    assert port.written == [b"reply", b"newest"]


def test_offer_that_has_become_void_writes_nothing():
    port, _, outbox = make()

    outbox.offer(Source())

    assert port.written == []


async def test_outbox_may_be_closed_by_its_overflow_in_the_next_turn():
    port = RecordingPort()
    port.is_ready = False
    loop = asyncio.get_running_loop()
    outbox = Outbox(
        port, 10, lambda: loop.call_soon(outbox.close, 4002, "too slow", b"e")
    )

    outbox.deliver(batch(b"x" * 20))
    await asyncio.sleep(0)

    assert port.written == [b"e", (4002, "too slow")]
