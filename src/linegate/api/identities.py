"""From an Authorization header to a caller: App keys, Basic, IBSSO sessions, Bearer tokens.

Source: published authentication page (FACTS B4.1, B4.2).
"""

import base64
import binascii
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.api.passwords import Passwords, TooManyGuesses
from linegate.api.throttle import Throttle
from linegate.domain.caller import Caller, is_allowed
from linegate.domain.keys import digest_of
from linegate.postgres.identities import (
    Key,
    Token,
    User,
    end_token,
    find_key,
    find_token,
    find_user,
    insert_token,
    touch_token,
)
from linegate.postgres.pool import Pool

__all__ = ["TOKEN_LIFE", "Denied", "Identities"]

TOKEN_LIFE = timedelta(hours=1)
"""A session's life without use, and an access token's from its issue."""

_TOUCHED_AFTER = timedelta(minutes=1)  # a session in use is written once a minute, not each time


@dataclass(frozen=True, slots=True)
class Denied:
    """Nobody who may ask. status: 401, 403 or 429; reason: for 403; retry_after: seconds, 429."""

    status: int
    reason: str = ""
    retry_after: int = 0


_STRANGERS = 60  # unknown credentials a minute from one address, until they are answered with 429
_UNKNOWN = Denied(401)
_SUSPENDED = Denied(403, "the account is suspended")
_ELSEWHERE = Denied(403, "the credentials may not be used from this address")


class Identities:
    """Knows keys, users and tokens; remembers them for a second."""

    def __init__(self, pool: Pool, passwords: Passwords | None = None) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._passwords = passwords or Passwords()
        self._keys: Memory[bytes, Key] = Memory(self._load_key, REMEMBERED_FOR)
        self._users: Memory[str, User] = Memory(self._load_user, REMEMBERED_FOR)
        self._tokens: Memory[bytes, Token] = Memory(self._load_token, REMEMBERED_FOR)
        self._strangers = Throttle(_STRANGERS, timedelta(minutes=1))

    async def identify(self, header: str, address: str | None, now: datetime) -> Caller | Denied:
        """Who asks with this Authorization header from this address (as `plain_address` says).

        Good credentials are known whatever the count of bad ones: a neighbour behind the same
        proxy who guesses keys does no harm to others.
        """
        found = await self._find(header, address, now)
        if found is not _UNKNOWN or not header:
            return found
        if wait := self._strangers.wait(address, now):
            return Denied(429, retry_after=wait)
        self._strangers.charge(address, now)
        return found

    async def _find(self, header: str, address: str | None, now: datetime) -> Caller | Denied:
        scheme, _, value = header.strip().partition(" ")
        value = value.strip()
        match scheme.lower():
            case "app":
                return await self._by_key(value, address, now)
            case "basic":
                return await self._by_password(value, address, now)
            case "ibsso":
                return await self._by_token("session", value, address, now)
            case "bearer":
                return await self._by_token("oauth", value, address, now)
            case _:
                return _UNKNOWN

    async def login(
        self, name: str, password: str, address: str | None, now: datetime
    ) -> User | Denied:
        """The user with this name and password, if it may log in from this address."""
        user = None if "\0" in name else await self._users.get(name, now)
        stored = user.password_hash if user else None
        right = await self._passwords.are_right(
            name, password, stored=stored, address=address, now=now
        )
        if isinstance(right, TooManyGuesses):
            return Denied(429, retry_after=right.retry_after)
        if user is None or not right or not user.enabled:
            return _UNKNOWN
        return _refusal(user, address) or user

    async def open_token(
        self, user: User, kind: Literal["session", "oauth"], address: str | None, now: datetime
    ) -> str:
        """A new token of a user; address: the only one it will serve, None for any."""
        token = str(uuid.UUID(bytes=secrets.token_bytes(16))) + secrets.token_hex(16)
        async with self._pool.acquire() as conn:
            await insert_token(
                conn,
                digest=digest_of(token),
                user_id=user.id,
                kind=kind,
                address=address,
                expires_at=now + TOKEN_LIFE,
            )
        return token

    async def close_session(self, header: str, address: str | None, now: datetime) -> bool:
        """End the session of an IBSSO header; False if there is none that may be used here."""
        scheme, _, value = header.strip().partition(" ")
        if scheme.lower() != "ibsso":
            return False
        digest = digest_of(value.strip())
        caller = await self._by_token("session", value.strip(), address, now)
        if isinstance(caller, Denied) and caller.status != 403:
            return False
        self._tokens.forget(digest)
        async with self._pool.acquire() as conn:
            return await end_token(conn, digest)

    async def _by_key(self, value: str, address: str | None, now: datetime) -> Caller | Denied:
        key = await self._keys.get(digest_of(value), now)
        if key is None or not key.enabled:
            return _UNKNOWN
        rules = key.rules
        if rules.expires_at is not None and rules.expires_at <= now:
            return _UNKNOWN
        if rules.valid_from is not None and now < rules.valid_from:
            return _UNKNOWN
        if key.suspended_at is not None:
            return _SUSPENDED
        if not is_allowed(address, rules.networks):
            return _ELSEWHERE
        name = f"key {key.id}"
        return Caller(
            key.account_id, name, rules.scopes, rules.application, rules.entity, key.counts_as
        )

    async def _by_password(self, value: str, address: str | None, now: datetime) -> Caller | Denied:
        given = _basic(value)
        if given is None:
            return _UNKNOWN
        user = await self.login(*given, address, now)
        return user if isinstance(user, Denied) else _caller(user)

    async def _by_token(
        self, kind: Literal["session", "oauth"], value: str, address: str | None, now: datetime
    ) -> Caller | Denied:
        digest = digest_of(value)
        token = await self._tokens.get(digest, now)
        if token is None or token.kind != kind or token.expires_at <= now:
            return _UNKNOWN
        if not token.user.enabled or token.address not in (None, address):
            return _UNKNOWN
        refusal = _refusal(token.user, address)
        if refusal is not None:
            return refusal
        if kind == "session" and token.expires_at - now < TOKEN_LIFE - _TOUCHED_AFTER:
            async with self._pool.acquire() as conn:
                await touch_token(conn, digest, expires_at=now + TOKEN_LIFE)
            self._tokens.forget(digest)
        return _caller(token.user)

    async def _load_key(self, digest: bytes) -> Key | None:
        async with self._pool.acquire() as conn:
            return await find_key(conn, digest)

    async def _load_user(self, name: str) -> User | None:
        async with self._pool.acquire() as conn:
            return await find_user(conn, name)

    async def _load_token(self, digest: bytes) -> Token | None:
        async with self._pool.acquire() as conn:
            return await find_token(conn, digest)


def _caller(user: User) -> Caller:
    return Caller(user.account_id, f"user {user.name}", user.scopes)


def _refusal(user: User, address: str | None) -> Denied | None:
    if user.suspended_at is not None:
        return _SUSPENDED
    return None if is_allowed(address, user.networks) else _ELSEWHERE


def _basic(value: str) -> tuple[str, str] | None:
    """Name and password of a Basic header. Source: RFC 7617 (UTF-8, the first colon parts)."""
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (name, password) if colon else None
