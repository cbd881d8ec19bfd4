"""How commands list the indexes of ticks."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from history.tick_indexes import IndexState


def index_lines(states: Iterable[IndexState]) -> Iterator[str]:
    """Yield a line for each index: its name, size, and what is wrong with it."""
    for state in states:
        size = f"{state.size_bytes / 1e6:,.1f} MB"
        yield f"{state.name:<20} {size:>12}  {_condition(state)}"


def index_dicts(states: Iterable[IndexState]) -> list[dict[str, Any]]:
    """Return the same for JSON; ``gaps`` are chunks without it, or not valid there."""
    return [
        msgspec.structs.asdict(state) | {"is_complete": state.is_complete}
        for state in states
    ]


def _condition(state: IndexState) -> str:
    if not state.exists:
        return "missing"
    if not state.is_valid:
        return "not valid"
    if state.gaps:
        return f"not on {len(state.gaps)} chunks, as {state.gaps[0]}"
    if state.is_key:
        return "complete, the key"
    return "complete" if state.is_configured else "complete, not in TICK_INDEXES"
