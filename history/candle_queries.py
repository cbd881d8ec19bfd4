"""What `/api/candles` accepts, in its query form and its path form."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from history.alignment import ALIGNED, Align, parse_align
from history.candle_range import CandleRange
from history.exceptions import InvalidTimeframe, MissingParameters
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
from marketdata.timeframes import STORED, PriceSide, Timeframe

# Server A's six first, as its clients know them.
SERVED = (*STORED, *(item for item in Timeframe if item not in STORED))
DEFAULT_LIMIT = 1_000  # of a page whose address has a cursor and no limit
_OF_PAGES = ("limit", "countback", "cursor")


class Fields(Enum):
    """How much of a candle is answered."""

    FULL = "full"


class CandleQuery(msgspec.Struct, frozen=True):
    """A checked request for candles.

    ``symbol`` is canonical; ``broker`` is lower case, empty if none was named;
    ``form`` is None where the Accept header decides. ``version`` is the data version
    that the client wrote into its address, empty for none.
    """

    symbol: str
    wanted: CandleRange
    broker: str = ""
    is_full: bool = False
    form: Format | None = None
    version: str = ""


_TIMEFRAME = option_parser(SERVED)
_PRICE = option_parser(PriceSide)
_FIELDS = option_parser(Fields)
_FORMAT = option_parser((*ROW_FORMATS, Format.PAGE))
_FROM = time_parser("from")
_TO = time_parser("to")


def parse_candle_query(
    parameters: Mapping[str, str], *, max_range_days: int, now_us: int
) -> CandleQuery:
    """Return the query of the form `/api/candles?symbol&timeframe&from&to`.

    Raises:
        InvalidQuery: naming every field that is wrong.
    """
    fields = QueryFields(parameters)
    symbol = fields.required("symbol", parse_symbol)
    timeframe = fields.optional("timeframe", _TIMEFRAME, Timeframe.H1)
    start_us, end_us = _range(fields, parameters, now_us)
    limit, takes_last, position = _page(fields)
    query = CandleQuery(
        symbol=symbol or "",
        wanted=CandleRange(
            timeframe=timeframe,
            price_side=fields.optional("price", _PRICE, PriceSide.MID),
            start_us=max(start_us, position.time_us),
            end_us=end_us,
            limit=limit,
            takes_last=takes_last,
            align=_align(fields, timeframe),
        ),
        broker=fields.optional("broker", parse_broker, ""),
        is_full=fields.optional("fields", _FIELDS, None) is Fields.FULL,
        form=fields.optional("format", _FORMAT, None),
        version=parameters.get("v", ""),
    )
    fields.check()
    if start_us >= end_us:
        fields.refuse("", "from timestamp must be before to timestamp")
    elif limit is None:
        check_range(fields, end_us - start_us, max_range_days)
    fields.check()
    return query


def parse_candle_path(
    symbol: str,
    timeframe: str,
    parameters: Mapping[str, str],
    *,
    max_range_days: int,
    now_us: int,
) -> CandleQuery:
    """Return the query of the form `/api/candles/{symbol}/{timeframe}?from&to`.

    Raises:
        MissingParameters: an end of the range is absent.
        InvalidTimeframe: there is no such timeframe.
        InvalidQuery: as for the other form.
    """
    is_paged = any(name in parameters for name in _OF_PAGES)
    if not is_paged and not (parameters.get("from") and parameters.get("to")):
        raise MissingParameters
    names = [item.value for item in SERVED]
    if timeframe not in names:
        raise InvalidTimeframe(timeframe, names)
    return parse_candle_query(
        {**parameters, "symbol": symbol, "timeframe": timeframe},
        max_range_days=max_range_days,
        now_us=now_us,
    )


def _range(
    fields: QueryFields, parameters: Mapping[str, str], now_us: int
) -> tuple[int, int]:
    """Return both ends; an end that a page does without is as far as can be."""
    start_us: int | None
    if "countback" in parameters:
        start_us = fields.optional("from", _FROM, 0)
    else:
        start_us = fields.required("from", _FROM)
    if any(name in parameters for name in _OF_PAGES):
        end_us: int | None = fields.optional("to", _TO, now_us)
    else:
        end_us = fields.required("to", _TO)
    return start_us or 0, end_us or 0


def _page(fields: QueryFields) -> tuple[int | None, bool, Position]:
    """Return how many candles are wanted, whether the last ones, and from where on."""
    limit = fields.optional("limit", parse_limit, None)
    countback = fields.optional("countback", parse_limit, None)
    cursor = fields.optional("cursor", decode_cursor, None)
    if countback is not None and (limit is not None or cursor is not None):
        fields.refuse("", "countback cannot be combined with limit or cursor")
    if cursor is not None and limit is None:
        limit = DEFAULT_LIMIT
    return limit or countback, countback is not None, cursor or Position(0)


def _align(fields: QueryFields, timeframe: Timeframe) -> Align | None:
    align = fields.optional("align", parse_align, None)
    if align is not None and timeframe not in ALIGNED:
        fields.refuse("align", "Only timeframes 1d and 1w can be aligned")
    return align
