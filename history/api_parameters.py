"""The parameters of REST, as the OpenAPI document describes them."""

from history.api_schema import choice, query
from history.candle_queries import SERVED
from history.query_fields import MAX_LIMIT
from history.record_queries import RecordType
from marketdata.timeframes import PriceSide

_SYMBOL = {"type": "string", "pattern": r"^[A-Za-z0-9/_.\-]{1,20}$"}
_TIME = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}
_TIMEFRAMES = [timeframe.value for timeframe in SERVED]

SYMBOL = query("symbol", "Any spelling: EURUSD, eur/usd, EUR_USD.", _SYMBOL)
NEEDED_SYMBOL = query("symbol", SYMBOL.description, _SYMBOL, required=True)
PATH_SYMBOL = query(
    "symbol",
    "Any spelling; a slash may be written %2F.",
    required=True,
    location="path",
)
BROKER = query(
    "broker",
    "Whose prices; by default the series that `/api/metadata` describes.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
)
FROM = query("from", "Start, included: Unix seconds or ISO 8601.", _TIME, required=True)
START = query("from", "Start, included: Unix seconds or ISO 8601.", _TIME)
CANDLE_START = query(
    "from",
    "Start, included; needed unless `countback` is given. Unix seconds or ISO 8601.",
    _TIME,
)
TO = query("to", "End, included; needed unless a page is asked for.", _TIME)
LIMIT = query("limit", "Rows of a page; `X-Next-Cursor` leads to the next.", _COUNT)
COUNTBACK = query("countback", "The last so many candles up to `to`.", _COUNT)
CURSOR = query("cursor", "Where to go on: the `X-Next-Cursor` of a page.")
VERSION = query(
    "v", "The `version` of `/api/metadata`: the answer may then be kept for ever."
)
FORMAT = query(
    "format", "Wins over the Accept header.", choice(["json", "csv", "ndjson"])
)

TIMEFRAME = query("timeframe", "Length of a candle.", choice(_TIMEFRAMES, "1h"))
PATH_TIMEFRAME = query(
    "timeframe",
    "Length of a candle.",
    choice(_TIMEFRAMES),
    required=True,
    location="path",
)
PRICE = query("price", "Of what.", choice([side.value for side in PriceSide], "mid"))
FIELDS = query("fields", "`full` adds volume, ticks, complete, rev.", choice(["full"]))
ALIGN = query("align", "Start of 1d and 1w: `America/New_York@17:00`.")
RECORD_TYPE = query(
    "type", "Of what.", choice([kind.value for kind in RecordType], "tick")
)

PAGE_PARAMETERS = (LIMIT, CURSOR, FORMAT, VERSION)
CANDLE_PARAMETERS = (
    CANDLE_START,
    TO,
    PRICE,
    BROKER,
    FIELDS,
    ALIGN,
    COUNTBACK,
    *PAGE_PARAMETERS,
)
