"""What is remembered of private feeds that are not open: refusals, epochs. Pure."""

from typing import Any

# Credentials that the broker did not accept are not shown to it again for so long.
REFUSAL_S = 30.0
MAX_REMEMBERED = 10_000  # the latest of each


class FormerFeeds:
    """The feeds of one broker by owner; ``epoch`` is the first that any of them has."""

    def __init__(self, epoch: int) -> None:
        self._first_epoch = epoch
        self._epochs: dict[str, int] = {}
        self._refusals: dict[str, tuple[float, str]] = {}

    def next_epoch(self, owner: str) -> int:
        """Return the epoch of an owner's feed that is opened now."""
        epoch = self._epochs.pop(owner, self._first_epoch - 1) + 1
        self._epochs[owner] = epoch
        _forget_oldest(self._epochs)
        return epoch

    def note_refusal(self, owner: str, reason: str, now_s: float) -> None:
        """Remember that the broker did not accept an owner's credentials."""
        self._refusals.pop(owner, None)
        self._refusals[owner] = now_s + REFUSAL_S, reason
        _forget_oldest(self._refusals)

    def refusal(self, owner: str, now_s: float) -> str | None:
        """Return why an owner was refused lately, None if it was not."""
        until_s, reason = self._refusals.get(owner, (now_s, ""))
        return reason if now_s < until_s else None


def _forget_oldest(remembered: dict[str, Any]) -> None:
    if len(remembered) > MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
