"""Words for the OpenAPI document: parameters, bodies and errors that endpoints share.

An endpoint says ``@documented(...)``; tests hold the document to what is answered.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from history.api_errors import STATUSES
from history.formats import CONTENT_TYPES, Format

_JSON = CONTENT_TYPES[Format.JSON]


class Detail(msgspec.Struct):
    """A parameter that is wrong; a rule over several has the field ""."""

    field: str
    message: str


class ErrorBody(msgspec.Struct):
    """What every error answers; `details` where parameters are wrong."""

    error: str
    code: str
    details: list[Detail] | msgspec.UnsetType = msgspec.UNSET
    path: str | msgspec.UnsetType = msgspec.UNSET


def query(
    name: str,
    text: str,
    schema: Mapping[str, Any] | None = None,
    *,
    required: bool = False,
    location: Literal["query", "path"] = "query",
) -> OpenApiParameter:
    """Return a parameter; without a schema it is any text."""
    return OpenApiParameter(
        name,
        dict(schema or {"type": "string"}),
        location,
        required=required,
        description=text,
    )


def choice(values: Sequence[str], default: str = "") -> dict[str, Any]:
    """Return the schema of one of a closed set."""
    schema: dict[str, Any] = {"type": "string", "enum": list(values)}
    return schema | ({"default": default} if default else {})


_ROW_HEADERS = {
    "ETag": "Version of an answer with rows, for If-None-Match.",
    "Cache-Control": "How long it may be kept.",
    "X-Broker": "Whose data they are.",
    "X-Next-Cursor": "Cursor of the next page, if there is one.",
    "Link": "Address of the next page, rel=next.",
    "X-Data-Available": "`false` if the range holds nothing.",
    "X-Available-From": "Then: the first moment with data.",
    "X-Available-To": "Then: the last moment with data.",
}
_LIMIT_HEADERS = {
    "RateLimit-Limit": "Requests a minute.",
    "RateLimit-Remaining": "What is left of them.",
    "RateLimit-Reset": "Seconds until they begin anew.",
    "RateLimit-Policy": "The limit and its window in seconds.",
}


# Nothing, or one of the two; `config.settings` describes them.
AUTH: list[Any] = [{}, {"bearer": []}, {"apiKey": []}]


def documented(
    operation: str,
    body: Any,
    *,
    parameters: Sequence[OpenApiParameter] = (),
    errors: Sequence[int] = (),
    rows: type[msgspec.Struct] | None = None,
) -> Any:
    """Return the decorator of the class of an endpoint with data.

    Args:
        body: the type of the JSON body, or a tuple of types.
        errors: the statuses of the endpoint beside those of all endpoints with data.
        rows: the type of a row, for an endpoint that answers other forms, too.
    """
    responses: dict[Any, Any] = {(200, _JSON): OpenApiResponse(schema_of(body), "")}
    if rows is not None:
        for form in (Format.CSV, Format.NDJSON):
            media_type = CONTENT_TYPES[form].partition(";")[0]
            responses[(200, media_type)] = OpenApiResponse({"type": "string"}, "")
        responses[304] = OpenApiResponse(None, "The client's copy is still good.")
    for status in sorted({*errors, 400, 401, 429, 503}):
        responses[(status, _JSON)] = _error(status)
    headers = {**(_ROW_HEADERS if rows else {}), **_LIMIT_HEADERS}
    described = [
        OpenApiParameter(
            name, str, OpenApiParameter.HEADER, response=[200], description=text
        )
        for name, text in headers.items()
    ]
    return _decorator(operation, responses, [*parameters, *described], AUTH)


def documented_status(operation: str, body: Any, *, unwell: bool = False) -> Any:
    """Return the decorator of the class of an endpoint that says how the server is.

    Args:
        body: the type of the JSON body.
        unwell: whether it is answered with 503, too.
    """
    responses = {(200, _JSON): OpenApiResponse(schema_of(body), "")}
    if unwell:
        responses[(503, _JSON)] = OpenApiResponse(schema_of(body), "Something is away.")
    return _decorator(operation, responses, [], [])


def _decorator(
    operation: str,
    responses: Mapping[Any, Any],
    parameters: Sequence[OpenApiParameter],
    auth: Sequence[Any],
) -> Any:
    def decorate(view: type) -> type:
        document = extend_schema(
            operation_id=operation,
            description=inspect.getdoc(view),
            parameters=list(parameters),
            responses=dict(responses),
            auth=list(auth),
        )
        return extend_schema_view(get=document)(view)

    return decorate


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type of msgspec, or of any of a tuple of them."""
    if isinstance(kind, tuple):
        return {"anyOf": [schema_of(one) for one in kind]}
    (schema,), components = msgspec.json.schema_components([kind])
    return _inlined(schema, components)


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
    return {
        name: _inlined(value, components)
        for name, value in schema.items()
        # Docstrings are for those who read the source.
        if name not in ("title", "description") or not isinstance(value, str)
    }


def _error(status: int) -> OpenApiResponse:
    codes = sorted(code for code, number in STATUSES.items() if number == status)
    return OpenApiResponse(schema_of(ErrorBody), f"`code`: {', '.join(codes)}.")


def without_slash(endpoints: Sequence[Any], **more: Any) -> list[Any]:
    """Name addresses without the slash that may end them; a hook of drf-spectacular."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]
