"""What clients show to say who they are: where it stands, and how an API key looks.

A token is an API key or a JWT; which of them, its form tells.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping

MAX_TOKEN_CHARS = 4096  # a JWT signed by RS256 has some 500
SECRET_BYTES = 32
VISIBLE_CHARS = 10  # tells keys apart in the admin, and leaves 220 bits unknown

_KEY_START = "mdk_"
_KEY = re.compile(_KEY_START + "[A-Za-z0-9_-]{43}")
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_BEARER = re.compile(r"bearer(?:\s+|\Z)(.*)", re.IGNORECASE)


def token_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the token that a request shows, None if it shows none.

    `Authorization: Bearer` wins over `X-API-Key`, that over `?token=`. An empty token
    is one, too: who sends it did not mean to be anonymous. Other schemes of
    `Authorization` are some proxy's business.

    Args:
        headers: by lower-case name.
    """
    bearer = _BEARER.fullmatch(headers.get("authorization", "").strip())
    if bearer is not None:
        return bearer[1]
    key = headers.get("x-api-key")
    return query.get("token") if key is None else key.strip()


def is_jwt(token: str) -> bool:
    """Return True if the text has the form of a signed JWT."""
    return len(token) <= MAX_TOKEN_CHARS and _JWT.fullmatch(token) is not None


def is_api_key(token: str) -> bool:
    """Return True if the text has the form of one of our API keys."""
    return _KEY.fullmatch(token) is not None


def encode_api_key(secret: bytes) -> str:
    """Return the text of an API key; ``secret`` are 32 random bytes."""
    return _KEY_START + urlsafe_b64encode(secret).decode().rstrip("=")


def hash_api_key(key: str) -> str:
    """Return what is stored of a key: 64 hexadecimal digits.

    A slow hash protects secrets that can be guessed. These are 256 random bits: nobody
    tries them out, however fast; and a slow one would let anybody keep us busy.
    """
    return hashlib.sha256(key.encode()).hexdigest()
