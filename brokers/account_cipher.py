"""How credentials of stored accounts are encrypted: Fernet, with changing keys."""

import base64
import hashlib
from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from brokers.exceptions import AccountUnreadable, InvalidFeedSetting
from marketdata.broker_credentials import Credentials


class AccountCipher:
    """Encrypts with the first of ``keys`` and decrypts with any.

    Keys are Fernet's, 32 bytes in URL-safe base64. The last is always one made of
    SECRET_KEY, so that an installation can begin without keys of its own.
    """

    def __init__(self, keys: Sequence[str], secret_key: str) -> None:
        digest = hashlib.sha256(b"stored broker accounts:" + secret_key.encode())
        own = base64.urlsafe_b64encode(digest.digest()).decode()
        try:
            fernets = [Fernet(key) for key in (*keys, own)]
        except ValueError:
            expected = "keys of 32 bytes in URL-safe base64"
            raise InvalidFeedSetting("BROKER_KEYS", expected, "another text") from None
        self._fernet = MultiFernet(fernets)

    def encrypt(self, credentials: Credentials) -> str:
        """Return the text to store."""
        content = msgspec.json.encode(credentials.reveal())
        return self._fernet.encrypt(content).decode()

    def decrypt(self, text: str) -> Credentials:
        """Return the credentials of a stored text.

        Raises:
            AccountUnreadable: none of the keys is the one that encrypted it.
        """
        try:
            content = self._fernet.decrypt(text)
        except InvalidToken:
            raise AccountUnreadable from None
        return Credentials(msgspec.json.decode(content, type=dict[str, str]))

    def rotate(self, text: str) -> str:
        """Return the text, encrypted anew with the first key.

        Raises:
            AccountUnreadable: as ``decrypt``.
        """
        try:
            return self._fernet.rotate(text).decode()
        except InvalidToken:
            raise AccountUnreadable from None
