import pytest

from history.etags import make_etag, matches

TAG = make_etag("1.0", "EURUSD")


def test_make_etag_is_quoted_and_differs_with_every_part():
    assert TAG.startswith('"')
    assert TAG.endswith('"')
    assert make_etag("1.0", "EURUSD") == TAG
    assert len({TAG, make_etag("1.1", "EURUSD"), make_etag("1.0", "GBPUSD")}) == 3


@pytest.mark.parametrize(
    "header",
    [
        TAG,
        f"W/{TAG}",
        f'"other", {TAG}',
        f'W/"a,b",W/{TAG},"c"',
        "*",
        " * ",
        TAG.strip('"'),
    ],
)
def test_matches_takes_what_rfc_9110_and_server_a_clients_send(header):
    assert matches(header, TAG)


@pytest.mark.parametrize("header", [None, "", '"other"', 'W/"other"', '"*"', TAG[:-1]])
def test_matches_refuses_anything_else(header):
    assert not matches(header, TAG)
