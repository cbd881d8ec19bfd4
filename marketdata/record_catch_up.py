"""One session and one topic of ticks or trades: from a moment of the past into live."""

from collections.abc import Callable

import msgspec

from marketdata.codes import StatusCode
from marketdata.effects import Position, Resume
from marketdata.joining import Joining
from marketdata.numbering import parse_epoch
from marketdata.past import PAGE_ROWS, Past
from marketdata.resumption import (
    MAX_DISORDER_US,
    Days,
    Missing,
    Partial,
    Pass,
    missing_after,
    missing_of_epoch,
    missing_of_unknown,
    missing_since,
    wanted_rows,
)
from marketdata.seam import MAX_EPOCH, MAX_NUMBER, Seam
from marketdata.stored_records import Place, Span, Wanted

_US_PER_MS = 1_000


def parse_position(resume: Resume) -> Position | None:
    """Return where a client's records ended, None if that cannot be a position."""
    try:
        epoch = parse_epoch(resume.epoch)
    except ValueError:
        return None
    if not (1 <= epoch <= MAX_EPOCH and 0 <= resume.seq <= MAX_NUMBER):
        return None
    return Position(epoch, resume.seq)


class _NoHistory(Exception):
    """Raised when only the ring can help."""


class RecordCatchUp:
    """Sends stored records until the ring has the rest, and attaches the session."""

    def __init__(
        self,
        joining: Joining,
        seam: Seam,
        past: Past,
        days: Days,
        *,
        now_us: Callable[[], int],
    ) -> None:
        self._joining = joining
        self._seam = seam
        self._past = past
        self._days = days
        self._now_us = now_us
        self._since_us = 0  # nothing older is wanted
        self._resume: Resume | None = None
        self._done: Position | None = None  # the client has all up to here
        if isinstance(joining.follow.since, Resume):
            self._resume = joining.follow.since
            self._done = parse_position(self._resume)
        elif joining.follow.since is not None:
            self._since_us = joining.follow.since * _US_PER_MS

    async def run(self) -> None:
        """Return once the session is attached.

        Raises:
            HistoryUnavailable: call ``fall_back``.
        """
        try:
            await self._run()
        except _NoHistory as exc:
            await self.fall_back(str(exc))

    async def fall_back(self, reason: str) -> None:
        """Say that history is not complete, send what the ring has, and attach."""
        while True:
            start, from_us = self._seam.ring_start(self._done, self._since_us)
            self._tell(Partial(reason, from_us))
            if start is None:
                self._joining.attach()
                return
            self._done = await self._joining.join_after(start)
            if self._done is None:
                return
            reason = "the client reads more slowly than records come"

    async def _run(self) -> None:
        joining, seam = self._joining, self._seam
        if self._done is not None and not await seam.wait_for_others(self._done):
            self._done = None
        if self._done is not None:
            self._done = await joining.join_after(self._done)
            if self._done is None:
                return
        if joining.instrument is None or not joining.instrument.is_recorded:
            raise _NoHistory("the topic is not stored")
        target = await self._target()
        missing = await self._missing(target)
        while True:
            sent = await self._send(missing, target)
            self._done = max(target, self._done or target)
            await seam.wait_for_feed()
            if self._since_us and seam.is_in_ring(self._done):
                self._done = seam.ring_start(self._done, self._since_us)[0]
            self._done = await joining.join_after(self._done or target)
            if self._done is None:
                return
            missing = sent.rest(self._done)
            target = await self._target()

    async def _target(self) -> Position:
        target = await self._seam.target(self._done)
        if target is None:
            raise _NoHistory("the newest records are not stored yet")
        return target

    async def _missing(self, target: Position) -> Missing:
        """Return what the client lacks, and tell it if it lacks more than it gets."""
        span = await self._span(target)
        partial: Partial | None
        missing: Missing | None
        if self._resume is None:
            missing, partial = missing_since(self._since_us, span, self._days)
        else:
            missing, partial = await self._missing_after(self._resume, span)
        if missing is None:
            raise _NoHistory(partial.reason if partial else "")
        if partial is not None:
            self._tell(partial)
        return missing

    async def _missing_after(
        self, resume: Resume, span: Span
    ) -> tuple[Missing | None, Partial | None]:
        near_us = None
        if resume.timestamp_ms is not None:
            near_us = resume.timestamp_ms * _US_PER_MS
        if self._done is not None:
            found = await self._find(self._done, span, near_us)
            if found is not None:
                return missing_after(self._done, found, self._days)
            if await self._is_known(self._done.epoch, span):
                return missing_of_epoch(self._done, self._days)
            self._done = None
        return missing_of_unknown(near_us, span, self._days)

    async def _find(
        self, position: Position, span: Span, near_us: int | None
    ) -> Place | None:
        within = Span(self._days.oldest_us - MAX_DISORDER_US, span.end_us)
        topic = self._joining.topic
        return await self._past.find(topic, position, within, near_us=near_us)

    async def _is_known(self, epoch: int, span: Span) -> bool:
        """Return True if the feed is in an epoch, or something of it is stored."""
        head = self._joining.hub.position(self._joining.topic)
        if head is not None and head.epoch == epoch:
            return True
        return await self._find(Position(epoch, MAX_NUMBER), span, None) is not None

    async def _span(self, target: Position) -> Span:
        span = await self._past.span(self._joining.topic, target)
        if span is None:
            raise _NoHistory("nothing is stored yet")
        return span

    async def _send(self, missing: Missing, target: Position) -> Pass:
        """Send what is missing up to a position, page by page."""
        span = await self._span(target)
        sent = Pass(missing, target, self._now_us())
        wanted: Wanted | None = wanted_rows(missing, target, span, PAGE_ROWS)
        while wanted is not None:
            wanted = await self._send_page(wanted, sent)
        if sent.lost:
            self._joining.tell(
                StatusCode.GAP,
                f"{sent.lost} records of this time are not stored",
                from_us=missing.start_us,
                to_us=span.end_us,
            )
        return sent

    async def _send_page(self, wanted: Wanted, sent: Pass) -> Wanted | None:
        """Send a page and return the one after it, None if it was the last."""
        joining = self._joining
        page = await joining.send(
            lambda: self._past.page(
                joining.topic, joining.instrument, joining.encoding, wanted
            )
        )
        for place in page.places:
            sent.note(place)
        if len(page.places) < wanted.limit:
            return None
        return msgspec.structs.replace(wanted, after=page.places[-1])

    def _tell(self, partial: Partial) -> None:
        self._joining.tell(
            StatusCode.PARTIAL_HISTORY, partial.reason, from_us=partial.from_us
        )
