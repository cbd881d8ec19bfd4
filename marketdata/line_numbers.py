"""Where a topic is, and what the numbers of its records say about what was lost."""

from typing import NamedTuple

from marketdata.numbering import epoch_text


class Placed(NamedTuple):
    """How records fit behind those before: ``repeated`` of them are known already.

    ``lost`` are missing between; ``is_stale`` if they belong to a publisher that has
    been replaced, so that none of them counts.
    """

    repeated: int = 0
    lost: int = 0
    is_stale: bool = False


_NEXT = Placed()


class Numbers:
    """The epoch and number of the last record of a topic; epoch 0 while unknown."""

    __slots__ = ("epoch", "epoch_text", "number")

    def __init__(self) -> None:
        self.epoch = 0
        self.epoch_text = ""
        self.number = 0

    def advance(self, epoch: int, first: int, count: int) -> Placed:
        """Go on to the end of ``count`` records that begin at number ``first``."""
        if epoch == self.epoch and first == self.number + 1:  # as nearly always
            self.number += count
            return _NEXT
        if epoch < self.epoch:
            return Placed(is_stale=True)
        expected = self._expected(epoch, first)
        repeated = min(max(0, expected - first), count)
        if repeated < count:
            self._move(epoch, first + count - 1)
        return Placed(repeated, max(0, first - expected))

    def jump(self, epoch: int, head: int) -> Placed:
        """Go on to where the publisher says that the topic is."""
        if epoch < self.epoch:
            return Placed(is_stale=True)
        expected = self._expected(epoch, head + 1)
        if expected <= head + 1:
            self._move(epoch, head)
        return Placed(lost=max(0, head + 1 - expected))

    def _expected(self, epoch: int, first: int) -> int:
        """Return the number that should come next; any, if nothing came before."""
        if epoch == self.epoch:
            return self.number + 1
        return 1 if self.epoch else first

    def _move(self, epoch: int, number: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.epoch_text = epoch, epoch_text(epoch)
        self.number = number
