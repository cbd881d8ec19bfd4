"""JSON Web Tokens of this server (RFC 7519): HS256 by a secret, RS256 by a public key.

    {"alg": "HS256", "typ": "JWT"} . {"sub": "desk-7", "exp": 1789499758, "plan": "pro"}

`sub` is the client, `exp` the Unix time of its end, `plan` a plan's name; `nbf` is
honoured. A token with `aud` was made for somebody else.
"""

from typing import Annotated, Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from marketdata.exceptions import AuthFailed, TokenExpired

# RFC 7518 section 3.2: a key of HS256 has at least the size of its hash.
MIN_SECRET_BYTES = 32
MIN_RSA_BITS = 2048  # section 3.3
_YEAR_10000_S = 253_402_300_800

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Time = Annotated[float, msgspec.Meta(ge=0, lt=_YEAR_10000_S)]


class Claims(msgspec.Struct, frozen=True):
    """What a good token says; times are Unix seconds."""

    sub: _Name
    exp: _Time
    plan: _Name
    nbf: _Time = 0.0


class JwtKeys:
    """The keys that tokens may be signed with; an empty one takes no tokens.

    Args:
        secret: at least 32 bytes.
        public_key: RSA in PEM; its line ends may be written as backslash and n.

    Raises:
        ValueError: a key cannot be used; names the setting.
    """

    def __init__(self, secret: str = "", public_key: str = "") -> None:
        self.by_algorithm: dict[str, Any] = {}
        if secret:
            size = len(secret.encode())
            if size < MIN_SECRET_BYTES:
                raise ValueError(
                    f"JWT_SECRET: expected {MIN_SECRET_BYTES} bytes or more, "
                    f"found {size}"
                )
            self.by_algorithm["HS256"] = secret
        if public_key:
            self.by_algorithm["RS256"] = _load_rsa(public_key)


def verify_jwt(token: str, keys: JwtKeys, now_s: float) -> Claims:
    """Return the claims of a good token.

    The algorithm must be one that there is a key for, and is tried with that key alone:
    never `none`, never HS256 with the public key.

    Raises:
        TokenExpired: it was good once.
        AuthFailed: it is not, for its ``reason``.
    """
    try:
        algorithm = str(jwt.get_unverified_header(token).get("alg"))
        key = keys.by_algorithm.get(algorithm)
        if key is None:
            wanted = " or ".join(keys.by_algorithm) or "no algorithm"
            raise AuthFailed(f"expected a JWT by {wanted}, found {algorithm!r:.20}")
        payload = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            # The clock is the caller's, and the types are checked below.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
        claims = msgspec.convert(payload, Claims)
    except jwt.PyJWTError as exc:
        # Its text may quote the token.
        raise AuthFailed(f"JWT refused: {type(exc).__name__}") from exc
    except msgspec.ValidationError as exc:
        raise AuthFailed(f"JWT refused: {exc}") from exc
    if not now_s < claims.exp:
        raise TokenExpired
    if claims.nbf > now_s:
        raise AuthFailed("JWT refused: not valid yet")
    return claims


def issue_jwt(claims: Claims, secret: str) -> str:
    """Return a token by HS256."""
    payload = {"sub": claims.sub, "plan": claims.plan, "exp": int(claims.exp)}
    return jwt.encode(payload, secret, algorithm="HS256")


def _load_rsa(text: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(text.replace("\\n", "\n").encode())
    except ValueError as exc:
        raise ValueError("JWT_PUBLIC_KEY: expected a public key in PEM") from exc
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise ValueError(
            f"JWT_PUBLIC_KEY: expected an RSA key of {MIN_RSA_BITS} bits or more"
        )
    return key
