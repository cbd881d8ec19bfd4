"""What is known of a series without counting rows."""

from datetime import datetime

import msgspec


class SeriesInfo(msgspec.Struct, frozen=True):
    """A series with data: there are candles of it from ``candles_from`` to ``latest``.

    ``earliest`` is its first record that is stored, None if retention dropped them all.
    ``has_ticks`` says that there are ticks, or candles of those that were dropped.
    ``decimals`` is the precision of its prices; ``brokers`` are all that have data of
    the symbol, by name. ``pending`` stands for the changes that wait for a refresh of
    the candles in the span that was asked for, empty if there are none: another text
    if they are others.
    """

    series_id: int
    symbol: str
    decimals: int
    broker: str
    earliest: datetime | None
    candles_from: datetime
    latest: datetime
    tick_count: int
    revision: int
    trade_count: int = 0
    has_ticks: bool = True
    pending: str = ""
    brokers: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version of the data: another text if something old changed.

        The broker that answers is part of it; live records do not change it, nor do
        records that are less than a minute late.
        """
        return f"{self.series_id}.{self.revision}"
