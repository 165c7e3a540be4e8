"""The assertion that proves to LINE who a channel is: a JWT signed with the channel's own key.

The operator makes the key pair and registers the public half in LINE's console, which answers with
the key's id (kid). So no secret that LINE knows is needed to get tokens. This file does not know
HTTP.

Source: LINE Platform basics, "Issue channel access token v2.1": RS256, `iss` and `sub` the channel,
`aud` `https://api.line.me/`, `exp` at most 30 minutes ahead (FACTS A5.1).
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["AssertionKey", "BadKey", "read_key", "sign"]

_AUDIENCE = "https://api.line.me/"
_LIFE = timedelta(minutes=5)  # it is used at once; LINE's clock may differ from ours
_FEWEST_BITS = 2048


@dataclass(frozen=True, slots=True)
class AssertionKey:
    """kid: the id that LINE's console shows for the public key. pem: PKCS #8, unencrypted."""

    kid: str
    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadKey:
    """Why a text is no key to sign with."""

    reason: str


class _Jwk(msgspec.Struct):
    kty: str
    n: str
    e: str
    d: str
    p: str
    q: str
    dp: str
    dq: str
    qi: str
    kid: str = ""


def read_key(text: str, kid: str | None) -> AssertionKey | BadKey:
    """A private key as operators have it: a JWK (JSON, as LINE's examples make it) or PEM.

    kid: LINE's id of the key; None if the JWK holds it.
    """
    key = _from_jwk(text) if text.lstrip().startswith("{") else _from_pem(text)
    if isinstance(key, BadKey):
        return key
    private, own_kid = key
    if private.key_size < _FEWEST_BITS:
        return BadKey(f"the key must have {_FEWEST_BITS} bits at least")
    if not (kid or own_kid):
        return BadKey("the key's id (kid) is needed: LINE's console shows it")
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return AssertionKey(kid or own_kid, pem.decode())


def sign(key: AssertionKey, channel_id: str, now: datetime) -> str:
    """An assertion for this channel that LINE takes for the next five minutes."""
    private = serialization.load_pem_private_key(key.pem.encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("read_key lets RSA keys through alone")
    header = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
    claims = {
        "iss": channel_id,
        "sub": channel_id,
        "aud": _AUDIENCE,
        "exp": int((now + _LIFE).timestamp()),
    }
    signed = b".".join(_encoded(msgspec.json.encode(part)) for part in (header, claims))
    signature = private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + _encoded(signature)).decode()


def _from_pem(text: str) -> tuple[rsa.RSAPrivateKey, str] | BadKey:
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:  # TypeError: it wants a password
        return BadKey(f"the key cannot be read: {error}")
    if not isinstance(key, rsa.RSAPrivateKey):
        return BadKey("the key must be an RSA key, for RS256")
    return key, ""


def _from_jwk(text: str) -> tuple[rsa.RSAPrivateKey, str] | BadKey:
    try:
        jwk = msgspec.json.decode(text, type=_Jwk)
        n, e, d, p, q, dp, dq, qi = (
            int.from_bytes(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in (jwk.n, jwk.e, jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi)
        )
        public = rsa.RSAPublicNumbers(e, n)
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key(), jwk.kid
    except (msgspec.DecodeError, ValueError) as error:
        return BadKey(f"the JWK is no private RSA key: {error}")


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
