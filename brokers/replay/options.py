"""What is replayed, and when each record is due. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from brokers.exceptions import InvalidFeedSetting
from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical

BROKER = "replay"
FASTEST = "max"
# What a process that was stopped this long still makes up for.
MAX_BEHIND_S = 1.0

_US_PER_S = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReplayOptions(msgspec.Struct, frozen=True):
    """Records of ``source`` from ``from_us`` to ``to_us``, both inclusive.

    ``symbols`` are canonical, none of them means all that are followed. ``speed`` is
    history per real time, infinite for as fast as possible. ``keeps_times``: records
    keep the times that are stored, else they get those at which they come.
    """

    source: str
    symbols: frozenset[str]
    from_us: int
    to_us: int
    speed: float = 1.0
    keeps_times: bool = False


class Pace:
    """When records are due: the first of the range at the start, others by the speed.

    Seconds of a steady clock, microseconds of the system's.
    """

    def __init__(self, options: ReplayOptions, at_us: int) -> None:
        self._options = options
        self._at_us = at_us  # of history, at the start
        self._start_s = 0.0
        self._start_us = 0

    def begin(self, now_s: float, now_us: int) -> None:
        """Start the clock."""
        self._start_s, self._start_us = now_s, now_us

    def due_us(self, now_s: float) -> float:
        """Return up to which time of history records are due."""
        if math.isinf(self._options.speed):
            return math.inf
        passed_us = (now_s - self._start_s) * _US_PER_S
        return self._at_us + passed_us * self._options.speed

    def wait_s(self, now_s: float, next_us: int) -> float:
        """Return how long it is until the record of this time is due; 0 if it is."""
        if math.isinf(self._options.speed):
            return 0.0
        ahead_us = next_us - self.due_us(now_s)
        return max(0.0, ahead_us / self._options.speed / _US_PER_S)

    def skip_lag(self, now_s: float, reached_us: int) -> None:
        """Go on from what was reached, if that is far behind what is due."""
        if math.isinf(self._options.speed):
            return
        lag_s = (self.due_us(now_s) - reached_us) / self._options.speed / _US_PER_S
        if lag_s > MAX_BEHIND_S:
            self._start_s += lag_s - MAX_BEHIND_S
            self._start_us += int((lag_s - MAX_BEHIND_S) * _US_PER_S)

    def shown_us(self, time_us: int, now_us: int) -> int:
        """Return the time that a record of this time is given."""
        if self._options.keeps_times:
            return time_us
        if math.isinf(self._options.speed):
            return now_us
        return self._start_us + int((time_us - self._at_us) / self._options.speed)


def parse_replay(
    source: str, symbols: Sequence[str], bounds: tuple[str, str], speed: str, times: str
) -> ReplayOptions:
    """Return what the settings say; ``bounds`` are REPLAY_FROM and REPLAY_TO.

    Raises:
        InvalidFeedSetting: one of them cannot be.
    """
    if times not in ("now", "stored"):
        raise InvalidFeedSetting("REPLAY_TIMES", "now or stored", times)
    if source.lower() in ("", BROKER):
        raise InvalidFeedSetting("REPLAY_BROKER", "a broker with history", source)
    from_us = _time_us("REPLAY_FROM", bounds[0])
    to_us = _time_us("REPLAY_TO", bounds[1])
    if from_us >= to_us:
        raise InvalidFeedSetting("REPLAY_TO", "a time behind REPLAY_FROM", bounds[1])
    return ReplayOptions(
        source.lower(),
        frozenset(map(_symbol, symbols)),
        from_us,
        to_us,
        _speed(speed),
        keeps_times=times == "stored",
    )


def _speed(text: str) -> float:
    if text.lower() == FASTEST:
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise InvalidFeedSetting("REPLAY_SPEED", f"1, 10, 0.5 or {FASTEST}", text)
    return speed


def _symbol(text: str) -> str:
    try:
        return canonical(text)
    except InvalidSymbol as exc:
        raise InvalidFeedSetting("REPLAY_SYMBOLS", "symbols", text) from exc


def _time_us(setting: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        expected = "a time like 2024-01-02T00:00:00Z"
        raise InvalidFeedSetting(setting, expected, text) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // (moment.resolution)
