"""The last stored records of topics whose feeds do not say where they are.

A client that joins such a topic sees something until its feed comes, and sees that it
is old. Only ticks and trades are stored record by record.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from marketdata.effects import Follow
from marketdata.encodings import STALE, Encoding
from marketdata.exceptions import HistoryUnavailable
from marketdata.hub import Hub
from marketdata.numbering import epoch_text, unpack
from marketdata.past import Past
from marketdata.records import Kind
from marketdata.seam import LAST_POSITION
from marketdata.stored_records import FIRST_LIVE, Stored
from marketdata.topics import Topic

STORE_TIMEOUT_S = 1.0  # a client's next frames wait as long

_STORED_KINDS = (Kind.TICK, Kind.TRADE)


async def stale_snapshots(
    hub: Hub,
    past: Past,
    follows: Sequence[Follow],
    *,
    timeout_s: float = STORE_TIMEOUT_S,
) -> dict[tuple[Topic, Encoding], bytes]:
    """Return the snapshots of what the store knows and the hub does not.

    Its topics must be prepared. If nothing is to be looked for there is no turn of the
    loop. What the store does not tell in time is left out.
    """
    missing = [follow for follow in follows if _is_missing(hub, follow)]
    if not missing:
        return {}
    topics = list(dict.fromkeys(follow.topic for follow in missing))
    found: dict[Topic, Stored] = {}

    async def look_up(topic: Topic) -> None:
        with contextlib.suppress(HistoryUnavailable):
            stored = await past.newest(topic, LAST_POSITION)
            if stored is not None and stored.seq >= FIRST_LIVE:
                found[topic] = stored

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*map(look_up, topics))
    frames = {
        (follow.topic, follow.encoding): _frame(hub, follow, found[follow.topic])
        for follow in missing
        if follow.topic in found
    }
    return {pair: frame for pair, frame in frames.items() if frame is not None}


def _is_missing(hub: Hub, follow: Follow) -> bool:
    return (
        follow.snapshot
        and follow.since is None
        and follow.topic.kind in _STORED_KINDS
        and not follow.topic.owner  # what is private is not stored
        and hub.position(follow.topic) is None
    )


def _frame(hub: Hub, follow: Follow, stored: Stored) -> bytes | None:
    epoch, number = unpack(stored.seq)
    instrument = hub.catalog.instruments.get(follow.topic.symbol)
    return follow.encoding.data(
        stored.record,
        instrument,
        number=number,
        epoch=epoch_text(epoch),
        phase=STALE,
    )
