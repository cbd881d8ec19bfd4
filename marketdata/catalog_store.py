"""Loads the catalog from the database and the settings."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import django.db
import structlog
from django.conf import settings
from django.db import connections

from marketdata import catalog
from marketdata.broker_switches import enabled_brokers
from marketdata.instruments import bundled_brokers, bundled_instruments
from marketdata.models import Broker, Instrument

log = structlog.get_logger(__name__)


def load_catalog() -> catalog.Catalog:
    """Return instruments and brokers as they are now; blocks on the database.

    A broker that is only named in `BROKERS_ENABLED` is known too. Without
    `DATABASE_URL` it is what a new installation starts with, and nothing is recorded.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    simulated: dict[str, bool] = {}
    switches: dict[str, bool | None] = {}
    if settings.DATABASE_URL:
        rows = Instrument.objects.prefetch_related("broker_symbols")
        instruments = [_instrument(row) for row in rows]
        for row in Broker.objects.all():
            simulated[row.name] = row.is_simulated
            switches[row.name] = row.is_enabled
    else:
        instruments = bundled_instruments()
        simulated = bundled_brokers()
    return _catalog(instruments, simulated, switches)


class CatalogLoader:
    """Loads the catalog again and again, for one process.

    A database that is away when the process starts must not keep it from streaming:
    until it has answered once, there is what a new installation starts with.
    """

    def __init__(self) -> None:
        self._is_known = self._is_told = False

    def load(self) -> catalog.Catalog:
        """Return the catalog as it is now; blocks on the database.

        Raises:
            django.db.Error: the database cannot be asked, and could be before.
        """
        try:
            found = load_catalog()
        except django.db.Error as exc:
            if self._is_known:
                raise
            if not self._is_told:
                log.warning("catalog not known, what we ship is used", error=str(exc))
            self._is_told = True
            return _catalog(bundled_instruments(is_recorded=True), bundled_brokers())
        self._is_known = True
        return found

    def load_in_thread(self) -> catalog.Catalog:
        """Do the same in a thread of its own, which leaves no connection behind."""
        try:
            return self.load()
        finally:
            connections.close_all()


def load_enabled_brokers() -> list[str]:
    """Return the brokers whose feeds are to run; blocks on the database.

    It is asked in a connection of its own, which is left behind closed.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    switches: dict[str, bool | None] = {}
    if settings.DATABASE_URL:
        try:
            switches = dict(Broker.objects.values_list("name", "is_enabled"))
        finally:
            connections.close_all()
    return enabled_brokers(settings.BROKERS_ENABLED, switches)


def _catalog(
    instruments: list[catalog.Instrument],
    simulated: Mapping[str, bool],
    switches: Mapping[str, bool | None] = MappingProxyType({}),
) -> catalog.Catalog:
    enabled = set(enabled_brokers(settings.BROKERS_ENABLED, switches))
    brokers = [
        catalog.Broker(name, name in enabled, simulated.get(name, False))
        for name in sorted(simulated.keys() | enabled)
    ]
    loaded = catalog.Catalog(instruments, brokers)
    if loaded.unusable:
        _warn_once(frozenset(loaded.unusable))
    return loaded


@lru_cache(maxsize=8)  # the catalog is loaded every few seconds
def _warn_once(spellings: frozenset[str]) -> None:
    log.warning("spellings that no client can use", spellings=sorted(spellings))


def _instrument(row: Instrument) -> catalog.Instrument:
    return catalog.Instrument(
        symbol=row.symbol,
        display=row.display,
        type=catalog.InstrumentType(row.type),
        decimals=row.decimals,
        brokers={item.broker_id: item.symbol for item in row.broker_symbols.all()},
        broker=row.broker_id or "",
        is_recorded=row.record,
    )
