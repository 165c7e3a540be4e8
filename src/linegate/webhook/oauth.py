"""Tokens of a client's own authorisation server, for its report endpoint.

A token is kept until shortly before it ends and is asked for once, however many posts wait for it.
The server's URL is the client's: it is called under the same guard as its endpoint.

Source: RFC 6749, sections 4.4 (client credentials), 4.3, 5.1.
"""

import asyncio
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from linegate.clock import Clock
from linegate.webhook.client import WebhookClient
from linegate.webhook.security import OAuth

__all__ = ["TokenRefused", "Tokens"]

_KEPT = 1000
_DEFAULT_LIFE = timedelta(minutes=5)  # where the answer does not say
_LONGEST_LIFE = timedelta(days=1)
_MARGIN = timedelta(seconds=30)


class TokenRefused(msgspec.Struct, frozen=True):
    """No token came; reason: why, in our words."""

    reason: str


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None


class Tokens:
    """The tokens of this process, by what they were asked for with."""

    def __init__(self, client: WebhookClient, clock: Clock) -> None:
        """Ask through `client`."""
        self._client = client
        self._clock = clock
        self._kept: dict[OAuth, tuple[str, datetime]] = {}
        self._asking: dict[OAuth, asyncio.Lock] = {}

    async def token(self, oauth: OAuth) -> str | TokenRefused:
        """A token that still holds."""
        async with self._asking.setdefault(oauth, asyncio.Lock()):
            kept = self._kept.get(oauth)
            now = self._clock.now()
            if kept is not None and now < kept[1]:
                return kept[0]
            if len(self._kept) >= _KEPT:
                self._kept.clear()
                self._asking = {oauth: self._asking[oauth]}
            granted = await self._ask(oauth)
            if isinstance(granted, TokenRefused):
                return granted
            self._kept[oauth] = (granted.access_token, now + _life(granted))
            return granted.access_token

    def forget(self, oauth: OAuth, token: str) -> None:
        """The endpoint did not take this token: the next post asks for another."""
        kept = self._kept.get(oauth)
        if kept is not None and kept[0] == token:
            del self._kept[oauth]

    async def _ask(self, oauth: OAuth) -> _Granted | TokenRefused:
        answer = await self._client.fetch(
            oauth.token_url,
            body=urlencode(oauth.form).encode(),
            content_type="application/x-www-form-urlencoded",
            headers={"Accept": "application/json", **dict(oauth.headers)},
        )
        if isinstance(answer, str):
            return TokenRefused(f"no token: {answer}")
        if not 200 <= answer.code <= 299:
            return TokenRefused(f"no token: the token URL answered {answer.code}")
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return TokenRefused("no token: the token URL's answer holds none")
        if not granted.access_token.isascii() or not granted.access_token.isprintable():
            return TokenRefused("no token: the token URL's answer holds none")
        return granted


def _life(granted: _Granted) -> timedelta:
    try:
        life = timedelta(seconds=float(granted.expires_in or 0))
    except (ValueError, OverflowError):
        life = timedelta(0)
    if life <= timedelta(0):
        life = _DEFAULT_LIFE
    return max(min(life, _LONGEST_LIFE) - _MARGIN, timedelta(0))
