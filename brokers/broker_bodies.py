"""Brokers as REST shows them; times in Unix seconds.

Feeds do not report how they are yet, so a state is what the store knows: whether a
process has claimed the feed, and when the last of its records was stored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec

from marketdata.broker_switches import enabled_brokers

SELECT_BROKERS = """
    SELECT broker.name,
           broker.is_simulated,
           broker.is_enabled,
           feed.claimed,
           (SELECT max(series.latest)
              FROM history_series AS series
             WHERE series.broker_id = broker.name)
      FROM marketdata_broker AS broker
      LEFT JOIN brokers_feed AS feed ON feed.broker_id = broker.name
     ORDER BY broker.name
"""


class State(Enum):
    """What is known of a broker's feed."""

    DISABLED = "disabled"  # not to run
    WAITING = "waiting"  # enabled, and no process has run it yet
    LIVE = "live"  # its records come in
    SILENT = "silent"  # a process has run it, and nothing has come for a while


class BrokerBody(msgspec.Struct):
    """A broker.

    ``since`` is when the feed's process began, ``last_record`` the time of the newest
    record stored, live or imported; null where there is none.
    """

    broker: str
    enabled: bool
    state: State
    since: int | None
    last_record: int | None
    simulated: bool


def broker_bodies(
    rows: Sequence[Sequence[Any]],
    *,
    configured: Collection[str],
    silence_s: float,
    now_s: float,
) -> list[BrokerBody]:
    """Return the brokers, of the rows of ``SELECT_BROKERS``.

    Args:
        configured: the brokers that the configuration enables.
        silence_s: a feed without a record for longer is silent.
    """
    bodies = []
    rows = list(rows)
    names = enabled_brokers(configured, {row[0]: row[2] for row in rows})
    for name, is_simulated, _, claimed, latest in rows:
        is_enabled = name in names
        is_fresh = latest is not None and now_s - latest.timestamp() <= silence_s
        bodies.append(
            BrokerBody(
                broker=name,
                enabled=is_enabled,
                state=_state(is_enabled, claimed, is_fresh=is_fresh),
                since=_seconds(claimed),
                last_record=_seconds(latest),
                simulated=is_simulated,
            )
        )
    return bodies


def _state(is_enabled: bool, claimed: datetime | None, *, is_fresh: bool) -> State:
    if not is_enabled:
        return State.DISABLED
    if claimed is None:
        return State.WAITING
    return State.LIVE if is_fresh else State.SILENT


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
