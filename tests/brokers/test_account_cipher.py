import pytest
from cryptography.fernet import Fernet

from brokers.account_cipher import AccountCipher
from brokers.exceptions import AccountUnreadable, InvalidFeedSetting
from marketdata.broker_credentials import Credentials

ACCOUNT = Credentials({"token": "token-of-the-desk", "accountId": "101-004-777"})
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_encrypt_shows_nothing_and_decrypt_gives_it_back():
    text = AccountCipher([], "secret").encrypt(ACCOUNT)

    assert "token" not in text
    assert AccountCipher([], "secret").decrypt(text) == ACCOUNT


def test_rotate_moves_to_the_first_key():
    by_secret = AccountCipher([], "secret").encrypt(ACCOUNT)
    by_old = AccountCipher([OLD], "secret").rotate(by_secret)
    by_new = AccountCipher([NEW, OLD], "secret").rotate(by_old)

    assert AccountCipher([OLD], "other").decrypt(by_old) == ACCOUNT
    assert AccountCipher([NEW], "other").decrypt(by_new) == ACCOUNT
    for cipher in (AccountCipher([OLD], "secret"), AccountCipher([], "secret")):
        with pytest.raises(AccountUnreadable):
            cipher.decrypt(by_new)
        with pytest.raises(AccountUnreadable):
            cipher.rotate(by_new)


def test_key_that_is_none_is_not_shown():
    with pytest.raises(InvalidFeedSetting) as found:
        AccountCipher(["not-a-key-at-all"], "secret")

    assert "not-a-key-at-all" not in str(found.value)
    assert "BROKER_KEYS" in str(found.value)
