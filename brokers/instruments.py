"""Which instruments a broker's feed follows. Pure."""

from brokers.feed import FollowedInstrument
from marketdata.catalog import Catalog


def followed_instruments(
    catalog: Catalog, broker: str, *, recorded_only: bool
) -> list[FollowedInstrument]:
    """Return the instruments that the broker carries, those that are recorded or all.

    A feed that stores follows what is recorded; one that only streams follows all.
    """
    return [
        FollowedInstrument(item.symbol, item.brokers[broker], item.decimals)
        for item in catalog.instruments.values()
        if broker in item.brokers and (item.is_recorded or not recorded_only)
    ]
