"""Which instruments a broker's feed follows. Pure."""

from brokers.feed import FollowedInstrument
from marketdata.catalog import Catalog


def followed_instruments(catalog: Catalog, broker: str) -> list[FollowedInstrument]:
    """Return what the broker carries, recorded or not, as clients may follow all of it.

    What is recorded comes first: a feed that cannot follow all leaves out the last.
    """
    carried = [item for item in catalog.instruments.values() if broker in item.brokers]
    carried.sort(key=lambda item: not item.is_recorded)
    return [
        FollowedInstrument(
            item.symbol,
            item.brokers[broker],
            item.decimals,
            item.is_recorded,
            market=item.type,
        )
        for item in carried
    ]
