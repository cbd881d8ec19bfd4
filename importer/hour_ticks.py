"""The ticks of one hour as arrays: what every source decodes to. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from history.columns import TickColumns, assign_ordinals


@dataclass(frozen=True, slots=True, eq=False)
class HourTicks:
    """Ticks oldest first, in arrays of one length.

    ``time_us`` is int64, the others float64. Sizes are in the archive's own unit, which
    for Dukascopy is millions of the base currency.
    """

    time_us: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask_size: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_us)

    def to_columns(self, series_id: int) -> TickColumns:
        """Return the ticks as rows of a series, numbered inside their instants."""
        return TickColumns(
            series_id=np.full(len(self), series_id, np.int32),
            time_us=self.time_us,
            seq=assign_ordinals(self.time_us),
            bid=self.bid,
            ask=self.ask,
            bid_size=self.bid_size,
            ask_size=self.ask_size,
        )
