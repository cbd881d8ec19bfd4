"""What a feed is to deliver: what is recorded, and what hubs follow. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from brokers.demand import Change
from brokers.feed import FollowedInstrument
from marketdata.candle_building import RECORD_TYPES
from marketdata.records import KINDS, Kind
from marketdata.timeframes import PriceSide
from marketdata.topics import Topic

_RECORDED = frozenset({Kind.TICK, Kind.TRADE})
_OF_A_BROKER = frozenset({Kind.TICK, Kind.TRADE, Kind.ORDERBOOK})
# Of its trades if it has any, else of its mids; a broker's own goes before both.
_OF_A_TICKER = frozenset({Kind.TICK, Kind.TRADE, Kind.TICKER})


def needed_kinds(topic: Topic) -> frozenset[Kind]:
    """Return the kinds that a broker must give for the topic: what it is made of."""
    if topic.kind is Kind.CANDLE:
        return frozenset({KINDS[RECORD_TYPES[topic.price_side or PriceSide.MID]]})
    if topic.kind is Kind.TICKER:
        return _OF_A_TICKER
    return frozenset({topic.kind}) & _OF_A_BROKER


class LastingDemand:
    """The topics that hubs follow, and those that they left less than ``grace_s`` ago.

    A client that comes back soon costs the broker nothing then.
    """

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self._until_s: dict[Topic, float] = {}

    def take(self, change: Change, now_s: float) -> None:
        """Note what is followed newly, and what no longer is."""
        for topic in change.removed:
            self._until_s[topic] = now_s + self.grace_s
        for topic in change.added:
            self._until_s[topic] = math.inf

    def kinds(self, now_s: float) -> dict[str, frozenset[Kind]]:
        """Return the kinds that are needed of each symbol; forget what is over."""
        over = [topic for topic, until_s in self._until_s.items() if until_s <= now_s]
        for topic in over:
            del self._until_s[topic]
        kinds: defaultdict[str, frozenset[Kind]] = defaultdict(frozenset)
        for topic in self._until_s:
            kinds[topic.symbol] |= needed_kinds(topic)
        return {symbol: found for symbol, found in kinds.items() if found}


def wanted_instruments(
    carried: Sequence[FollowedInstrument], demanded: Mapping[str, frozenset[Kind]]
) -> list[FollowedInstrument]:
    """Return those that are recorded or demanded, with the kinds that are wanted.

    The order stays: what is recorded comes first, a feed leaves out the last.
    """
    wanted = []
    for item in carried:
        kinds = demanded.get(item.symbol, frozenset())
        if item.is_recorded:
            kinds |= _RECORDED
        if kinds:
            wanted.append(msgspec.structs.replace(item, kinds=kinds))
    return wanted
