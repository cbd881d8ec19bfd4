"""Reads what is stored of live buckets, between two batches of the recorder."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from history.live_buckets import select_live_buckets, select_revisions
from history.recorder import Recorder
from marketdata.candle_building import Read, StoredBucket
from marketdata.records import KINDS, Record
from marketdata.topics import Topic, group_name


class BucketStore:
    """What the store and the recorder have of one broker, without a record twice."""

    def __init__(self, broker: str, recorder: Recorder) -> None:
        self._broker = broker
        self._recorder = recorder

    async def read(
        self, symbol: str, reads: Sequence[Read], now_us: int
    ) -> Mapping[Read, Sequence[StoredBucket]]:
        """Return the stored buckets of each read.

        Raises:
            django.db.Error, psycopg.Error, TimeoutError: the store is away, or what it
                lacks waits on disk.
        """
        if self._recorder.is_behind:
            raise TimeoutError("records wait in the journal")
        select = partial(select_live_buckets, self._broker, symbol, reads, now_us)
        return await self._recorder.read(select)

    def unstored(self, kind: type, symbol: str) -> list[tuple[Record, int]]:
        """Return the records, with their numbers, that ``read`` did not see.

        Only right after ``read``, before anything else is awaited.
        """
        return list(self._recorder.unstored(kind, symbol))

    def has_stored(self, kind: type, symbol: str) -> bool:
        """Return whether a record of the kind and symbol was stored by this process."""
        topic = Topic(KINDS[kind], self._broker, symbol)
        return group_name(topic) in self._recorder.stored_numbers

    async def revisions(self, symbols: Iterable[str]) -> Mapping[str, int]:
        """Return the revision of each series: it rises when its past changes.

        Raises:
            django.db.Error, psycopg.Error, TimeoutError: the store is away.
        """
        select = partial(select_revisions, self._broker, list(symbols))
        return await self._recorder.read(select)
