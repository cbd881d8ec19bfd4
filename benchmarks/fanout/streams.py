"""What the followers of a topic must receive: all of them the very same frames.

So one copy is kept, each client's bytes are compared with it where they belong, and
only the copy is read frame by frame: every byte of every client is checked at the price
of a memcmp, also at millions of deliveries a second.
"""

import re
from array import array
from typing import NamedTuple

import numpy

CLOSE, PING = 0x8, 0x9
_DATA = (0x1, 0x2)


class Frame(NamedTuple):
    """A whole frame: its opcode, and where its payload and itself end."""

    opcode: int
    payload: int
    end: int


def next_frame(data: bytes | bytearray, start: int) -> Frame | None:
    """Return the frame at a place, None if it is not all there."""
    if len(data) - start < 2:
        return None
    length, head = data[start + 1] & 0x7F, start + 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(data) - head < size:
            return None
        length = int.from_bytes(data[head : head + size])
        head += size
    if len(data) < head + length:
        return None
    return Frame(data[start] & 0x0F, head, head + length)


class Marks(NamedTuple):
    """Where a frame says when it was sent (us or ns since the epoch) and its number.

    Frames with ``noise`` are a client's own, as heartbeats are. ``numbers`` None: the
    server numbers nothing.
    """

    stamp: re.Pattern[bytes]
    numbers: re.Pattern[bytes] | None = None
    noise: bytes = b'"type":"heartbeat"'


class Stream:
    """The frames of one topic, as the client that is furthest has got them."""

    def __init__(self, marks: Marks) -> None:
        self.bytes = bytearray()
        self.ends = array("q")  # of frames
        self.reads = array("q")  # (from, to, us) in threes, of all clients
        self.mismatches = 0
        self._marks = marks

    def start_of_frame(self, offset: int) -> int:
        """Return where the frame begins that the place is in."""
        ends = self.ends
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            if ends[middle] <= offset:
                low = middle + 1
            else:
                high = middle
        return ends[low - 1] if low else 0

    def is_noise(self, data: bytes, frame: Frame) -> bool:
        """Return True for a frame that is no part of the topic."""
        noise = data.find(self._marks.noise, frame.payload, frame.end) >= 0
        return frame.opcode not in _DATA or noise

    def take(self, offset: int, frame: bytes) -> int:
        """Compare or append a whole frame; return where the next one belongs."""
        if offset == len(self.bytes):
            self.bytes += frame
            self.ends.append(len(self.bytes))
        elif not self.bytes.startswith(frame, offset):
            self.mismatches += 1
        return offset + len(frame)

    @property
    def frames(self) -> int:
        """Number of frames that came."""
        return len(self.ends)

    def is_in_order(self) -> bool:
        """Return True if the numbers rise by 1, without a hole and without a repeat."""
        pattern = self._marks.numbers
        if pattern is None:
            return True
        numbers = [int(found[1]) for found in pattern.finditer(self.bytes)]
        begin = numbers[0] if numbers else 0
        return numbers == list(range(begin, begin + len(self.ends)))

    def latencies_us(self) -> numpy.ndarray:
        """Return how late each delivery to each client was, in the order of reads."""
        delivered, index = self._deliveries()
        return delivered - self._stamps_us()[index]

    def delivered_us(self) -> numpy.ndarray:
        """Return when each delivery was read, in the same order."""
        return self._deliveries()[0]

    def _deliveries(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return the time of each delivery, and which frame it was."""
        ends = numpy.array(self.ends)
        reads = numpy.array(self.reads).reshape(-1, 3)
        first = numpy.searchsorted(ends, reads[:, 0], side="right")
        last = numpy.searchsorted(ends, reads[:, 1], side="right")
        counts = last - first
        index = numpy.arange(counts.sum()) + numpy.repeat(
            first - numpy.concatenate(([0], counts.cumsum()[:-1])), counts
        )
        return numpy.repeat(reads[:, 2], counts), index

    def _stamps_us(self) -> numpy.ndarray:
        found = [int(item[1]) for item in self._marks.stamp.finditer(self.bytes)]
        stamps = numpy.array(found, dtype=numpy.int64)
        if len(stamps) != len(self.ends):
            raise ValueError(f"expected {len(self.ends)} times, found {len(stamps)}")
        return numpy.where(stamps > 10**17, stamps // 1_000, stamps)
