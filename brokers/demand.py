"""Which topics of a broker the hubs follow. Pure: the time is passed in."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from marketdata.layer_messages import Demand
from marketdata.topics import Topic

# Hubs repeat themselves every 10 s; one that was silent this long has died.
EXPIRY_S = 30.0


class Change(msgspec.Struct, frozen=True):
    """Topics that have a follower now and had none, and those that lost the last."""

    added: tuple[Topic, ...] = ()
    removed: tuple[Topic, ...] = ()


class DemandBook:
    """What each hub said last that it follows of ``broker``, until it expires.

    Topics of other brokers are ignored, and of other feeds of the broker: it is a
    `Topic.source`.
    """

    def __init__(self, broker: str, *, expiry_s: float = EXPIRY_S) -> None:
        self._broker = broker
        self._expiry_s = expiry_s
        self._hubs: dict[str, tuple[float, frozenset[Topic]]] = {}
        self._followers: Counter[Topic] = Counter()

    @property
    def topics(self) -> Iterable[Topic]:
        """The topics that some hub follows, in the order in which they were added."""
        return self._followers.keys()

    def is_followed(self, topic: Topic) -> bool:
        """Return whether some hub follows the topic."""
        return topic in self._followers

    def take(self, demand: Demand, now_s: float) -> Change:
        """Note what a hub follows; it replaces what the hub said before.

        What it asks for counts as followed, too: the answer must find it computed.
        """
        followed = frozenset(
            topic
            for topic in (*demand.followed, *demand.asked)
            if topic.source == self._broker
        )
        _, before = self._hubs.get(demand.hub, (0.0, frozenset()))
        if followed:
            self._hubs[demand.hub] = now_s + self._expiry_s, followed
        else:
            self._hubs.pop(demand.hub, None)
        return self._count(followed - before, before - followed)

    def expire(self, now_s: float) -> Change:
        """Forget the hubs that were silent for too long."""
        silent = [hub for hub, (until_s, _) in self._hubs.items() if until_s <= now_s]
        gone: list[Topic] = []
        for hub in silent:
            gone += self._hubs.pop(hub)[1]
        return self._count((), gone)

    def _count(self, more: Iterable[Topic], fewer: Iterable[Topic]) -> Change:
        added, removed = [], []
        for topic in more:
            self._followers[topic] += 1
            if self._followers[topic] == 1:
                added.append(topic)
        for topic in fewer:
            self._followers[topic] -= 1
            if not self._followers[topic]:
                del self._followers[topic]
                removed.append(topic)
        return Change(tuple(added), tuple(removed))
