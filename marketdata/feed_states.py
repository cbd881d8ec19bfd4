"""Which feeds are alive: each says so every second, silence means that it is not."""

import asyncio
from collections.abc import Callable

from marketdata.layer_messages import Beat

FEED_SILENT_S = 3.5  # three beats may get lost


class _Feed:
    """What is known of one broker's feed."""

    __slots__ = ("epoch", "is_down", "reason", "timer")

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.epoch = 0
        self.is_down = False
        self.reason = ""
        self.timer = timer


class FeedStates:
    """The feeds of the brokers that are followed.

    ``on_change`` is called with a broker whose feed went down or came up again,
    ``on_start`` with one whose feed is another process than before, or the first.
    """

    def __init__(
        self,
        silent_s: float,
        on_change: Callable[[str], None],
        on_start: Callable[[str], None],
    ) -> None:
        self._silent_s = silent_s
        self._on_change = on_change
        self._on_start = on_start
        self._feeds: dict[str, _Feed] = {}

    def watch(self, broker: str) -> None:
        """Expect beats of the broker from now on."""
        self._feeds[broker] = _Feed(self._wait(broker))

    def forget(self, broker: str) -> None:
        """Expect nothing more of the broker."""
        self._feeds.pop(broker).timer.cancel()

    def reason(self, broker: str) -> str | None:
        """Return why the broker's feed is down, None if it is not."""
        feed = self._feeds.get(broker)
        return feed.reason if feed is not None and feed.is_down else None

    def beat(self, beat: Beat) -> bool:
        """Note a sign of life; False if it is of a feed that has been replaced."""
        feed = self._feeds.get(beat.broker)
        if feed is None or beat.epoch < feed.epoch:
            return False
        feed.timer.cancel()
        feed.timer = self._wait(beat.broker)
        is_new, feed.epoch = beat.epoch != feed.epoch, beat.epoch
        if is_new:
            self._on_start(beat.broker)
        self._set(beat.broker, not beat.is_live, "the broker cannot be reached")
        return True

    def is_replaced(self, broker: str, epoch: int) -> bool:
        """Return whether a newer feed of the broker has been heard."""
        feed = self._feeds.get(broker)
        return feed is not None and epoch < feed.epoch

    def close(self) -> None:
        """Forget all."""
        for broker in list(self._feeds):
            self.forget(broker)

    def _wait(self, broker: str) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(self._silent_s, self._silent, broker)

    def _silent(self, broker: str) -> None:
        self._set(broker, True, "the feed gives no sign of life")

    def _set(self, broker: str, is_down: bool, reason: str) -> None:
        feed = self._feeds[broker]
        has_changed, feed.is_down = is_down != feed.is_down, is_down
        feed.reason = reason
        if has_changed:
            self._on_change(broker)
