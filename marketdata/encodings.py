"""What a hub needs to know of a dialect: how a topic's events become frames."""

from typing import Protocol

import msgspec

from marketdata.catalog import Instrument
from marketdata.codes import StatusCode
from marketdata.records import Record
from marketdata.topics import Topic

# The phase of a snapshot from the store, of a topic whose feed says nothing.
STALE = "stale"


class Notice(msgspec.Struct, frozen=True):
    """Something that the followers of a topic must know, beside its records.

    ``from_us`` and ``to_us`` bound what is missing, where that is known.
    """

    code: StatusCode
    topic: Topic
    message: str
    from_us: int | None = None
    to_us: int | None = None


class Encoding(Protocol):
    """Makes frames of records. Equal and hashed alike if its frames are the same.

    One topic can have several: `btcusdt@trade` raw and in an envelope, and unified.
    ``instrument`` is None for topics that have none (`redis`). None instead of a frame
    means that the record is nothing to these followers.
    """

    def data(
        self,
        record: Record,
        instrument: Instrument | None,
        *,
        number: int | None,
        epoch: str | None,
        phase: str | None = None,
        skipped: int = 0,
    ) -> bytes | None:
        """Return the text of a record's frame.

        ``number`` and ``epoch`` (`numbering.epoch_text`) are None for records that were
        not published live; ``skipped`` records before it were left out for a client.
        """

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return the text of a notice's frame."""
