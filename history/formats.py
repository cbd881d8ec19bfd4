"""The forms of an answer, and rows in each: JSON, CSV, newline-delimited JSON."""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

import msgspec


class Format(Enum):
    """The form of a body; ``PAGE`` is DRF's page for people, around JSON."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    PAGE = "api"


# Of rows; the page always shows JSON.
ROW_FORMATS = (Format.JSON, Format.CSV, Format.NDJSON)
CONTENT_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.NDJSON: "application/x-ndjson",
}
# What Accept may ask for; of equals the first wins.
_ACCEPTED = {
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "text/html": Format.PAGE,
}
_ORDER = list(_ACCEPTED.values())
_ENCODER = msgspec.json.Encoder()


@lru_cache(maxsize=256)
def accepted_format(accept: str) -> Format:
    """Return what an Accept header prefers of what we have, JSON where it is vague.

    Server A never looked at the header, and its clients send what they like.
    """
    wishes = []
    for part in accept.lower().split(","):
        media_type, _, parameters = part.partition(";")
        found = _ACCEPTED.get(media_type.strip())
        quality = _quality(parameters)
        if found and quality > 0:
            wishes.append((-quality, _ORDER.index(found)))
    return _ORDER[min(wishes)[1]] if wishes else Format.JSON


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def encode_page(
    kind: type[msgspec.Struct],
    columns: Sequence[Sequence[object]],
    form: Format,
    *,
    is_first: bool,
) -> bytes:
    """Return one page of a body; its pages joined, and ``tail``, are the body.

    Args:
        kind: the row, whose fields are the keys of JSON and the columns of CSV.
        columns: a list of values per field, all of one length; a value that is not
            known is UNSET: left out of JSON, empty in CSV.
    """
    if form is Format.CSV:
        return (csv_header(kind) if is_first else b"") + _csv_lines(columns)
    rows = list(map(kind, *columns))
    if form is Format.NDJSON:
        return _ENCODER.encode_lines(rows)
    glue = b"[" if is_first else b"," if rows else b""
    return glue + _ENCODER.encode(rows)[1:-1]


def tail(form: Format) -> bytes:
    """Return what ends a body after its last page."""
    return b"" if form in (Format.CSV, Format.NDJSON) else b"]"


def csv_header(kind: type[msgspec.Struct]) -> bytes:
    """Return the first line of a CSV body."""
    return ",".join(kind.__struct_fields__).encode() + b"\n"


def _csv_lines(columns: Sequence[Sequence[object]]) -> bytes:
    # Numbers and words of ours only, which hold no bracket, comma or quote: so a line
    # is a JSON array without its brackets, and 20 times faster than csv.writer.
    known = [
        [None if value is msgspec.UNSET else value for value in column]
        if msgspec.UNSET in column
        else column
        for column in columns
    ]
    lines = _ENCODER.encode_lines(list(zip(*known, strict=True)))
    return lines.translate(None, b'[]"').replace(b"null", b"")
