"""What a recorder counts."""

import msgspec

from history.record_batch import StoredBatch


class RecorderCounters(msgspec.Struct):
    """What became of the records, in rows, and how many flushes failed.

    ``duplicates`` were stored before, ``skipped`` belong to instruments that are not
    recorded, ``dropped`` are lost: journal and memory full, bad values, or left at the
    end without a journal. ``replayed`` are those that dead processes left.
    """

    stored: int = 0
    duplicates: int = 0
    skipped: int = 0
    dropped: int = 0
    failed_flushes: int = 0
    replayed: int = 0

    def add(self, done: StoredBatch | None, rows: int) -> None:
        """Count rows of which the store said this; None: it will never take them."""
        if done is None:
            self.dropped += rows
            return
        self.stored += done.stored
        self.duplicates += done.duplicates
        self.skipped += done.skipped
