"""Accounts, and what accounts, applications and entities set: what is not named stays."""

import os
from datetime import datetime

from msgspec import UnsetType

from linegate.admin.desired import (
    AccountSettings,
    DivisionSettings,
    DocumentError,
    either,
)
from linegate.admin.notes import Spot
from linegate.domain.policy import Limits
from linegate.postgres.admin import AccountListed, list_accounts, sender_id_of
from linegate.postgres.directory import ensure_endpoint, insert_account, set_default_endpoint
from linegate.postgres.divisions import (
    DivisionListed,
    Kind,
    account_settings,
    division_settings,
    insert_division,
    rename_division,
    set_account,
    set_division,
    shown_division,
)
from linegate.postgres.pool import Connection
from linegate.postgres.suspension import resume_account, suspend_account
from linegate.sealing import account_context
from linegate.vault import Vault
from linegate.webhook.signing import SECRET_BYTES, secret_of

__all__ = ["change_account", "change_division", "create_account"]


async def create_account(conn: Connection, name: str, *, vault: Vault, now: datetime) -> int | None:
    """Make an account with a secret that signs its reports; gives its id, None for a taken name."""
    secret = secret_of(os.urandom(SECRET_BYTES))
    sealed = vault.seal(secret, context=account_context(name, "webhook_secret"))
    return await insert_account(conn, name, webhook_secret=sealed, now=now)


async def change_account(conn: Connection, asked: AccountSettings, place: Spot) -> None:
    """Set what is asked of an account. Raises: DocumentError for a sender that it does not have."""
    await account_settings(conn, place.account_id)  # held until the transaction ends
    (found,) = await list_accounts(conn, place.account)
    subject = f"{place.account} account"
    sender = either(asked.default_sender, found.default_sender)
    limits = Limits(
        either(asked.requests_per_second, found.requests_per_second),
        either(asked.messages_per_day, found.messages_per_day),
        either(asked.messages_waiting, found.messages_waiting),
    )
    days = either(asked.retention_days, found.retention_days)
    if place.notes.differ(
        subject,
        default_sender=(found.default_sender, sender),
        requests_per_second=(found.requests_per_second, limits.requests_per_second),
        messages_per_day=(found.messages_per_day, limits.messages_per_day),
        messages_waiting=(found.messages_waiting, limits.waiting),
        retention_days=(found.retention_days, days),
    ):
        sender_id = await _sender_id(conn, sender, subject, place)
        await set_account(
            conn, place.account_id, default_sender=sender_id, limits=limits, retention_days=days
        )
    await _set_webhook(conn, asked, found, subject, place)
    suspended = either(asked.suspended, found.suspended_at is not None)
    if place.notes.differ(subject, suspended=(found.suspended_at is not None, suspended)):
        change = suspend_account if suspended else resume_account
        await change(conn, place.account_id, now=place.now)


async def _set_webhook(
    conn: Connection, asked: AccountSettings, found: AccountListed, subject: str, place: Spot
) -> None:
    if isinstance(asked.webhook, UnsetType):
        return
    if place.notes.differ(subject, webhook=(found.webhook, asked.webhook)):
        await set_default_endpoint(
            conn, account_id=place.account_id, url=asked.webhook, now=place.now
        )


async def change_division(
    conn: Connection, kind: Kind, id_: str, asked: DivisionSettings, place: Spot
) -> None:
    """Set what is asked of an application or entity, which is made if it is new.

    Raises: DocumentError for a sender that the account does not have.
    """
    subject = place.subject(kind, id_)
    if await insert_division(conn, place.account_id, kind, id_, None, now=place.now):
        place.notes.made(subject)
    held = await division_settings(conn, place.account_id, kind, id_)
    now = await shown_division(conn, place.account_id, kind, id_)
    if now is None:
        raise LookupError(f"the {kind} was removed while it was held")
    new = _changed(now, asked)
    if place.notes.differ(subject, name=(now.name, new.name)):
        await rename_division(conn, place.account_id, kind, id_, new.name)
    if not place.notes.differ(
        subject,
        default_sender=(now.default_sender, new.default_sender),
        webhook=(now.url, new.url),
        templates=(now.templates, new.templates),
        messages_per_day=(now.messages_per_day, new.messages_per_day),
    ):
        return
    endpoint_id = held.endpoint_id
    if new.url != now.url:
        endpoint_id = await _endpoint_id(conn, new.url, place)
    await set_division(
        conn,
        place.account_id,
        kind,
        id_,
        default_sender=await _sender_id(conn, new.default_sender, subject, place),
        endpoint_id=endpoint_id,
        templates=new.templates,
        messages_per_day=new.messages_per_day,
    )


def _changed(now: DivisionListed, asked: DivisionSettings) -> DivisionListed:
    return DivisionListed(
        now.kind,
        now.id,
        either(asked.name, now.name),
        either(asked.default_sender, now.default_sender),
        either(asked.webhook, now.url),
        either(asked.templates, now.templates),
        either(asked.messages_per_day, now.messages_per_day),
    )


async def _endpoint_id(conn: Connection, url: str | None, place: Spot) -> int | None:
    if url is None:
        return None
    return await ensure_endpoint(
        conn,
        account_id=place.account_id,
        url=url,
        content_type="application/json",
        now=place.now,
    )


async def _sender_id(conn: Connection, name: str | None, subject: str, place: Spot) -> int | None:
    if name is None:
        return None
    id_ = await sender_id_of(conn, place.account_id, name)
    if id_ is None:
        raise DocumentError(f"{subject}: the account has no sender {name}")
    return id_
