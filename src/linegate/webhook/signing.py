"""Signatures on what we send to a client's URL, so that it can tell us from others.

This file does not read a clock and draws no random numbers: both are handed in.

Source: Standard Webhooks specification, "Signature scheme" (symmetric, `v1`).
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime

__all__ = ["SECRET_BYTES", "secret_of", "signature_headers"]

SECRET_BYTES = 32
_PREFIX = "whsec_"


def secret_of(key: bytes) -> str:
    """The form in which a client is shown its secret: `whsec_` and base64.

    key: 24 to 64 random bytes; we draw SECRET_BYTES. ValueError otherwise.
    """
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret has 24 to 64 bytes")
    return _PREFIX + base64.b64encode(key).decode()


def signature_headers(
    secrets: Sequence[str], *, delivery_id: str, body: bytes, now: datetime
) -> dict[str, str]:
    """The three headers that prove who sent this body, and when.

    secrets:     `whsec_...`, newest first; more than one while a secret is being replaced.
    delivery_id: equal at every try of the same body, so that the client can drop repeats;
                 no dot in it, since a dot parts the signed fields.
    now:         aware; sent in whole seconds.
    Errors:      ValueError for a secret that is not base64, or an id with a dot.
    """
    if "." in delivery_id:
        raise ValueError("a delivery id holds no dot")
    timestamp = str(int(now.timestamp()))
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.digest(_key_of(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def _key_of(secret: str) -> bytes:
    encoded = secret.removeprefix(_PREFIX)
    # Some tools drop the padding; it carries nothing.
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
