"""Assertions are signed as LINE checks them; keys are read as operators have them."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linegate.line.assertion import AssertionKey, BadKey, read_key, sign
from linegate.simulator.assertions import refusal_of

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def public_pem() -> str:
    return (
        PRIVATE.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk(**more: str) -> str:
    numbers = PRIVATE.private_numbers()
    members = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    coded = {
        name: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8))
        .rstrip(b"=")
        .decode()
        for name, value in members.items()
    }
    return json.dumps({"kty": "RSA", "alg": "RS256", "use": "sig", **coded, **more})


@pytest.mark.parametrize(
    ("text", "kid"),
    [(pem_of(PRIVATE), "k1"), (jwk(kid="k1"), None), (jwk(kid="other"), "k1")],
    ids=["pem", "jwk", "jwk with another kid"],
)
def test_line_takes_what_is_signed_with_a_key_of_either_form(text: str, kid: str | None) -> None:
    key = read_key(text, kid)
    assert isinstance(key, AssertionKey)
    form = {"client_assertion": sign(key, "1001", NOW), "client_assertion_type": TYPE}
    assert refusal_of(form, {"k1": public_pem()}, NOW.timestamp()) is None
    assert refusal_of(form, {"k2": public_pem()}, NOW.timestamp()) is not None
    assert refusal_of(form, {"k1": public_pem()}, NOW.timestamp() + 301) is not None


@pytest.mark.parametrize(
    ("text", "kid", "reason"),
    [
        (pem_of(PRIVATE), None, "kid"),
        (jwk(), None, "kid"),
        ("nonsense", "k", "cannot be read"),
        ("{}", "k", "JWK"),
        ('{"kty":"RSA","n":"!","e":"","d":"","p":"","q":"","dp":"","dq":"","qi":""}', "k", "JWK"),
        (public_pem(), "k", "cannot be read"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "k", "RSA"),
        (pem_of(rsa.generate_private_key(65537, 1024)), "k", "2048"),
    ],
)
def test_what_cannot_sign_is_refused_with_the_reason(
    text: str, kid: str | None, reason: str
) -> None:
    key = read_key(text, kid)
    assert isinstance(key, BadKey)
    assert reason in key.reason
    assert "PRIVATE" not in key.reason


def test_key_is_not_shown_in_a_trace() -> None:
    key = read_key(pem_of(PRIVATE), "k1")
    assert "PRIVATE" not in repr(key)
