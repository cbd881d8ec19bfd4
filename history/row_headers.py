"""Headers of answers of rows: how long they may be kept, and what there is instead."""

from collections.abc import Mapping
from datetime import UTC, datetime

YEAR_S = 31_536_000
REVALIDATE = "no-cache"
IMMUTABLE = f"public, max-age={YEAR_S}, immutable"
_WARNING = (
    '199 - "No data available for requested date range. Check X-Available-From and '
    'X-Available-To headers for available data range."'
)


def empty_range_headers(
    headers: Mapping[str, str], earliest: datetime | None, latest: datetime
) -> dict[str, str]:
    """Return the headers of an answer without rows: what data there are instead.

    An import may fill the range at any time, so the answer must not be kept; without
    an entity tag nobody asks about a copy, whose 304 would let it be kept.

    Args:
        earliest: None if there are no such rows at all.
    """
    empty = {name: value for name, value in headers.items() if name != "ETag"}
    empty |= {"X-Data-Available": "false", "Cache-Control": REVALIDATE}
    if earliest is not None:
        empty["X-Available-From"] = _iso_ms(earliest)
        empty["X-Available-To"] = _iso_ms(latest)
        empty["Warning"] = _WARNING
    return empty


def _iso_ms(time: datetime) -> str:
    text = time.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
