"""Queries of administration."""

from dataclasses import dataclass
from datetime import datetime

from linegate.domain.caller import Network, PlatformRule
from linegate.domain.policy import Limits
from linegate.postgres.identities import KeyListed, KeyRules, key_listed
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "AccountListed",
    "UserRules",
    "has_sent",
    "list_accounts",
    "lock_key",
    "names_sender",
    "price_of",
    "remove_account",
    "remove_key",
    "remove_sender",
    "remove_user",
    "sender_id_of",
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
class UserRules:
    """What a user may do and from where; is_operator: in the console, over all accounts."""

    scopes: frozenset[str]
    networks: frozenset[Network]
    is_operator: bool
    enabled: bool


async def list_accounts(conn: Connection, name: str | None = None) -> list[AccountListed]:
    """Every account, or the one of this name."""
    rows = await bundled().declared_accounts.many(conn, name=name)
    return [AccountListed(*row) for row in rows]


async def sender_id_of(conn: Connection, account_id: int, name: str) -> int | None:
    """A sender's id; None if the account has none of that name."""
    id_: int | None = await bundled().sender_id_of.value(conn, account_id=account_id, name=name)
    return id_


async def lock_key(conn: Connection, account_id: int, *, id_: int) -> KeyListed | None:
    """A key of an account, held until the transaction ends; None if it has none of that id."""
    row = await bundled().lock_key.one(conn, account_id=account_id, id=id_)
    return None if row is None else key_listed(row)


async def set_key_rules(
    conn: Connection,
    account_id: int,
    id_: int,
    rules: KeyRules,
    limits: Limits,
    *,
    name: str,
    enabled: bool,
) -> None:
    """Write a key's name, rules and limits, all of them."""
    application, entity = rules.application, rules.entity
    await bundled().set_key_rules.exec(
        conn,
        account_id=account_id,
        id=id_,
        name=name,
        scopes=sorted(rules.scopes),
        valid_from=rules.valid_from,
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


def _value(rule: PlatformRule | None) -> str | None:
    return None if rule is None else rule.value


async def set_user_rules(conn: Connection, account_id: int, name: str, rules: UserRules) -> None:
    """Write what a user may do and whether it may log in."""
    await bundled().set_user_rules.exec(
        conn,
        account_id=account_id,
        name=name,
        scopes=sorted(rules.scopes),
        allowed_addresses=sorted(rules.networks, key=str),
        is_operator=rules.is_operator,
        enabled=rules.enabled,
    )


async def price_of(conn: Connection, account_id: int, sender: str) -> tuple[str | None, str | None]:
    """What a delivered message of a sender costs, and in what currency."""
    row = await bundled().price_of.one(conn, account_id=account_id, name=sender)
    return (None, None) if row is None else (row["price"], row["currency"])


async def remove_key(conn: Connection, account_id: int, id_: int) -> bool:
    """Remove a key for good; False if the account has no such one."""
    return await bundled().remove_key.value(conn, account_id=account_id, id=id_) is not None


async def remove_user(conn: Connection, account_id: int, name: str) -> bool:
    """Remove a user, whose logins end; False if the account has no such one."""
    return await bundled().remove_user.value(conn, account_id=account_id, name=name) is not None


async def has_sent(conn: Connection, account_id: int, sender_id: int | None = None) -> bool:
    """Whether an account, or one of its senders, has messages or figures in the books."""
    sent = await bundled().has_sent.value(conn, account_id=account_id, sender_id=sender_id)
    return bool(sent)


async def names_sender(conn: Connection, sender_id: int) -> str | None:
    """What names a sender, in words; None: nothing."""
    words: str | None = await bundled().names_sender.value(conn, id=sender_id)
    return words


async def remove_sender(conn: Connection, account_id: int, sender_id: int) -> None:
    """Remove a sender that has not sent and that nothing names."""
    await bundled().remove_sender.exec(conn, id=sender_id, account_id=account_id)


async def remove_account(conn: Connection, account_id: int) -> None:
    """Remove an account that has not sent, with everything that belongs to it."""
    await bundled().remove_account.exec(conn, id=account_id)
