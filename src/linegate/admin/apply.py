"""What is declared becomes so: one transaction, only differences, each of them told.

A dry run does the same and takes it back, so that what it tells is what would happen.
"""

from datetime import datetime

from linegate.admin.callers import apply_key, put_user
from linegate.admin.desired import (
    Account,
    Division,
    Document,
    DocumentError,
    User,
    declared,
    either,
)
from linegate.admin.notes import Change, Hands, Notes, Place
from linegate.admin.prune import prune
from linegate.admin.routes import declared_route, put_route
from linegate.admin.senders import put_sender
from linegate.admin.settings import change_account, change_division, create_account
from linegate.admin.templates import apply_template
from linegate.domain.phone import normalise
from linegate.postgres.audit import acting
from linegate.postgres.blocklist import block, blocked_of
from linegate.postgres.directory import find_account
from linegate.postgres.divisions import Kind
from linegate.postgres.pool import Connection, Pool

__all__ = ["apply_document"]


class _Undone(Exception):  # noqa: N818 - ends a dry run
    """Take everything back."""


async def apply_document(
    pool: Pool,
    document: Document,
    hands: Hands,
    *,
    dry_run: bool,
    now: datetime,
    pruned: bool = False,
) -> list[Change]:
    """Make it so; gives what was changed, or would be.

    pruned: what the lists of a declared account do not name goes too.
    Raises: DocumentError; then nothing is changed.
    """
    notes = Notes()
    try:
        async with acting(pool, hands.actor) as conn:
            for account in document.accounts:
                place = await _place(conn, account.name, hands, notes, now)
                await _apply_account(conn, account, place)
                if pruned:
                    await prune(conn, account, place)
            if dry_run:
                raise _Undone
    except _Undone:
        return notes.changes
    return notes.changes


async def _place(conn: Connection, name: str, hands: Hands, notes: Notes, now: datetime) -> Place:
    id_ = await find_account(conn, name)
    if id_ is None:
        id_ = await create_account(conn, name, vault=hands.vault, now=now)
        notes.made(f"{name} account")
    if id_ is None:
        raise DocumentError(f"{name} account: somebody is making it just now; apply again")
    return Place(id_, name, notes, now, hands)


async def _apply_account(conn: Connection, wanted: Account, place: Place) -> None:
    for sender in either(wanted.senders, []):
        await put_sender(conn, sender, place)
    limits = ("requests_per_second", "messages_per_day", "messages_waiting", "retention_days")
    own = declared(wanted, suspended=False, default_sender=None, **dict.fromkeys(limits))
    await change_account(conn, own, place)
    for key in either(wanted.keys, []):
        await apply_key(conn, key, place)
    for user in either(wanted.users, []):
        await put_user(conn, _declared_user(user), place)
    for application in either(wanted.applications, []):
        await _division(conn, "application", application, place)
    for entity in either(wanted.entities, []):
        await _division(conn, "entity", entity, place)
    for route in either(wanted.sms_routes, []):
        await put_route(conn, declared_route(route), place)
    for template in either(wanted.templates, []):
        await apply_template(conn, template, place)
    await _block(conn, either(wanted.blocklist, []), place)


def _declared_user(user: User) -> User:
    return declared(user, scopes=None, allowed_addresses=None, operator=False, enabled=True)


async def _division(conn: Connection, kind: Kind, wanted: Division, place: Place) -> None:
    """Its name stays where none is declared; what else is left out, it does not set."""
    settings = ("default_sender", "webhook", "templates", "messages_per_day")
    whole = declared(wanted, **dict.fromkeys(settings))
    await change_division(conn, kind, wanted.id, whole, place)


async def _block(conn: Connection, numbers: list[str], place: Place) -> None:
    digits = {text: normalise(text) for text in numbers}
    if bad := [text for text, number in digits.items() if number is None]:
        raise DocumentError(f"{place.account} blocklist: {', '.join(bad)} is no phone number")
    wanted = sorted({number for number in digits.values() if number is not None})
    fresh = sorted(set(wanted) - await blocked_of(conn, place.account_id, wanted))
    if fresh:
        await block(conn, place.account_id, fresh, now=place.now)
        place.notes.differ(f"{place.account} blocklist", added=(0, len(fresh)))
