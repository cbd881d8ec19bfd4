import re

import pytest

from config.request_ids import HEADER, request_id_of
from tests.rest_client import RestClient


@pytest.mark.parametrize("shown", [b"abc-1.2:3_4", b"x" * 64])
def test_id_of_a_proxy_is_kept(shown):
    assert request_id_of({"headers": [(HEADER, shown)]}) == shown.decode()


@pytest.mark.parametrize("shown", [b"", b"x" * 65, b"a b", b"a\nb", "é".encode()])
def test_id_that_could_harm_is_replaced(shown):
    assert re.fullmatch("[0-9a-f]{16}", request_id_of({"headers": [(HEADER, shown)]}))


def test_answers_have_the_id_of_their_request():
    client = RestClient()
    try:
        named = client.get("/healthz", **{"x-request-id": "desk-7"})
        unnamed = client.get("/healthz", **{"x-request-id": "not usable"})
    finally:
        client.close()

    assert named.headers["x-request-id"] == "desk-7"
    assert len(unnamed.headers["x-request-id"]) == 16
