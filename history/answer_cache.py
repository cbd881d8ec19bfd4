"""Encoded answers of settled ranges, kept by their tag: bounded, of this process."""

from collections import OrderedDict

import msgspec

# What an entry takes beside its body: tag, cursor, objects, and its place in the table,
# which doubles as it grows: 230 to 342 (CPython 3.11, 2026-11).
ENTRY_BYTES = 400


class KeptAnswer(msgspec.Struct, frozen=True):
    """A body, and the cursor of the page after it, empty if there is none."""

    body: bytes
    next_cursor: str = ""
    has_rows: bool = True


class AnswerCache:
    """The answers used last, in at most ``max_bytes`` of memory.

    A tag names the version of the data, so what is kept is never stale: nobody asks
    for it any more.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[str, KeptAnswer] = OrderedDict()
        self.size = 0

    def get(self, etag: str) -> KeptAnswer | None:
        """Return the answer, None if it is not kept."""
        answer = self._answers.get(etag)
        if answer is not None:
            self._answers.move_to_end(etag)
        return answer

    def put(self, etag: str, answer: KeptAnswer) -> None:
        """Keep an answer, unless it would take a tenth of the room."""
        size = _size(answer)
        if size * 10 > self._max_bytes or etag in self._answers:
            return
        self._answers[etag] = answer
        self.size += size
        while self.size > self._max_bytes:
            _, dropped = self._answers.popitem(last=False)
            self.size -= _size(dropped)


def _size(answer: KeptAnswer) -> int:
    return ENTRY_BYTES + len(answer.body)
