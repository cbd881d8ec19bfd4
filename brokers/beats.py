"""Shows hubs each second that a feed lives, and what of it is stored meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog
from msgspec import structs
from redis.exceptions import RedisError

from marketdata.layer_messages import Beat, beat_group, encode_message
from marketdata.publisher import BatchLayer, Publisher
from marketdata.topics import Topic, group_name

BEAT_S = 1.0

log = structlog.get_logger(__name__)


class Beats:
    """The beats of one broker's feed.

    They tell the stored numbers of followed topics: in a quiet market no record comes
    that would.
    """

    def __init__(self, broker: str, publisher: Publisher, layer: BatchLayer) -> None:
        self._broker = broker
        self._publisher = publisher
        self._layer = layer
        self._told: dict[str, int] = {}

    async def run(
        self, is_live: Callable[[], bool], followed: Callable[[], Iterable[Topic]]
    ) -> None:
        """Send a beat each second; never returns. While Redis is away none arrives."""
        while True:
            groups = [group_name(topic) for topic in followed()]
            beat = self.next_beat(groups, is_live=is_live())
            # The last thing before it leaves: who hears it tells by it how late it is.
            timed = structs.replace(beat, clock_us=time.monotonic_ns() // 1_000)
            message = beat_group(self._broker), encode_message(timed)
            try:
                await self._layer.group_send_many([message])
            except (RedisError, OSError):
                # The publisher says that Redis is away. What was not told is told then.
                for group in beat.stored:
                    self._told.pop(group, None)
            await asyncio.sleep(BEAT_S)

    def next_beat(self, groups: Iterable[str], *, is_live: bool) -> Beat:
        """Return the next beat, and remember what it tells of these topics."""
        numbers = self._publisher.stored_numbers
        now = {group: numbers[group] for group in groups if group in numbers}
        changed = {
            group: number
            for group, number in now.items()
            if self._told.get(group) != number
        }
        self._told = now
        return Beat(self._broker, self._publisher.epoch, is_live, changed)
