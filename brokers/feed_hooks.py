"""What a feed tells beyond its records, if it does: each hook is an attribute of it."""

from brokers.feed import Feed
from brokers.gap_closing import GapCloser
from brokers.gap_watch import GapWatch


def listen_to(feed: Feed, gaps: GapWatch, closer: GapCloser | None) -> None:
    """Have the feed tell of gaps that it finds itself, and of what it fills.

    And of the ``kinds`` of records that it is set up to give.
    """
    hooks = {
        "on_gap": gaps.tell,
        "on_part_lost": gaps.lose_part,
        "on_part_back": gaps.regain_part,
        "on_repeated": gaps.take_repeated,
    }
    if closer is not None:
        hooks["on_filled"] = closer.fill
    gaps.kinds = getattr(feed, "kinds", None)
    for name, call in hooks.items():
        if hasattr(feed, name):
            setattr(feed, name, call)
