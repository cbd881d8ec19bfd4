"""A share of the streams that never pauses: one socket takes over from another.

Binance closes a socket after 24 hours, and before it restarts a server. Ahead of that
another socket is opened. Its frames are held until it follows all that the old one
does and both have run for a while; then the old one is closed, and what was held goes
the way of all frames. What came over both is told by its number and dropped there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from brokers.binance.connection import Connection, Take
from brokers.binance.converters import BROKER
from brokers.exceptions import FeedLost
from brokers.websocket import CLOSE_TIMEOUT_S

# "A single connection is only valid for 24 hours" (web-socket-streams.md).
SUCCEED_AFTER_S = 23 * 3_600.0
# How long the next socket may take until it follows everything.
SUCCESSION_TIMEOUT_S = 60.0
# How far the old socket may be behind the new one at most.
OVERLAP_S = 2.0
# Frames of the next socket that wait, some 30 MB; the oldest go first, as the old
# socket brought those, too.
MAX_HELD = 100_000
# After a successor failed; the old socket goes on.
RETRY_S = 30.0

log = structlog.get_logger(__name__)


class Lane:
    """Follows a share of the streams, at most what one connection may.

    ``take`` gets each frame; ``is_reply`` says of a frame of a socket that is not in
    use yet whether it answers that socket's request, and has noted it if so.
    ``on_hole`` is called with the streams when one socket ended before the next one
    followed them; then ``on_subscribed``, and then comes what the next one brought.
    ``on_alive`` is called at each ping or pong.
    """

    def __init__(
        self,
        address: str,
        take: Take,
        is_reply: Callable[[Connection, bytes], bool],
        on_subscribed: Callable[[Sequence[str]], None],
        on_hole: Callable[[Sequence[str]], None] = lambda streams: None,
        on_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.streams: Mapping[str, None] = {}
        self._address = address
        self._take = take
        self._is_reply = is_reply
        self._on_subscribed = on_subscribed
        self._on_hole = on_hole
        self._on_alive = on_alive
        self._connections: list[Connection] = []

    @property
    def is_open(self) -> bool:
        """Return whether frames may come."""
        return any(connection.is_open for connection in self._connections)

    def follow(self, streams: Mapping[str, None]) -> None:
        """Follow exactly these from now on; also while ``run`` runs."""
        if streams.keys() != self.streams.keys():
            self.streams = streams
            for connection in self._connections:
                connection.follow(streams)

    async def run(self) -> None:
        """Connect, and go on over one socket after the other until one is lost.

        It may be run again then.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        tasks: list[asyncio.Task[None]] = []
        try:
            connection = self._open(self._on_subscribed)
            tasks = [asyncio.create_task(connection.run(self._take))]
            wait_s = SUCCEED_AFTER_S
            while True:
                await _wait(tasks[0], connection.is_ending, timeout_s=wait_s)
                if tasks[0].done():
                    tasks[0].result()
                successor = await self._succeed(connection, tasks)
                if successor is None:
                    # An end that was announced cannot be waited for again.
                    connection.is_ending.clear()
                    wait_s = RETRY_S
                else:
                    connection, wait_s = successor, SUCCEED_AFTER_S
        finally:
            self._connections.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _succeed(
        self, old: Connection, tasks: list[asyncio.Task[None]]
    ) -> Connection | None:
        """Put another socket into the old one's place; None if that failed."""
        hold = _Hold(self._take, self._is_reply)
        new = self._open(partial(self._note_subscribed, hold))
        tasks.append(asyncio.create_task(new.run(hold.take)))
        await _wait(tasks[1], new.is_subscribed, timeout_s=SUCCESSION_TIMEOUT_S)
        if not new.is_subscribed.is_set() or tasks[1].done():
            await self._give_up(new, tasks)
            return None
        has_hole = tasks[0].done()
        await asyncio.wait(tasks, timeout=OVERLAP_S, return_when="FIRST_COMPLETED")
        if tasks[1].done():
            await self._give_up(new, tasks)
            return None
        await old.close()
        await asyncio.wait(tasks[:1], timeout=CLOSE_TIMEOUT_S)
        self._connections.remove(old)
        before = tasks.pop(0)
        before.cancel()
        await asyncio.gather(before, return_exceptions=True)
        if has_hole:
            self._on_hole(list(self.streams))
            self._on_subscribed(list(self.streams))
        log.info("socket succeeded", broker=BROKER, held=hold.release())
        return new

    async def _give_up(self, new: Connection, tasks: list[asyncio.Task[None]]) -> None:
        self._connections.remove(new)
        task = tasks.pop()
        task.cancel()
        (error,) = await asyncio.gather(task, return_exceptions=True)
        reason = str(error) if isinstance(error, FeedLost) else "no reply in time"
        log.warning("no other socket yet", broker=BROKER, error=reason)

    def _note_subscribed(self, hold: "_Hold", streams: Sequence[str]) -> None:
        # What the old socket followed, too, goes on: nothing has to begin anew.
        if hold.is_released:
            self._on_subscribed(streams)

    def _open(self, on_subscribed: Callable[[Sequence[str]], None]) -> Connection:
        connection = Connection(
            self._address, self.streams, on_subscribed, self._on_alive
        )
        self._connections.append(connection)
        return connection


class _Hold:
    """Keeps the frames of a socket until it is released."""

    def __init__(
        self, take: Take, is_reply: Callable[[Connection, bytes], bool]
    ) -> None:
        self._take = take
        self._is_reply = is_reply
        self._held: deque[tuple[Connection, bytes]] | None = deque(maxlen=MAX_HELD)

    @property
    def is_released(self) -> bool:
        """True once frames are no longer kept."""
        return self._held is None

    def take(self, connection: Connection, frame: bytes) -> None:
        if self._held is None:
            self._take(connection, frame)
        elif not self._is_reply(connection, frame):
            self._held.append((connection, frame))

    def release(self) -> int:
        """Let all go on that was held, and what follows; return how much that was."""
        held, self._held = self._held or deque(), None
        for connection, frame in held:
            self._take(connection, frame)
        return len(held)


async def _wait(
    task: asyncio.Task[None], event: asyncio.Event, *, timeout_s: float
) -> None:
    """Return when the task has ended, the event is set, or after the time."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait(
            [task, waiting], timeout=timeout_s, return_when="FIRST_COMPLETED"
        )
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
