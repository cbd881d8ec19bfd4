"""Ids of HTTP requests: the proxy's or the client's, else one of ours."""

import re
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Any

HEADER = b"x-request-id"
# What may stand in a log line and in a header again.
_USABLE = re.compile(rb"[\w.:-]{1,64}")

Send = Callable[[dict[str, Any]], Awaitable[None]]


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the id that the request shows, or a new one."""
    for name, value in scope["headers"]:
        if name == HEADER and _USABLE.fullmatch(value):
            return str(value, "ascii")
    return token_hex(8)


def with_request_id(send: Send, request_id: str) -> Send:
    """Return ``send`` with the id among the headers of the answer."""

    async def send_with_id(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
        await send(message)

    return send_with_id
