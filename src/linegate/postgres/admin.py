"""Queries of administration."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linegate.domain.caller import PlatformRule
from linegate.domain.policy import Limits
from linegate.postgres.identities import KeyRules
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "AccountListed",
    "KeyFound",
    "find_key_of",
    "key_limits_of",
    "list_accounts",
    "price_of",
    "sender_id_of",
    "set_key_limits",
    "set_key_rules",
    "set_user_rules",
]


@dataclass(frozen=True, slots=True)
class AccountListed:
    """An account with its settings; waiting: messages that have not ended."""

    id: int
    name: str
    suspended_at: datetime | None
    default_sender: str | None
    requests_per_second: int | None
    messages_per_day: int | None
    messages_waiting: int | None
    retention_days: int | None
    webhook: str | None
    waiting: int
    created_at: datetime

    @property
    def limits(self) -> Limits:
        """Its limits."""
        return Limits(self.requests_per_second, self.messages_per_day, self.messages_waiting)


@dataclass(frozen=True, slots=True)
class KeyFound:
    """A key of an account, by its digest."""

    id: int
    name: str
    limits: Limits


async def list_accounts(conn: Connection, name: str | None = None) -> list[AccountListed]:
    """Every account, or the one of this name."""
    rows = await bundled().declared_accounts.many(conn, name=name)
    return [AccountListed(*row) for row in rows]


async def sender_id_of(conn: Connection, account_id: int, name: str) -> int | None:
    """A sender's id; None if the account has none of that name."""
    id_: int | None = await bundled().sender_id_of.value(conn, account_id=account_id, name=name)
    return id_


async def find_key_of(conn: Connection, account_id: int, digest: bytes) -> KeyFound | None:
    """A key of an account, if it has this one."""
    row = await bundled().key_by_digest.one(conn, account_id=account_id, digest=digest)
    if row is None:
        return None
    return KeyFound(row["id"], row["name"], _limits(row))


async def key_limits_of(conn: Connection, account_id: int, id_: int) -> Limits | None:
    """The limits of a key, locked; None if the account has no such key."""
    row = await bundled().key_limits_of.one(conn, account_id=account_id, id=id_)
    return None if row is None else _limits(row)


async def set_key_limits(conn: Connection, account_id: int, id_: int, limits: Limits) -> None:
    """Write a key's limits."""
    await bundled().set_key_limits.exec(
        conn,
        account_id=account_id,
        id=id_,
        requests_per_second=limits.requests_per_second,
        messages_per_day=limits.messages_per_day,
        messages_waiting=limits.waiting,
    )


async def set_key_rules(
    conn: Connection, account_id: int, id_: int, rules: KeyRules, limits: Limits, *, enabled: bool
) -> None:
    """Write a key's rules, all of them."""
    application, entity = rules.application, rules.entity
    await bundled().set_key_rules.exec(
        conn,
        account_id=account_id,
        id=id_,
        scopes=sorted(rules.scopes),
        expires_at=rules.expires_at,
        allowed_addresses=sorted(rules.networks, key=str),
        application_id=_value(application),
        application_forced=application is not None and application.forced,
        entity_id=_value(entity),
        entity_forced=entity is not None and entity.forced,
        enabled=enabled,
        requests_per_second=limits.requests_per_second,
        messages_per_day=limits.messages_per_day,
        messages_waiting=limits.waiting,
    )


def _limits(row: Any) -> Limits:
    return Limits(row["requests_per_second"], row["messages_per_day"], row["messages_waiting"])


def _value(rule: PlatformRule | None) -> str | None:
    return None if rule is None else rule.value


async def set_user_rules(
    conn: Connection, account_id: int, name: str, scopes: Iterable[str], *, enabled: bool
) -> None:
    """Write a user's scopes and whether it may log in."""
    await bundled().set_user_rules.exec(
        conn, account_id=account_id, name=name, scopes=sorted(scopes), enabled=enabled
    )


async def price_of(conn: Connection, account_id: int, sender: str) -> tuple[str | None, str | None]:
    """What a delivered message of a sender costs, and in what currency."""
    row = await bundled().price_of.one(conn, account_id=account_id, name=sender)
    return (None, None) if row is None else (row["price"], row["currency"])
