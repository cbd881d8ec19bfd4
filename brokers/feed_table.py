"""Feeds as the admin shows them: what the database and the processes say. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from marketdata.broker_switches import enabled_brokers
from marketdata.process_messages import FeedFigures

# Switch and lease of each broker, whether its holder has renewed it lately, and the
# state that its feed stored last.
SELECT_FEEDS = """
    SELECT broker.name,
           broker.title,
           broker.is_simulated,
           broker.is_enabled,
           COALESCE(feed.holder, ''),
           feed.renewed > clock_timestamp() - make_interval(secs => %s),
           stored.state,
           stored.since,
           stored.live_until
      FROM marketdata_broker AS broker
      LEFT JOIN brokers_feed AS feed ON feed.broker_id = broker.name
      LEFT JOIN feed_states AS stored ON stored.broker_id = broker.name
     ORDER BY broker.name
"""
# What the states of `brokers.connection` mean for who looks at them.
_GOOD = {"live", "idle", "opening"}
_ON_THE_WAY = {"starting", "connecting"}


class FeedRow(msgspec.Struct, frozen=True):
    """One broker's feed.

    ``switch`` is the admin's, None: as configured. ``level`` is how good ``state`` is:
    `success`, `warning`, `danger`, or empty for a feed that is not to run. ``since`` is
    when it entered the state; of one that does not run, ``live_until`` is until when it
    reached its broker; None where it is not known. ``holder`` is the active process,
    `host:pid`. ``has_switch`` is False of a source that is no broker, as `redis`.
    """

    broker: str
    title: str
    is_simulated: bool
    has_switch: bool
    switch: bool | None
    is_enabled: bool
    state: str
    level: str
    since: datetime | None
    live_until: datetime | None
    holder: str
    figures: FeedFigures | None


def feed_rows(
    rows: Iterable[Sequence[Any]],
    feeds: Mapping[str, FeedFigures],
    *,
    configured: Collection[str],
    known: Collection[str],
) -> list[FeedRow]:
    """Return the feeds of the brokers that have a program, by name; then others.

    Those are sources without a row that run or are configured.

    Args:
        rows: of ``SELECT_FEEDS``.
        feeds: the answers of those that run, by broker.
        configured: the brokers that the configuration enables.
        known: the brokers that have a program.
    """
    rows = list(rows)
    switches = {row[0]: row[3] for row in rows}
    enabled = enabled_brokers(configured, switches)
    others = {*feeds, *(name for name in configured if name in known)} - set(switches)
    rows += [(name, name, False, None, "", *[None] * 4) for name in sorted(others)]
    found = []
    for name, title, is_simulated, switch, holder, is_held, *stored in rows:
        figures = feeds.get(name)
        stored_state, since, live_until = stored
        if name not in known and figures is None:
            continue
        state, level = _state(name in enabled, figures, is_held=bool(is_held))
        found.append(
            FeedRow(
                broker=name,
                title=title,
                is_simulated=is_simulated,
                has_switch=name in switches,
                switch=switch,
                is_enabled=name in enabled,
                state=state,
                level=level,
                since=since if figures and figures.state == stored_state else None,
                live_until=None if figures else live_until,
                holder=figures.holder if figures else _short(holder),
                figures=figures,
            )
        )
    return found


def _state(
    is_enabled: bool, figures: FeedFigures | None, *, is_held: bool
) -> tuple[str, str]:
    if figures is None:
        if is_held:
            return "no answer", "danger"
        return ("not running", "danger") if is_enabled else ("off", "")
    if not is_enabled:
        return f"{figures.state}, not enabled", "warning"
    if figures.state in _GOOD:
        return figures.state, "success"
    return figures.state, "warning" if figures.state in _ON_THE_WAY else "danger"


def _short(holder: str) -> str:
    """Return `host:pid` of a holder's name, which ends with a random part."""
    return holder.rpartition(":")[0]
