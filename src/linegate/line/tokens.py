"""Channel access tokens: one source per sender, shared by everything that sends for it.

A source gives a token or says why it has none. It renews ahead of time, one
request at a time however many ask, and remembers a failure for a while so that
a broken sender does not flood LINE. This file does not know senders or messages.

Source: LINE Platform basics, "Channel access token" (stateless: 15 minutes, any number).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, assert_never

from linegate.clock import Clock
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.line.assertion import AssertionKey, sign
from linegate.line.client import IssuedToken, LineClient

__all__ = [
    "FixedToken",
    "Issue",
    "RenewedToken",
    "TokenFailure",
    "TokenFault",
    "TokenSource",
    "by_assertion",
    "by_channel_secret",
]

# 14 of LINE's 15 minutes.
_USED_FOR = 14 / 15
# A token this young that LINE refuses would only be replaced by one that it refuses too.
_YOUNG = timedelta(seconds=10)
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)


class TokenFault(Enum):
    """Whose fault it is that there is no token."""

    BAD_CREDENTIALS = "bad_credentials"  # LINE refuses the id, the secret or the token itself
    UNREACHABLE = "unreachable"  # LINE gave no usable answer: try again later


@dataclass(frozen=True, slots=True)
class TokenFailure:
    """Why there is no token now; `code` is LINE's HTTP status, 0 if it gave none."""

    fault: TokenFault
    code: int = 0
    detail: str = ""

    def outcome(self) -> Outcome:
        """What it means for a message: it was never sent."""
        match self.fault:
            case TokenFault.BAD_CREDENTIALS:
                return Outcome(OutcomeKind.UNAUTHORISED, 7004, 4, self.code, "", self.detail)
            case TokenFault.UNREACHABLE:
                return Outcome(OutcomeKind.UNSENT, 7050, 0, self.code, "", self.detail)
            case unreachable:
                assert_never(unreachable)


class TokenSource(Protocol):
    """Gives the token to send with, or says why there is none."""

    async def token(self) -> str | TokenFailure:
        """The current token, renewed if its end is near."""

    async def renew(self, bad_token: str) -> str | TokenFailure:
        """A token other than the one that LINE has just refused with 401."""


Issue = Callable[[], Awaitable[IssuedToken | TokenFailure]]


class FixedToken:
    """A long-lived token from LINE's console: nothing to renew."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str | TokenFailure:
        """The token as given."""
        return self._token

    async def renew(self, bad_token: str) -> str | TokenFailure:
        """A failure, since only the operator can give another token."""
        if bad_token != self._token:
            return self._token
        return _refused("LINE refuses the access token; issue another in LINE's console")


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    issued_at: datetime
    renew_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class _Failed:
    failure: TokenFailure
    pause: timedelta
    until: datetime


class RenewedToken:
    """A token that is issued again and again by `issue`, before each one ends.

    issue: asks LINE once (`by_channel_secret`; other ways to prove who we are fit too).
    """

    def __init__(self, issue: Issue, clock: Clock) -> None:
        self._issue = issue
        self._clock = clock
        self._asking = asyncio.Lock()
        self._held: _Held | None = None
        self._failed: _Failed | None = None

    async def token(self) -> str | TokenFailure:
        """The current token; one caller fetches the next, the others wait only without any.

        Errors: as a value. A failure is answered from memory for 1 s, doubling to 60 s.
        """
        now = self._clock.now()
        held = self._held
        if held is not None and now < held.renew_at:
            return held.token
        if held is not None and now < held.ends_at and self._asking.locked():
            return held.token
        async with self._asking:
            if self._held is not None and self._held is not held:
                return self._held.token  # someone else fetched it while we waited
            return await self._fetch(self._clock.now())

    async def renew(self, bad_token: str) -> str | TokenFailure:
        """Another token, unless someone has already fetched it.

        A token refused within 10 s of its issue is not replaced: the next would be refused
        too, and every message would cost a token.
        """
        async with self._asking:
            held = self._held
            if held is not None and held.token != bad_token:
                return held.token
            now = self._clock.now()
            if held is not None and now < held.issued_at + _YOUNG:
                return _refused("LINE refuses a token that it has just issued")
            self._held = None
            return await self._fetch(now)

    async def _fetch(self, now: datetime) -> str | TokenFailure:
        """Ask LINE unless a recent failure forbids it; the lock is held."""
        if self._failed is None or now >= self._failed.until:
            issued = await self._issue()
            if isinstance(issued, IssuedToken):
                self._held, self._failed = _held(issued, now), None
                return issued.token
            self._failed = _after(self._failed, issued, now)
        if self._held is not None and now < self._held.ends_at:
            return self._held.token
        return self._failed.failure


def by_channel_secret(client: LineClient, *, channel_id: str, channel_secret: str) -> Issue:
    """How to issue stateless tokens with a channel's id and secret.

    Source: Messaging API reference, "Issue stateless channel access token".
    """
    form = {
        "grant_type": "client_credentials",
        "client_id": channel_id,
        "client_secret": channel_secret,
    }

    async def issue() -> IssuedToken | TokenFailure:
        return _issued(await client.issue_token(form))

    return issue


def by_assertion(client: LineClient, *, channel_id: str, key: AssertionKey, clock: Clock) -> Issue:
    """How to issue stateless tokens with a channel's own key, of which LINE has the public half.

    Stateless and not v2.1 tokens, of which a channel may have 30: docs/decisions/0032.
    Source: Messaging API reference, "Issue stateless channel access token" (JWT assertion).
    """

    async def issue() -> IssuedToken | TokenFailure:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": sign(key, channel_id, clock.now()),
        }
        return _issued(await client.issue_token(form))

    return issue


def _issued(answer: IssuedToken | Outcome) -> IssuedToken | TokenFailure:
    return answer if isinstance(answer, IssuedToken) else _failure_of(answer)


def _held(issued: IssuedToken, now: datetime) -> _Held:
    # `now` is before the request was sent, so the token ends no sooner than we think.
    life = issued.lives_for
    return _Held(issued.token, now, now + life * _USED_FOR, now + life)


def _after(last: _Failed | None, failure: TokenFailure, now: datetime) -> _Failed:
    pause = _FIRST_PAUSE if last is None else min(last.pause * 2, _LONGEST_PAUSE)
    return _Failed(failure, pause, now + pause)


def _failure_of(outcome: Outcome) -> TokenFailure:
    """LINE's refusals are the credentials' fault; limits, faults and silence are not.

    Source: the endpoint answers bad credentials with 400, an unknown key with 404.
    """
    refused = outcome.code in (400, 401, 403, 404)
    fault = TokenFault.BAD_CREDENTIALS if refused else TokenFault.UNREACHABLE
    return TokenFailure(fault, outcome.code, outcome.detail)


def _refused(detail: str) -> TokenFailure:
    return TokenFailure(TokenFault.BAD_CREDENTIALS, 401, detail)
