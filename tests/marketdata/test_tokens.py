import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from marketdata.exceptions import AuthFailed, TokenExpired
from marketdata.tokens import Claims, JwtKeys, issue_jwt, verify_jwt

NOW_S = 1_789_499_758
SECRET = "s" * 32
GOOD = {"sub": "desk-7", "exp": NOW_S + 60, "plan": "pro"}
HS256 = JwtKeys(SECRET)


@pytest.fixture(scope="module")
def rsa_keys():
    """A private key in PEM, and its public key."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()
    return pem, pem_of(private)


def pem_of(private) -> str:
    return (
        private.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signed(key: str = SECRET, algorithm: str = "HS256", **changes: object) -> str:
    claims = {**GOOD, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm)


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_verify_by_secret_returns_the_claims():
    claims = verify_jwt(signed(), HS256, NOW_S)

    assert claims == Claims("desk-7", NOW_S + 60, "pro")


def test_issued_token_is_verified():
    claims = Claims("desk-7", NOW_S + 60, "pro")

    assert verify_jwt(issue_jwt(claims, SECRET), HS256, NOW_S) == claims


@pytest.mark.parametrize("is_one_line", [False, True])
def test_verify_by_public_key_returns_the_claims(rsa_keys, is_one_line):
    private, public = rsa_keys
    text = public.replace("\n", "\\n") if is_one_line else public

    claims = verify_jwt(signed(private, "RS256"), JwtKeys("", text), NOW_S)

    assert claims.sub == "desk-7"


def test_verify_takes_either_where_there_are_both(rsa_keys):
    private, public = rsa_keys
    keys = JwtKeys(SECRET, public)

    assert verify_jwt(signed(), keys, NOW_S).sub == "desk-7"
    assert verify_jwt(signed(private, "RS256"), keys, NOW_S).sub == "desk-7"


@pytest.mark.parametrize("is_late_s", [0, 1])
def test_verify_of_an_expired_token_says_so(is_late_s):
    with pytest.raises(TokenExpired) as raised:
        verify_jwt(signed(), HS256, NOW_S + 60 + is_late_s)

    assert raised.value.reason == "it has expired"
    assert str(raised.value) == "Invalid authentication"


def test_verify_before_its_time_refuses():
    assert verify_jwt(signed(nbf=NOW_S), HS256, NOW_S).nbf == NOW_S
    assert refusal(signed(nbf=NOW_S + 1)) == "JWT refused: not valid yet"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sub": None}, "JWT refused: Object missing required field `sub`"),
        ({"exp": None}, "JWT refused: Object missing required field `exp`"),
        ({"plan": None}, "JWT refused: Object missing required field `plan`"),
        ({"plan": 7}, "JWT refused: Expected `str`, got `int` - at `$.plan`"),
        ({"exp": "soon"}, "JWT refused: Expected `float`, got `str` - at `$.exp`"),
        ({"exp": True}, "JWT refused: Expected `float`, got `bool` - at `$.exp`"),
        ({"sub": ""}, "JWT refused: Expected `str` of length >= 1 - at `$.sub`"),
        ({"plan": "x" * 129}, "JWT refused: Expected `str` of length <= 128 - at"),
        ({"exp": 1e300}, "JWT refused: Expected `float` < 253402300800.0 - at `$.exp`"),
        ({"aud": "others"}, "JWT refused: InvalidAudienceError"),
    ],
    ids=str,
)  # fmt: skip
def test_verify_needs_its_claims(changes, reason):
    assert refusal(signed(**changes)).startswith(reason)


def test_verify_of_an_end_that_is_no_number_refuses():
    payload = b'{"sub":"a","plan":"b","exp":NaN}'
    signing = f"{part({'alg': 'HS256'})}.{part(payload)}"
    mac = jwt.get_algorithm_by_name("HS256").sign(signing.encode(), SECRET.encode())

    assert refusal(f"{signing}.{part(mac)}")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", None, [], {}])
def test_verify_refuses_algorithms_without_a_key(algorithm):
    token = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(GOOD)}."

    assert refusal(token)


def test_verify_by_the_public_key_as_a_secret_refuses(rsa_keys):
    _, public = rsa_keys
    algorithm = jwt.get_algorithm_by_name("HS256")
    signing = f"{part({'alg': 'HS256'})}.{part(GOOD)}"
    token = f"{signing}.{part(algorithm.sign(signing.encode(), public.encode()))}"

    assert "found 'HS256'" in refusal(token, JwtKeys("", public))
    assert refusal(token, JwtKeys(SECRET, public)).endswith("InvalidSignatureError")


def test_verify_of_a_foreign_signature_refuses():
    assert refusal(signed("t" * 32)) == "JWT refused: InvalidSignatureError"
    head, body, _ = signed().split(".")
    assert refusal(f"{head}.{part({**GOOD, 'plan': 'all'})}.{signed().split('.')[2]}")
    assert refusal(f"{head}.{body}.")


def test_verify_without_keys_refuses_all():
    assert refusal(signed(), JwtKeys()) == (
        "expected a JWT by no algorithm, found 'HS256'"
    )


@pytest.mark.parametrize("end", range(0, 120, 7))
def test_verify_of_a_cut_token_refuses_and_quotes_nothing(end):
    token = signed()

    reason = refusal(token[:end])

    assert not any(len(text) > 8 and text in reason for text in token.split("."))


@pytest.mark.parametrize("header", [b"\xff", b"7", b"[]", b"{", b'{"crit":["x"]}'])
def test_verify_of_a_garbled_header_refuses(header):
    assert refusal(f"{part(header)}.{part(GOOD)}.AAAA")


def test_keys_that_are_too_short_are_refused_at_once(rsa_keys):
    short = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    other_kind = pem_of(ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(ValueError, match="JWT_SECRET: expected 32 bytes or more, fo"):
        JwtKeys("s" * 31)
    for text in (short, other_kind):
        with pytest.raises(ValueError, match="JWT_PUBLIC_KEY: expected an RSA key of"):
            JwtKeys("", text)
    for text in ("nonsense", rsa_keys[0]):
        with pytest.raises(ValueError, match="JWT_PUBLIC_KEY: expected a public key"):
            JwtKeys("", text)


def refusal(token: str, keys: JwtKeys = HS256) -> str:
    with pytest.raises(AuthFailed) as raised:
        verify_jwt(token, keys, NOW_S)
    assert type(raised.value) is AuthFailed
    return raised.value.reason
