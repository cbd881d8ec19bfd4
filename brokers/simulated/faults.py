"""What a broker does wrong, on purpose: for trying out what follows it. Pure.

Written as `drop=0.01,duplicate=0.02,stall=5/60,burst=2/30,disconnect=90`: of each
record's chances to be left out and to come twice; in every 60 s, nothing for the last
5; in every 30 s, what the last 2 should have brought comes at their end at once; the
connection ends every 90 s. What is left out, or stalled, never comes.
"""

from collections.abc import Callable, Sequence

import msgspec

from brokers.exceptions import InvalidFeedSetting
from marketdata.records import Record

SETTING = "SIMULATED_FAULTS"
MAX_HELD = 200_000  # records of a burst: some 40 MB
_EXPECTED = "drop=0.01,duplicate=0.01,stall=5/60,burst=2/30,disconnect=90"


class Window(msgspec.Struct, frozen=True):
    """The last ``length_s`` of every ``every_s``; never if both are 0."""

    length_s: float = 0.0
    every_s: float = 0.0

    def holds(self, since_s: float) -> bool:
        """Return whether the moment, counted from the start, is in it."""
        return (
            self.every_s > 0 and since_s % self.every_s >= self.every_s - self.length_s
        )


class FaultOptions(msgspec.Struct, frozen=True):
    """How often what goes wrong; nothing does by default."""

    drop: float = 0.0
    duplicate: float = 0.0
    stall: Window = Window()
    burst: Window = Window()
    disconnect: float = 0.0


class FaultCounters(msgspec.Struct):
    """Records that were left out or stalled, came twice, and came late in a burst."""

    dropped: int = 0
    duplicated: int = 0
    delayed: int = 0


def parse_faults(text: str) -> FaultOptions:
    """Return what a setting says; empty: nothing goes wrong.

    Raises:
        InvalidFeedSetting: a name is not known, or a value cannot be.
    """
    options: dict[str, float | Window] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, _, value = part.partition("=")
        options[name] = _value(name, value, part)
    return FaultOptions(**options)  # type: ignore[arg-type]


class Faults:
    """Does to a feed's records what the options say; ``random`` is uniform in [0, 1).

    The first call of ``apply`` is the start of the windows.
    """

    def __init__(self, options: FaultOptions, random: Callable[[], float]) -> None:
        self.counters = FaultCounters()
        self._options = options
        self._random = random
        self._start_s: float | None = None
        self._held: list[Record] = []
        self._is_idle = options == FaultOptions()

    def apply(self, records: Sequence[Record], now_s: float) -> Sequence[Record]:
        """Return what comes of the records now, in order."""
        if self._is_idle:
            return records
        if self._start_s is None:
            self._start_s = now_s
        since_s = now_s - self._start_s
        if self._options.stall.holds(since_s):
            self.counters.dropped += len(records)
            return []
        spoilt = self._spoil(records)
        if self._options.burst.holds(since_s) and len(self._held) < MAX_HELD:
            self._held += spoilt
            self.counters.delayed += len(spoilt)
            return []
        held, self._held = self._held, []
        return held + spoilt

    def ends(self, connected_s: float) -> bool:
        """Return whether a connection ends that has lasted so long."""
        return 0 < self._options.disconnect <= connected_s

    def _spoil(self, records: Sequence[Record]) -> list[Record]:
        options, spoilt = self._options, []
        for record in records:
            if options.drop and self._random() < options.drop:
                self.counters.dropped += 1
                continue
            spoilt.append(record)
            if options.duplicate and self._random() < options.duplicate:
                self.counters.duplicated += 1
                spoilt.append(record)
        return spoilt


def _value(name: str, text: str, part: str) -> float | Window:
    try:
        if name in ("stall", "burst"):
            length, _, every = text.partition("/")
            window = Window(float(length), float(every))
            if 0 < window.length_s < window.every_s < float("inf"):
                return window
        elif name in ("drop", "duplicate"):
            share = float(text)
            if 0 <= share <= 1:
                return share
        elif name == "disconnect" and 0 < float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise InvalidFeedSetting(SETTING, _EXPECTED, part)
