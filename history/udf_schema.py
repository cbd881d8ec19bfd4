"""The datafeed's addresses in the OpenAPI document."""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from history.api_schema import AUTH, choice, query, schema_of
from history.query_fields import MAX_LIMIT
from history.udf_bars import RESOLUTIONS

_JSON = "application/json"
_SECONDS = {"type": "integer"}
_COUNT = {"type": "integer", "minimum": 1}

TICKER = query("symbol", "`EURUSD`, or of a broker: `OANDA:EURUSD`.", required=True)
RESOLUTION = query(
    "resolution",
    "Minutes, or seconds (S), days (D), weeks (W).",
    choice(list(RESOLUTIONS)),
    required=True,
)
FROM = query("from", "First bar, where there is no `countback`.", _SECONDS)
TO = query("to", "End of the bars, not included.", _SECONDS)
COUNTBACK = query("countback", "The last so many bars before `to`.", _COUNT)
TEXT = query("query", "Part of a symbol, or of broker and symbol.")
TYPE = query("type", "One of `symbols_types`, empty for all.")
EXCHANGE = query("exchange", "One of `exchanges`, empty for all.")
LIMIT = query("limit", "Most results.", {**_COUNT, "maximum": MAX_LIMIT})


class UdfError(msgspec.Struct, tag_field="s", tag="error"):
    """What every error of the datafeed answers."""

    errmsg: str


class Bars(msgspec.Struct, tag_field="s", tag="ok"):
    """Bars as columns of one length; times are Unix seconds, ascending."""

    t: list[int]
    o: list[float]
    h: list[float]
    l: list[float]  # noqa: E741 - the protocol's name
    c: list[float]
    v: list[float]


class NoBars(msgspec.Struct, tag_field="s", tag="no_data"):
    """No bars; the time of the last one before them, if there is one."""

    nextTime: int | msgspec.UnsetType = msgspec.UNSET


def described(
    operation: str,
    *bodies: Any,
    parameters: Sequence[OpenApiParameter] = (),
    media_type: str = _JSON,
    errors: Sequence[int] = (400, 401, 429, 503),
) -> Any:
    """Return the decorator of an endpoint's class.

    Args:
        bodies: the types of the body, beside that of an error.
        errors: statuses of errors, beside the 200 of a wrong question.
    """
    error = schema_of(UdfError)
    schemas = [schema_of(body) for body in bodies]
    answer = {"anyOf": [*schemas, error]} if parameters else schemas[0]
    responses: dict[Any, Any] = {(200, media_type): OpenApiResponse(answer, "")}
    for status in errors:
        responses[(status, _JSON)] = OpenApiResponse(error, "")
    if Bars in bodies:
        responses[304] = OpenApiResponse(None, "The client's copy is still good.")

    def decorate(view: type) -> type:
        document = extend_schema(
            operation_id=operation,
            description=inspect.getdoc(view),
            parameters=list(parameters),
            responses=responses,
            auth=AUTH,
        )
        return extend_schema_view(get=document)(view)

    return decorate
