"""What `/api/ticks` accepts."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from history.formats import ROW_FORMATS, Format
from history.query_fields import (
    QueryFields,
    check_range,
    option_parser,
    parse_broker,
    parse_limit,
    parse_symbol,
    time_parser,
)
from history.record_cursor import Position, decode_cursor

DEFAULT_LIMIT = 1_000  # of JSON; CSV and NDJSON without a limit are whole


class RecordType(Enum):
    """What is stored: quotes or prints."""

    TICK = "tick"
    TRADE = "trade"


class RecordQuery(msgspec.Struct, frozen=True):
    """A checked request for ticks or trades from ``start_us`` to ``end_us``, inclusive.

    ``limit`` is None where all of them are wanted. ``after`` is the position of the
    last record of the page before, ``version`` the data version that the client wrote
    into its address.
    """

    symbol: str
    kind: RecordType
    start_us: int
    end_us: int
    limit: int | None
    after: Position | None
    broker: str
    form: Format
    version: str


_TYPE = option_parser(RecordType)
_FORMAT = option_parser((*ROW_FORMATS, Format.PAGE))
_FROM = time_parser("from")
_TO = time_parser("to")


def parse_record_query(
    parameters: Mapping[str, str], *, form: Format, max_range_days: int, now_us: int
) -> RecordQuery:
    """Return the query of `/api/ticks?symbol&from&to`.

    ``form`` is what the client accepts; a `format` in the query wins.

    Raises:
        InvalidQuery: naming every field that is wrong.
    """
    fields = QueryFields(parameters)
    form = fields.optional("format", _FORMAT, form)
    cursor = fields.optional("cursor", decode_cursor, None)
    is_whole = form in (Format.CSV, Format.NDJSON) and cursor is None
    query = RecordQuery(
        symbol=fields.required("symbol", parse_symbol) or "",
        start_us=fields.required("from", _FROM) or 0,
        end_us=fields.optional("to", _TO, now_us),
        kind=fields.optional("type", _TYPE, RecordType.TICK),
        limit=fields.optional(
            "limit", parse_limit, None if is_whole else DEFAULT_LIMIT
        ),
        after=cursor,
        broker=fields.optional("broker", parse_broker, ""),
        form=form,
        version=parameters.get("v", ""),
    )
    fields.check()
    if query.start_us >= query.end_us:
        fields.refuse("", "from timestamp must be before to timestamp")
    elif query.limit is None:
        check_range(fields, query.end_us - query.start_us, max_range_days)
    fields.check()
    return query
