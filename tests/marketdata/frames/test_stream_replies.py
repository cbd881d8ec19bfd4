import msgspec
import pytest

from marketdata.codes import CloseCode, ErrorCode
from marketdata.frames.stream_replies import (
    encode_end,
    encode_error,
    encode_failure,
    encode_result,
)


@pytest.mark.parametrize(
    ("request_id", "text"),
    [(1, b"1"), (0, b"0"), ("a", b'"a"'), (None, b"null"), (msgspec.UNSET, b"null")],
)
def test_encode_result_echoes_the_id(request_id, text):
    assert encode_result(None, request_id) == b'{"result":null,"id":' + text + b"}"


def test_encode_result_of_a_list():
    assert encode_result(["a@b"], 3) == b'{"result":["a@b"],"id":3}'


def test_encode_error_has_binances_shape():
    assert encode_error(3, "Invalid JSON: x", None) == (
        b'{"error":{"code":3,"msg":"Invalid JSON: x"},"id":null}'
    )


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        (ErrorCode.AUTH_REQUIRED, 4501, "AUTH_REQUIRED: why"),
        (ErrorCode.INVALID_AUTH, 4500, "INVALID_AUTH: why"),
        (ErrorCode.FORBIDDEN, 4506, "FORBIDDEN: why"),
        (ErrorCode.RATE_LIMITED, 4006, "RATE_LIMITED: why"),
        (ErrorCode.TOO_SLOW, 4002, "TOO_SLOW: why"),
        (ErrorCode.INTERNAL_ERROR, 4001, "INTERNAL_ERROR: why"),
        (ErrorCode.SUBSCRIPTION_LIMIT, 2, "Invalid request: why"),
        (ErrorCode.INVALID_FIELD, 2, "Invalid request: why"),
    ],
)
def test_encode_failure_has_a_number_and_our_word(code, number, text):
    assert encode_failure(code, "why", 9) == encode_error(number, text, 9)


@pytest.mark.parametrize("code", ErrorCode)
def test_encode_failure_knows_each_code(code):
    assert encode_failure(code, "why", 1).endswith(b'why"},"id":1}')


def test_encode_end_has_the_code_of_the_close():
    assert encode_end(CloseCode.TOO_SLOW, "too slow") == (
        b'{"error":{"code":4002,"msg":"too slow"}}'
    )
