"""The signature of Twilio's calls. Source: Twilio's "Webhooks security", validating requests."""

import base64
import hashlib
import hmac

__all__ = ["sign", "verify"]


def sign(token: str, url: str, form: dict[str, str]) -> str:
    """The header's value: HMAC-SHA1 over the URL and the fields in order of their names."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def verify(token: str, url: str, form: dict[str, str], header: str | None) -> bool:
    """Whether the call is Twilio's, in constant time."""
    expected = sign(token, url, form).encode()
    return header is not None and hmac.compare_digest(expected, header.encode())
