"""What a client's endpoint wants to see before it takes a report: BASIC, HMAC, OAUTH, CUSTOM.

Headers only, from values: no clock, no network (`oauth.py` has that), no database.

Source: published security settings of the Subscriptions API; the header of HMAC is not published
and is ours (docs/reference/delivery-reports.md).
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = [
    "HMAC_ALGORITHMS",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "BasicAuth",
    "CustomHeaders",
    "HmacAuth",
    "OAuth",
    "Security",
    "read_security",
    "security_headers",
]

HMAC_ALGORITHMS = {
    "HMAC_MD5": "md5",
    "HMAC_SHA_1": "sha1",
    "HMAC_SHA_224": "sha224",
    "HMAC_SHA_256": "sha256",
    "HMAC_SHA_384": "sha384",
    "HMAC_SHA_512": "sha512",
}
TIMESTAMP_HEADER = "X-Linegate-Timestamp"
SIGNATURE_HEADER = "X-Linegate-Signature"


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """`Authorization: Basic`."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class HmacAuth:
    """A keyed digest of time and body; algorithm: a key of HMAC_ALGORITHMS."""

    secret_key: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class OAuth:
    """A token of the client's own authorisation server; form: what it is asked with."""

    token_url: str
    form: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CustomHeaders:
    """Headers as they are."""

    headers: Mapping[str, str] = field(default_factory=dict)


Security = BasicAuth | HmacAuth | OAuth | CustomHeaders

_FORM = {
    "grantType": "grant_type",
    "clientId": "client_id",
    "clientSecret": "client_secret",
    "scope": "scope",
    "username": "username",
    "password": "password",
    "resource": "resource",
    "refreshToken": "refresh_token",
}


def read_security(kind: str, credentials: Mapping[str, Any]) -> Security:
    """The security that was stored; kind: as published, credentials: in the published names.

    Raises: KeyError where a member is missing: what is stored was checked before.
    """
    if kind == "BASIC":
        return BasicAuth(credentials["username"], credentials["password"])
    if kind == "HMAC":
        return HmacAuth(credentials["secretKey"], credentials["algorithm"])
    if kind == "OAUTH":
        form = tuple(
            (name, credentials[member].strip())
            for member, name in _FORM.items()
            if credentials.get(member)
        )
        headers = tuple((credentials.get("headers") or {}).items())
        return OAuth(credentials["tokenUrl"], form, headers)
    return CustomHeaders(credentials.get("headers") or {})


def security_headers(
    security: Security | None, *, body: bytes, now: datetime, token: str | None = None
) -> dict[str, str]:
    """The headers that prove who we are; token: of `OAuth`, from `oauth.py`."""
    match security:
        case None:
            return {}
        case BasicAuth():
            pair = f"{security.username}:{security.password}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        case HmacAuth():
            timestamp = str(int(now.timestamp()))
            signed = timestamp.encode() + b"." + body
            name = HMAC_ALGORITHMS[security.algorithm]
            digest = hmac.new(security.secret_key.encode(), signed, name).hexdigest()
            return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: digest}
        case OAuth():
            return {"Authorization": f"Bearer {token}"} if token else {}
        case CustomHeaders():
            return dict(security.headers)
