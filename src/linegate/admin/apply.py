"""What is declared becomes so: one transaction, only differences, each of them told.

A dry run does the same and takes it back, so that what it tells is what would happen.
"""

import os
from datetime import datetime

from linegate.admin.callers import apply_key, apply_user
from linegate.admin.desired import Account, Division, Document, DocumentError
from linegate.admin.notes import Change, Hands, Notes, Place
from linegate.admin.senders import apply_route, apply_sender
from linegate.admin.templates import apply_template
from linegate.domain.phone import normalise
from linegate.domain.policy import Limits
from linegate.postgres.admin import AccountListed, list_accounts, sender_id_of
from linegate.postgres.audit import acting
from linegate.postgres.blocklist import block, blocked_of
from linegate.postgres.directory import ensure_endpoint, insert_account, set_default_endpoint
from linegate.postgres.divisions import (
    Kind,
    insert_division,
    list_divisions,
    rename_division,
    set_account,
    set_division,
)
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.suspension import resume_account, suspend_account
from linegate.sealing import account_context
from linegate.webhook.signing import SECRET_BYTES, secret_of

__all__ = ["apply_document"]

_MOST_DIVISIONS = 100_000


class _Undone(Exception):  # noqa: N818 - ends a dry run
    """Take everything back."""


async def apply_document(
    pool: Pool, document: Document, hands: Hands, *, dry_run: bool, now: datetime
) -> list[Change]:
    """Make it so; gives what was changed, or would be. Raises: DocumentError; then nothing is."""
    notes = Notes()
    try:
        async with acting(pool, hands.actor) as conn:
            for account in document.accounts:
                await _apply_account(conn, account, hands, notes, now)
            if dry_run:
                raise _Undone
    except _Undone:
        return notes.changes
    return notes.changes


async def _apply_account(
    conn: Connection, wanted: Account, hands: Hands, notes: Notes, now: datetime
) -> None:
    found = await _ensure_account(conn, wanted.name, hands, notes, now)
    place = Place(found.id, wanted.name, hands, notes, now)
    for sender in wanted.senders:
        await apply_sender(conn, sender, place)
    await _settings(conn, wanted, found, place)
    for key in wanted.keys:
        await apply_key(conn, key, place)
    for user in wanted.users:
        await apply_user(conn, user, place)
    for application in wanted.applications:
        await _division(conn, application, "application", place)
    for entity in wanted.entities:
        await _division(conn, entity, "entity", place)
    for route in wanted.sms_routes:
        await apply_route(conn, route, place)
    for template in wanted.templates:
        await apply_template(conn, template, place)
    await _block(conn, wanted.blocklist, place)


async def _ensure_account(
    conn: Connection, name: str, hands: Hands, notes: Notes, now: datetime
) -> AccountListed:
    found = await list_accounts(conn, name)
    if not found:
        secret = secret_of(os.urandom(SECRET_BYTES))
        sealed = hands.vault.seal(secret, context=account_context(name, "webhook_secret"))
        await insert_account(conn, name, webhook_secret=sealed, now=now)
        notes.made(f"{name} account")
        found = await list_accounts(conn, name)
    return found[0]


async def _settings(conn: Connection, wanted: Account, found: AccountListed, place: Place) -> None:
    subject = f"{wanted.name} account"
    limits = Limits(wanted.requests_per_second, wanted.messages_per_day, wanted.messages_waiting)
    if place.notes.differ(
        subject,
        default_sender=(found.default_sender, wanted.default_sender),
        requests_per_second=(found.requests_per_second, wanted.requests_per_second),
        messages_per_day=(found.messages_per_day, wanted.messages_per_day),
        messages_waiting=(found.messages_waiting, wanted.messages_waiting),
        retention_days=(found.retention_days, wanted.retention_days),
    ):
        await set_account(
            conn,
            place.account_id,
            default_sender=await _sender_id(conn, wanted.default_sender, subject, place),
            limits=limits,
            retention_days=wanted.retention_days,
        )
    if wanted.webhook is not None and place.notes.differ(
        subject, webhook=(found.webhook, wanted.webhook)
    ):
        await set_default_endpoint(
            conn, account_id=place.account_id, url=wanted.webhook, now=place.now
        )
    if place.notes.differ(subject, suspended=(found.suspended_at is not None, wanted.suspended)):
        change = suspend_account if wanted.suspended else resume_account
        await change(conn, place.account_id, now=place.now)


async def _sender_id(conn: Connection, name: str | None, subject: str, place: Place) -> int | None:
    if name is None:
        return None
    id_ = await sender_id_of(conn, place.account_id, name)
    if id_ is None:
        raise DocumentError(f"{subject}: the account has no sender {name}")
    return id_


async def _division(conn: Connection, wanted: Division, kind: Kind, place: Place) -> None:
    subject = place.subject(kind, wanted.id)
    if await insert_division(conn, place.account_id, kind, wanted.id, wanted.name, now=place.now):
        place.notes.made(subject)
    listed = await list_divisions(conn, place.account_id, limit=_MOST_DIVISIONS)
    now = next(each for each in listed if (each.kind, each.id) == (kind, wanted.id))
    if wanted.name is not None and place.notes.differ(subject, name=(now.name, wanted.name)):
        await rename_division(conn, place.account_id, kind, wanted.id, wanted.name)
    if not place.notes.differ(
        subject,
        default_sender=(now.default_sender, wanted.default_sender),
        webhook=(now.url, wanted.webhook),
        templates=(now.templates, wanted.templates),
        messages_per_day=(now.messages_per_day, wanted.messages_per_day),
    ):
        return
    endpoint_id = None
    if wanted.webhook is not None:
        endpoint_id = await ensure_endpoint(
            conn,
            account_id=place.account_id,
            url=wanted.webhook,
            content_type="application/json",
            now=place.now,
        )
    await set_division(
        conn,
        place.account_id,
        kind,
        wanted.id,
        default_sender=await _sender_id(conn, wanted.default_sender, subject, place),
        endpoint_id=endpoint_id,
        templates=wanted.templates,
        messages_per_day=wanted.messages_per_day,
    )


async def _block(conn: Connection, numbers: list[str], place: Place) -> None:
    digits = {text: normalise(text) for text in numbers}
    if bad := [text for text, number in digits.items() if number is None]:
        raise DocumentError(f"{place.account} blocklist: {', '.join(bad)} is no phone number")
    wanted = sorted({number for number in digits.values() if number is not None})
    fresh = sorted(set(wanted) - await blocked_of(conn, place.account_id, wanted))
    if fresh:
        await block(conn, place.account_id, fresh, now=place.now)
        place.notes.differ(f"{place.account} blocklist", added=(0, len(fresh)))
