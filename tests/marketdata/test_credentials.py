import hashlib

import pytest

from marketdata.credentials import (
    encode_api_key,
    hash_api_key,
    is_api_key,
    is_jwt,
    token_of,
)

KEY = "mdk_" + "A" * 43


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("BEARER abc", "abc"),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("Basic dTpw", None),
        ("Bearerabc", None),
        ("", None),
    ],
)
def test_token_of_authorization(value, token):
    assert token_of({"authorization": value}, {}) == token


def test_token_of_takes_the_first_that_there_is():
    query = {"token": "q"}
    headers = {"x-api-key": " k "}

    assert token_of({}, {}) is None
    assert token_of({}, query) == "q"
    assert token_of(headers, query) == "k"
    assert token_of({"authorization": "Bearer b", **headers}, query) == "b"


def test_token_of_an_empty_key_is_not_anonymous():
    assert token_of({"x-api-key": ""}, {}) == ""


def test_encode_api_key_has_the_form_of_one():
    key = encode_api_key(bytes(range(32)))

    assert key == "mdk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert is_api_key(key)
    assert not is_jwt(key)


@pytest.mark.parametrize("text", ["", KEY[:-1], KEY + "A", KEY + "\n", "xdk" + KEY[3:]])
def test_is_api_key_refuses_other_texts(text):
    assert is_api_key(KEY)
    assert not is_api_key(text)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c.d", ".b.c", "a.b.c\n", "a.é.c", "a.b." + "c" * 4093]
)
def test_is_jwt_refuses_other_texts(text):
    assert is_jwt("a.b.c")
    assert is_jwt("a.b.")  # the form of `none`, to be refused by its algorithm
    assert not is_jwt(text)


def test_hash_api_key_is_sha256():
    assert hash_api_key(KEY) == hashlib.sha256(KEY.encode()).hexdigest()
