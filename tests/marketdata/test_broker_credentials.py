import copy
import pickle

import msgspec
import pytest

from marketdata.broker_credentials import Credentials, hide_secrets, owner_key
from marketdata.exceptions import InvalidLayerMessage
from marketdata.private_messages import PrivateOpen, decode_private, encode_private

TOKEN = "a-token-of-somebody"
KEY = owner_key("installation")


def test_credentials_show_names_only():
    credentials = Credentials({"token": TOKEN, "accountId": "account-1"})

    wish = PrivateOpen("hub", "owner", credentials, False)

    assert repr(credentials) == str(credentials) == "Credentials(accountId, token)"
    assert TOKEN not in f"{wish} {wish!r} {[credentials]}"


def test_credentials_cannot_be_pickled_or_copied():
    credentials = Credentials({"token": TOKEN})

    for copier in (pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode):
        with pytest.raises(TypeError):
            copier(credentials)


def test_owner_is_the_same_for_equal_credentials_only():
    owner = Credentials({"a": "1", "b": "2"}).owner(KEY, "oanda")

    assert owner == Credentials({"b": "2", "a": "1"}).owner(KEY, "oanda")
    others = {
        Credentials({"a": "1", "b": "2"}).owner(KEY, "kraken"),
        Credentials({"a": "1", "b": "2"}).owner(owner_key("other"), "oanda"),
        Credentials({"a": "1", "b": "3"}).owner(KEY, "oanda"),
        Credentials({"a": "1b2"}).owner(KEY, "oanda"),
    }
    assert len(others | {owner}) == 5
    assert len(owner) == 32


def test_hide_secrets_knows_the_values_of_those_that_live():
    first, second = Credentials({"token": TOKEN}), Credentials({"token": TOKEN})
    line = f"error url=https://x/{TOKEN}/y"

    del first
    while_alive = hide_secrets(line)
    del second

    assert while_alive == "error url=https://x/[hidden]/y"
    assert hide_secrets(line) == line


def test_hide_leaves_short_values_and_hides_longest_first():
    credentials = Credentials({"mode": "live", "a": TOKEN, "b": TOKEN + "-more"})

    assert credentials.hide(f"live {TOKEN}-more {TOKEN}") == "live [hidden] [hidden]"


def test_private_messages_round_trip():
    wish = PrivateOpen("hub", "owner", Credentials({"token": TOKEN}), True)

    assert decode_private(encode_private(wish)) == wish


@pytest.mark.parametrize(
    "credentials", [{"token": 1}, [TOKEN], TOKEN, {"token": [TOKEN]}]
)
def test_private_message_that_is_wrong_is_not_shown(credentials):
    body = msgspec.msgpack.encode(["private.open", "hub", "owner", credentials, False])

    with pytest.raises(InvalidLayerMessage) as found:
        decode_private({"body": body})

    assert TOKEN not in str(found.value)
    assert found.value.__cause__ is None
