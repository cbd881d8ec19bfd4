"""Which instruments a broker's feed follows. Pure."""

from brokers.feed import FollowedInstrument
from marketdata.catalog import Catalog, InstrumentType


def followed_instruments(catalog: Catalog, broker: str) -> list[FollowedInstrument]:
    """Return what the broker carries, recorded or not, as clients may follow all of it.

    What is recorded comes first: a feed that cannot follow all leaves out the last.
    """
    carried = [item for item in catalog.instruments.values() if broker in item.brokers]
    source = catalog.brokers.get(broker)
    never_closes = source is not None and source.is_simulated
    carried.sort(key=lambda item: not item.is_recorded)
    return [
        FollowedInstrument(
            item.symbol,
            item.brokers[broker],
            item.decimals,
            item.is_recorded,
            market=InstrumentType.CRYPTO if never_closes else item.type,
        )
        for item in carried
    ]
