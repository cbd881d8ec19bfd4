"""The sinks of one topic: those that get each record, those that get the newest."""

from typing import Protocol

from marketdata.conflation import Conflator, Numbered
from marketdata.effects import Follow
from marketdata.encodings import Encoding
from marketdata.records import Kind, Record
from marketdata.sinks import Sink

_NEVER_CONFLATED = (Kind.TRADE, Kind.FOREIGN)


class Encode(Protocol):
    """Makes the frame of a record for the conflated followers of an encoding."""

    def __call__(
        self, encoding: Encoding, item: Numbered, skipped: int, *, whole_books: bool
    ) -> bytes | None: ...


class Followers:
    """Who follows a topic, by encoding, and by interval where it is conflated."""

    def __init__(self, kind: Kind, encode: Encode) -> None:
        self.sinks: dict[Encoding, dict[Sink, None]] = {}
        self.conflators: dict[tuple[Encoding, int], Conflator] = {}
        self._kind = kind
        self._encode = encode

    def __bool__(self) -> bool:
        return bool(self.sinks or self.conflators)

    def attach(self, follow: Follow, sink: Sink, count: int) -> None:
        """Deliver to the sink as it is wanted from now on, once.

        The topic has delivered ``count`` records.
        """
        encoding, interval_ms = follow.encoding, follow.conflate_ms
        if self._kind in _NEVER_CONFLATED or not interval_ms:
            self._detach_conflated(encoding, sink)
            self.sinks.setdefault(encoding, {})[sink] = None
            return
        conflator = self.conflators.get((encoding, interval_ms))
        if conflator is None or not conflator.has(sink):
            self.detach(encoding, sink)
            conflator = self._conflator(follow, interval_ms, count)
            conflator.add(sink)

    def detach(self, encoding: Encoding, sink: Sink) -> None:
        """Deliver nothing more to the sink; harmless if it gets nothing."""
        sinks = self.sinks.get(encoding)
        if sinks is not None:
            sinks.pop(sink, None)
            if not sinks:
                del self.sinks[encoding]
        self._detach_conflated(encoding, sink)

    def _conflator(self, follow: Follow, interval_ms: int, count: int) -> Conflator:
        encoding, whole_books = follow.encoding, follow.whole_books

        def encode(item: Numbered, skipped: int) -> bytes | None:
            return self._encode(encoding, item, skipped, whole_books=whole_books)

        key = (encoding, interval_ms)
        if key not in self.conflators:
            interval_s = interval_ms / 1_000
            self.conflators[key] = (
                Conflator(interval_s, encode, count, is_superfluous=_always)
                if whole_books
                else Conflator(interval_s, encode, count)
            )
        return self.conflators[key]

    def _detach_conflated(self, encoding: Encoding, sink: Sink) -> None:
        for key, conflator in list(self.conflators.items()):
            if key[0] == encoding and conflator.remove(sink) and not len(conflator):
                del self.conflators[key]


def _always(record: Record) -> bool:
    """Return True: of whole books each makes those before superfluous."""
    return True
