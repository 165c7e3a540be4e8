"""JWT assertions as LINE checks them: who issued it, for whom, until when, and the signature.

Source: LINE Platform basics, "Issue channel access token v2.1" (FACTS A5.1).
"""

import base64
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["issuer_of", "refusal_of"]

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_AUDIENCE = "https://api.line.me/"
_LONGEST = 30 * 60  # seconds


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str = "JWT"


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: str
    exp: int


def issuer_of(assertion: str) -> str:
    """The channel that an assertion says it is of; "" if it cannot be read."""
    parts = _parts(assertion)
    return parts[1].iss if parts is not None else ""


def refusal_of(form: Mapping[str, str], keys: Mapping[str, str], now: float) -> str | None:
    """Why LINE would not take the assertion of a token request; None if it would.

    keys: public keys (PEM) by kid. now: seconds since 1970.
    """
    if form.get("client_assertion_type") != _TYPE:
        return "invalid client_assertion_type"
    assertion = form["client_assertion"]
    parts = _parts(assertion)
    if parts is None:
        return "invalid client_assertion"
    header, claims = parts
    if header.alg != "RS256" or header.kid not in keys:
        return "the assertion's key is not registered"
    if claims.iss != claims.sub or claims.aud != _AUDIENCE:
        return "invalid iss, sub or aud"
    if not now < claims.exp <= now + _LONGEST:
        return "exp must be at most 30 minutes ahead"
    return None if _is_signed(assertion, keys[header.kid]) else "invalid signature"


def _parts(assertion: str) -> tuple[_Header, _Claims] | None:
    try:
        header, claims, _ = assertion.split(".")
        return (
            msgspec.json.decode(_decoded(header), type=_Header),
            msgspec.json.decode(_decoded(claims), type=_Claims),
        )
    except (ValueError, msgspec.DecodeError):
        return None


def _is_signed(assertion: str, pem: str) -> bool:
    signed, _, signature = assertion.rpartition(".")
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
