"""Queries about who asks: API keys, users, and what their logins gave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Literal

from linegate.domain.caller import Network, PlatformRule
from linegate.domain.policy import Limits
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Key",
    "KeyListed",
    "KeyRules",
    "Token",
    "User",
    "UserListed",
    "enable_key",
    "enable_user",
    "end_token",
    "find_key",
    "find_token",
    "find_user",
    "forget_tokens",
    "insert_key",
    "insert_token",
    "insert_user",
    "key_listed",
    "list_keys",
    "list_users",
    "rotate_key",
    "set_password",
    "touch_token",
]


@dataclass(frozen=True, slots=True)
class KeyRules:
    """What a key may do, from where and until when, and what it gives its requests."""

    scopes: frozenset[str]
    valid_from: datetime | None = None
    expires_at: datetime | None = None
    networks: frozenset[Network] = frozenset()
    application: PlatformRule | None = None
    entity: PlatformRule | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as stored: whose, and its rules.

    counts_as: the key that it was rotated from, at first, whose counts it goes on; or its own id.
    """

    id: int
    counts_as: int
    account_id: int
    enabled: bool
    rules: KeyRules
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyListed:
    """An API key as an operator sees it.

    hint:    its first characters.
    waiting: messages that have not ended, of it and of those that it was rotated from.
    digest:  for comparing.
    """

    id: int
    name: str
    hint: str
    enabled: bool
    rules: KeyRules
    limits: Limits
    created_at: datetime
    waiting: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored."""

    id: int
    account_id: int
    name: str
    password_hash: str
    scopes: frozenset[str]
    enabled: bool
    networks: frozenset[Network]
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserListed:
    """A user as an operator sees it."""

    id: int
    name: str
    scopes: frozenset[str]
    enabled: bool
    networks: frozenset[Network]
    created_at: datetime
    is_operator: bool


@dataclass(frozen=True, slots=True)
class Token:
    """What a login gave. address: the only caller it serves; None: any."""

    kind: Literal["session", "oauth", "console", "link"]
    address: str | None
    expires_at: datetime
    user: User


async def insert_key(
    conn: Connection,
    *,
    account_id: int,
    name: str,
    digest: bytes,
    hint: str,
    rules: KeyRules,
    now: datetime,
) -> int:
    """Store a key's SHA-256; the key itself is never stored."""
    application, entity = rules.application, rules.entity
    id_: int = await bundled().insert_key.value(
        conn,
        account_id=account_id,
        name=name,
        digest=digest,
        hint=hint,
        scopes=sorted(rules.scopes),
        valid_from=rules.valid_from,
        expires_at=rules.expires_at,
        allowed_addresses=sorted(rules.networks, key=str),
        application_id=application.value if application else None,
        application_forced=application.forced if application else False,
        entity_id=entity.value if entity else None,
        entity_forced=entity.forced if entity else False,
        now=now,
    )
    return id_


async def find_key(conn: Connection, digest: bytes) -> Key | None:
    """The key with this SHA-256."""
    row = await bundled().find_key.one(conn, digest=digest)
    if row is None:
        return None
    return Key(
        row["id"],
        row["counts_as"],
        row["account_id"],
        row["enabled"],
        _rules(row),
        row["suspended_at"],
    )


async def list_keys(conn: Connection, account_id: int) -> list[KeyListed]:
    """An account's keys, oldest first."""
    rows = await bundled().list_keys.many(conn, account_id=account_id)
    return [key_listed(row) for row in rows]


def key_listed(row: Any) -> KeyListed:
    """A row of a key as an operator sees it."""
    return KeyListed(
        row["id"],
        row["name"],
        row["hint"],
        row["enabled"],
        _rules(row),
        Limits(row["requests_per_second"], row["messages_per_day"], row["messages_waiting"]),
        row["created_at"],
        row["waiting"],
        row["digest"],
    )


async def enable_key(conn: Connection, account_id: int, key_id: int, *, enabled: bool) -> bool:
    """Switch a key on or off; False if the account has no such key."""
    found = await bundled().enable_key.value(
        conn, account_id=account_id, id=key_id, enabled=enabled
    )
    return found is not None


