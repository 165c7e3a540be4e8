"""Single settings of accounts, applications, entities and keys: what is not named stays."""

from datetime import datetime
from typing import Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

from linegate.admin.desired import Count, DocumentError, Name, Positive, Url
from linegate.domain.policy import Limits
from linegate.postgres.admin import key_limits_of, sender_id_of, set_key_limits
from linegate.postgres.directory import ensure_endpoint
from linegate.postgres.divisions import (
    Kind,
    account_settings,
    division_settings,
    ensure_divisions,
    rename_division,
    set_account,
    set_division,
)
from linegate.postgres.pool import Connection

__all__ = [
    "AccountChange",
    "DivisionChange",
    "KeyChange",
    "change_account",
    "change_division",
    "change_key",
]


Value = TypeVar("Value")


class AccountChange(Struct, rename="camel", forbid_unknown_fields=True):
    """What to set for an account; null: it sets none."""

    default_sender: Name | UnsetType | None = UNSET
    requests_per_second: Positive | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET
    messages_waiting: Count | UnsetType | None = UNSET
    retention_days: Positive | UnsetType | None = UNSET


class DivisionChange(Struct, rename="camel", forbid_unknown_fields=True):
    """What to set for an application or entity; null: it sets none."""

    name: Name | UnsetType | None = UNSET
    default_sender: Name | UnsetType | None = UNSET
    webhook: Url | UnsetType | None = UNSET
    templates: Literal["free", "required"] | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET


class KeyChange(Struct, rename="camel", forbid_unknown_fields=True):
    """What to set for a key; null: it has no limit of its own."""

    requests_per_second: Positive | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET
    messages_waiting: Count | UnsetType | None = UNSET


async def change_account(conn: Connection, account_id: int, change: AccountChange) -> None:
    """Set what is named. Raises: DocumentError for a sender that the account does not have."""
    now = await account_settings(conn, account_id)
    limits = Limits(
        _either(change.requests_per_second, now.limits.requests_per_second),
        _either(change.messages_per_day, now.limits.messages_per_day),
        _either(change.messages_waiting, now.limits.waiting),
    )
    await set_account(
        conn,
        account_id,
        default_sender=await _sender(conn, account_id, change.default_sender, now.default_sender),
        limits=limits,
        retention_days=_either(change.retention_days, now.retention_days),
    )


async def change_division(
    conn: Connection,
    account_id: int,
    kind: Kind,
    id_: str,
    change: DivisionChange,
    *,
    now: datetime,
) -> None:
    """Set what is named of an application or entity, which is made if it is new.

    Raises: DocumentError for a sender that the account does not have.
    """
    await ensure_divisions(conn, [(account_id, kind, id_)], now=now)
    found = await division_settings(conn, account_id, kind, id_)
    if not isinstance(change.name, UnsetType):
        await rename_division(conn, account_id, kind, id_, change.name)
    endpoint_id = found.endpoint_id
    if change.webhook is None:
        endpoint_id = None
    elif not isinstance(change.webhook, UnsetType):
        endpoint_id = await ensure_endpoint(
            conn,
            account_id=account_id,
            url=change.webhook,
            content_type="application/json",
            now=now,
        )
    await set_division(
        conn,
        account_id,
        kind,
        id_,
        default_sender=await _sender(conn, account_id, change.default_sender, found.default_sender),
        endpoint_id=endpoint_id,
        templates=_either(change.templates, found.templates),
        messages_per_day=_either(change.messages_per_day, found.messages_per_day),
    )


async def change_key(conn: Connection, account_id: int, key_id: int, change: KeyChange) -> bool:
    """Set what is named of a key; False if the account has no such key."""
    now = await key_limits_of(conn, account_id, key_id)
    if now is None:
        return False
    limits = Limits(
        _either(change.requests_per_second, now.requests_per_second),
        _either(change.messages_per_day, now.messages_per_day),
        _either(change.messages_waiting, now.waiting),
    )
    await set_key_limits(conn, account_id, key_id, limits)
    return True


async def _sender(
    conn: Connection, account_id: int, name: str | UnsetType | None, now: int | None
) -> int | None:
    if name is None or isinstance(name, UnsetType):
        return None if name is None else now
    id_ = await sender_id_of(conn, account_id, name)
    if id_ is None:
        raise DocumentError(f"the account has no sender {name}")
    return id_


def _either(given: Value | UnsetType | None, now: Value | None) -> Value | None:
    return now if isinstance(given, UnsetType) else given
