"""Up to which number topics are in the database, by group name."""

from collections.abc import Mapping

from marketdata.topics import Topic, group_name


class StoredNumbers(dict[str, int]):
    """Numbers of the newest epoch that was noted; of another none are kept.

    Epoch 0 is none: what was not published has a place in it, and no number.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def note(self, epoch: int, numbers: Mapping[Topic, int]) -> None:
        """Note the numbers of an epoch; ignored if a newer one was noted."""
        if epoch > self._epoch:
            self._epoch = epoch
            self.clear()
        if epoch and epoch == self._epoch:
            for topic, number in numbers.items():
                self[group_name(topic)] = number
