"""An endpoint ready to be called: its profile read, its secrets opened, its headers made."""

import ssl
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from linegate.postgres.reporting import Endpoint
from linegate.webhook.acceptance import acceptance_of
from linegate.webhook.client import PostOptions
from linegate.webhook.oauth import TokenRefused, Tokens
from linegate.webhook.security import OAuth, Security, read_security, security_headers
from linegate.webhook.signing import signature_headers
from linegate.webhook.tls import tls_context

__all__ = ["Opened", "Target", "Targets"]

_BUCKET = 100
_WINDOW = 20
_WINDOW_AT_MOST = 64  # posts at once of one process to one endpoint, whatever the profile allows
_REMEMBERED = 2000

What = Literal["webhook_secret", "webhook_profile", "webhook_security", "webhook_certificate"]
Opened = Callable[[str, What, bytes], str]


@dataclass(frozen=True, slots=True)
class Target:
    """bucket: reports in one post; window: posts at once; pause: from one post to the next."""

    id: int
    url: str
    content_type: str
    secret: str
    bucket: int = _BUCKET
    window: int = _WINDOW
    pause: timedelta | None = None
    options: PostOptions = field(default_factory=PostOptions)
    headers: Mapping[str, str] = field(default_factory=dict)
    security: Security | None = None

    def headers_for(
        self, body: bytes, *, delivery_id: str, token: str | None, now: datetime
    ) -> dict[str, str]:
        """Every header of one post: the profile's own, then its security, then our signature."""
        signed = signature_headers([self.secret], delivery_id=delivery_id, body=body, now=now)
        secured = security_headers(self.security, body=body, now=now, token=token)
        # A header of the profile and one of security may differ in case and be the same one.
        given = {name.lower() for name in secured}
        own = {name: text for name, text in self.headers.items() if name.lower() not in given}
        return {**own, **secured, **signed}

    async def token(self, tokens: Tokens) -> str | TokenRefused | None:
        """The token it wants to see; None if it wants none."""
        return await tokens.token(self.security) if isinstance(self.security, OAuth) else None


class Targets:
    """Targets by what the database says of them, so that a secret is opened once."""

    def __init__(self, opened: Opened) -> None:
        """`opened` gives the secret behind a sealed one, by account and what it is."""
        self._opened = opened
        self._kept: OrderedDict[tuple[object, ...], Target] = OrderedDict()

    def of(self, endpoint: Endpoint) -> Target:
        """The endpoint, ready. Raises: ValueError for a certificate that is none."""
        key = (endpoint.id, *endpoint[3:6], *endpoint[9:])
        target = self._kept.get(key)
        if target is None:
            target = self._kept[key] = self._made(endpoint)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        return target

    def _made(self, endpoint: Endpoint) -> Target:
        secret = self._opened(endpoint.account, "webhook_secret", endpoint.webhook_secret)
        if endpoint.settings is None:
            return Target(endpoint.id, endpoint.url, endpoint.content_type, secret)
        settings = self._json(endpoint, "webhook_profile", endpoint.settings)
        security = None
        if endpoint.security_type is not None:
            sealed = endpoint.credentials
            credentials = self._json(endpoint, "webhook_security", sealed) if sealed else {}
            security = read_security(endpoint.security_type, credentials)
        rate = settings.get("rateLimit")
        return Target(
            endpoint.id,
            endpoint.url,
            endpoint.content_type,
            secret,
            bucket=settings.get("maxBucketSize") or _BUCKET,
            window=min(settings.get("windowSize") or _WINDOW, _WINDOW_AT_MOST),
            pause=timedelta(seconds=1 / rate) if rate else None,
            options=self._options(endpoint, settings),
            headers=settings.get("headers") or {},
            security=security,
        )

    def _options(self, endpoint: Endpoint, settings: Mapping[str, Any]) -> PostOptions:
        return PostOptions(
            connect=_milliseconds(settings.get("connectTimeout")),
            read=_milliseconds(settings.get("readTimeout")),
            tls=self._tls(endpoint, settings.get("enabledSSLProtocols") or ()),
            acceptance=acceptance_of(
                settings.get("responseRegex"), settings.get("responseBodyRegex")
            ),
        )

    def _tls(self, endpoint: Endpoint, versions: Collection[str]) -> ssl.SSLContext | None:
        if endpoint.certificate is None:
            return tls_context(versions) if versions else None
        kept = self._json(endpoint, "webhook_certificate", endpoint.certificate)
        return tls_context(versions, pem=kept["pem"].encode(), passphrase=kept.get("passphrase"))

    def _json(self, endpoint: Endpoint, what: What, sealed: bytes) -> dict[str, Any]:
        text = self._opened(endpoint.account, what, sealed)
        return msgspec.json.decode(text, type=dict[str, Any])


def _milliseconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(milliseconds=count)
