"""Replies of the stream dialect (PROTOCOL 2).

`{"result":null,"id":1}`, or `{"error":{"code":2,"msg":"..."},"id":1}`. Codes 0 to 3 are
Binance's; for what Binance does not know the code is that of the close which the same
reason would have, and the text begins with our own word for it.
"""

from typing import Any

import msgspec

from marketdata.codes import CloseCode, ErrorCode
from marketdata.frames.stream_requests import INVALID_REQUEST, RequestId

_encode = msgspec.json.Encoder().encode
_CLOSE_CODES = {
    ErrorCode.AUTH_REQUIRED: CloseCode.AUTH_REQUIRED,
    ErrorCode.INVALID_AUTH: CloseCode.BAD_CREDENTIALS,
    ErrorCode.FORBIDDEN: CloseCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED: CloseCode.REQUEST_RATE,
    ErrorCode.TOO_SLOW: CloseCode.TOO_SLOW,
    ErrorCode.INTERNAL_ERROR: CloseCode.SERVER_ERROR,
}


def encode_result(result: Any, request_id: RequestId) -> bytes:
    """Return the answer to a request; without an id of the client's it is null."""
    return _encode({"result": result, "id": _none_or(request_id)})


def encode_error(code: int, message: str, request_id: RequestId) -> bytes:
    """Return the error of a request; without an id of the client's it is null."""
    return _encode(
        {"error": {"code": code, "msg": message}, "id": _none_or(request_id)}
    )


def encode_failure(code: str, message: str, request_id: RequestId) -> bytes:
    """Return the error of a request that is none of Binance's own."""
    number = _CLOSE_CODES.get(ErrorCode(code))
    if number is None:
        return encode_error(INVALID_REQUEST, f"Invalid request: {message}", request_id)
    return encode_error(number, f"{code}: {message}", request_id)


def encode_end(code: CloseCode, message: str) -> bytes:
    """Return the last frame before a close."""
    return _encode({"error": {"code": code, "msg": message}})


def _none_or(request_id: RequestId) -> str | int | None:
    return None if isinstance(request_id, msgspec.UnsetType) else request_id