async def rotate_key(
    conn: Connection,
    account_id: int,
    key_id: int,
    *,
    digest: bytes,
    hint: str,
    ends_at: datetime,
    now: datetime,
) -> int | None:
    """Store a new key with an old one's rules, which ends; None if there is no such key in use."""
    id_: int | None = await bundled().rotate_key.value(
        conn,
        account_id=account_id,
        id=key_id,
        digest=digest,
        hint=hint,
        ends_at=ends_at,
        now=now,
    )
    return id_


async def insert_user(
    conn: Connection,
    *,
    account_id: int,
    name: str,
    password_hash: str,
    scopes: Sequence[str],
    networks: Iterable[Network],
    now: datetime,
) -> int | None:
    """Create a user; None if the name is taken in this installation."""
    id_: int | None = await bundled().insert_user.value(
        conn,
        account_id=account_id,
        name=name,
        password_hash=password_hash,
        scopes=sorted(scopes),
        allowed_addresses=sorted(networks, key=str),
        now=now,
    )
    return id_


async def find_user(conn: Connection, name: str) -> User | None:
    """A user by its name."""
    row = await bundled().find_user.one(conn, name=name)
    return None if row is None else _user(row)


async def list_users(conn: Connection, account_id: int) -> list[UserListed]:
    """An account's users, oldest first."""
    return [
        UserListed(
            row["id"],
            row["name"],
            frozenset(row["scopes"]),
            row["enabled"],
            _networks(row),
            row["created_at"],
            row["is_operator"],
        )
        for row in await bundled().list_users.many(conn, account_id=account_id)
    ]


async def enable_user(conn: Connection, account_id: int, name: str, *, enabled: bool) -> bool:
    """Switch a user on or off; False if the account has no such user."""
    found = await bundled().enable_user.value(
        conn, account_id=account_id, name=name, enabled=enabled
    )
    return found is not None


async def set_password(conn: Connection, account_id: int, name: str, password_hash: str) -> bool:
    """Give a user another password and end its logins; False if there is no such user."""
    found = await bundled().set_password.value(
        conn, account_id=account_id, name=name, password_hash=password_hash
    )
    return found is not None


async def insert_token(
    conn: Connection,
    *,
    digest: bytes,
    user_id: int,
    kind: Literal["session", "oauth", "console", "link"],
    address: str | None,
    expires_at: datetime,
) -> None:
    """Keep a session's or access token's SHA-256."""
    await bundled().insert_token.exec(
        conn, digest=digest, user_id=user_id, kind=kind, address=address, expires_at=expires_at
    )


async def find_token(conn: Connection, digest: bytes) -> Token | None:
    """The session or access token with this SHA-256, expired ones included."""
    row = await bundled().find_token.one(conn, digest=digest)
    if row is None:
        return None
    address = None if row["address"] is None else str(row["address"])
    return Token(row["kind"], address, row["expires_at"], _user(row))


async def touch_token(conn: Connection, digest: bytes, *, expires_at: datetime) -> None:
    """Let a session end later."""
    await bundled().touch_token.exec(conn, digest=digest, expires_at=expires_at)


async def end_token(conn: Connection, digest: bytes) -> bool:
    """End a session; False if there was none."""
    return await bundled().end_token.exec(conn, digest=digest) > 0


async def forget_tokens(conn: Connection, *, limit: int, now: datetime) -> int:
    """Remove what has expired, oldest first; gives how many."""
    return await bundled().forget_tokens.exec(conn, limit=limit, now=now)


def _rules(row: Any) -> KeyRules:
    return KeyRules(
        frozenset(row["scopes"]),
        row["valid_from"],
        row["expires_at"],
        _networks(row),
        _rule(row["application_id"], row["application_forced"]),
        _rule(row["entity_id"], row["entity_forced"]),
    )


def _rule(value: str | None, forced: bool) -> PlatformRule | None:
    return None if value is None else PlatformRule(value, forced)


def _user(row: Any) -> User:
    return User(
        row["id"],
        row["account_id"],
        row["name"],
        row["password_hash"],
        frozenset(row["scopes"]),
        row["enabled"],
        _networks(row),
        row["suspended_at"],
    )


def _networks(row: Any) -> frozenset[Network]:
    return frozenset(ip_network(str(each)) for each in row["allowed_addresses"])
