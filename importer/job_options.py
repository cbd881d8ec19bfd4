"""The switches of an import, as a job keeps them and as an order has them."""

from typing import Any

import msgspec

from importer.orders import CHUNK_DAYS, ImportOrder
from importer.repair import RepairPick

# A chunk is done in one turn of a worker, two hours at most. A month takes some minutes
# as a rule; where every hour runs into its limit of 100 s, 4 at a time, 12 days fit in,
# and the next turn finds those in the ledger.
MAX_CHUNK_DAYS = 31
# Connections that write, unless told otherwise: a worker has more to do.
JOB_WORKERS = 1

_NAMES = {
    "force": "is_forced",
    "fill_gaps": "fills_gaps",
    "refresh": "has_refresh",
    "replace_live": "replaces_live",
    "chunk_days": "chunk_days",
    "workers": "workers",
    "manage_indexes": "manages_indexes",
}


class JobOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The switches of a job, named as those of the commands.

    ``all`` is of repairs alone, ``force`` and ``fill_gaps`` of imports.
    """

    force: bool = False
    fill_gaps: bool = False
    refresh: bool = True
    replace_live: bool = False
    all: bool = False
    chunk_days: int = CHUNK_DAYS
    workers: int = JOB_WORKERS
    manage_indexes: bool = False

    def for_import(self) -> dict[str, Any]:
        """Return the switches of `ImportOrder` for an import."""
        values = {theirs: getattr(self, ours) for ours, theirs in _NAMES.items()}
        return values | {"chunk_days": min(self.chunk_days, MAX_CHUNK_DAYS)}

    def for_repair(self) -> dict[str, Any]:
        """Return the switches of `ImportOrder` for a repair."""
        pick = RepairPick(is_all=self.all, replaces_live=self.replace_live)
        return self.for_import() | {"pick": pick}


def options_of(order: ImportOrder) -> JobOptions:
    """Return the switches of an import."""
    return JobOptions(
        **{ours: getattr(order, theirs) for ours, theirs in _NAMES.items()}
    )
