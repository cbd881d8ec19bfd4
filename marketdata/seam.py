"""Where the store and the ring of a topic meet, so that nothing falls between them."""

import asyncio

from marketdata.effects import Position
from marketdata.encodings import Encoding
from marketdata.hub import Hub
from marketdata.numbering import pack, unpack
from marketdata.past import Past
from marketdata.topics import Topic

STORED_TIMEOUT_S = 5.0  # of the newest records on their way into the store
# Of what feeds tell some times a second; a client waits at its start only.
POLL_S = 0.1
# Another process may have been this much faster with the client's last record.
AHEAD_S = 1.0

MAX_NUMBER = (1 << 32) - 1
MAX_EPOCH = (1 << 31) - 1
BEFORE_LIVE = Position(0, MAX_NUMBER)
LAST_POSITION = pack(MAX_EPOCH, MAX_NUMBER)  # of all there can be


class Seam:
    """What is known of one topic's store and ring, for one session on its way.

    ``is_down`` of the feed is asked for in the session's ``encoding``.
    """

    def __init__(self, hub: Hub, topic: Topic, past: Past, encoding: Encoding) -> None:
        self.stored_timeout_s = STORED_TIMEOUT_S
        self._hub = hub
        self._topic = topic
        self._past = past
        self._encoding = encoding

    async def wait_for_others(self, position: Position) -> bool:
        """Wait until this process has got a record that a client has; False if not."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + AHEAD_S
        while (head := self._hub.position(self._topic)) and head < position:
            if loop.time() > end_s:
                return False
            await asyncio.sleep(POLL_S / 5)
        return True

    async def wait_for_feed(self) -> None:
        """Wait until it is known which number comes next; that may be days."""
        while self._hub.position(self._topic) is None:  # noqa: ASYNC110  see POLL_S
            await asyncio.sleep(POLL_S)

    async def target(self, done: Position | None) -> Position | None:
        """Return up to where all is stored, as soon as the ring has what follows.

        Or as soon as all is stored that was published at the call: then the ring is too
        short, and a session gets nearer pass by pass. While no feed is known it is the
        newest stored record. None if nothing after ``done`` gets there in time.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self.stored_timeout_s
        first_head = self._hub.position(self._topic)
        has_asked = False
        while head := self._hub.position(self._topic):
            target = Position(head.epoch, self._hub.stored(self._topic))
            if self.is_in_ring(target) or (first_head and target >= first_head):
                return target
            is_late = loop.time() > end_s
            if is_late or (self._is_down and not has_asked):
                # A feed that stopped tells nothing; what it stored is all there is.
                has_asked = True
                newest = await self._newest(head)
                if self.is_in_ring(newest):
                    return newest
            if is_late:
                self.stored_timeout_s = 0.0  # no client waits for it twice
                return target if done is None or target > done else None
            await asyncio.sleep(POLL_S)
        return await self._newest(Position(MAX_EPOCH, MAX_NUMBER))

    def is_in_ring(self, position: Position) -> bool:
        """Return True if the ring has all that followed a position."""
        return self._hub.has_since(self._topic, position)

    def ring_start(
        self, done: Position | None, since_us: int
    ) -> tuple[Position | None, int | None]:
        """Return after which position the ring has what a client lacks, and its time.

        It has all up to ``done`` and wants nothing older than ``since_us``. Without a
        position nothing is known of the topic; without a time nothing lacks.
        """
        head = self._hub.position(self._topic)
        if head is None:
            return None, None
        last = done.number if done and done.epoch == head.epoch else 0
        for stretch in self._hub.held(self._topic):
            for number, record in enumerate(stretch.records, stretch.first):
                if number > last and record.time_us >= since_us:
                    return Position(head.epoch, number - 1), record.time_us
        return head, None

    @property
    def _is_down(self) -> bool:
        return self._hub.feed_notice(self._topic, self._encoding) is not None

    async def _newest(self, upto: Position) -> Position:
        found = await self._past.newest(self._topic, pack(*upto))
        newest = Position(*unpack(found.seq)) if found else BEFORE_LIVE
        return max(BEFORE_LIVE, newest)
