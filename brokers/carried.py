"""The instruments that a broker carries, as the catalog says now."""

from channels.db import database_sync_to_async

from brokers.feed import FollowedInstrument
from brokers.following import LoadInstruments
from brokers.instruments import followed_instruments
from marketdata.catalog_store import CatalogLoader


def load_carried(broker: str) -> LoadInstruments:
    """Return what loads them; it raises as `CatalogLoader.load` does."""
    loader = CatalogLoader()

    @database_sync_to_async
    def load() -> list[FollowedInstrument]:
        return followed_instruments(loader.load(), broker)

    return load
