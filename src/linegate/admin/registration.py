"""A template becomes rows: registered, or changed by another version."""

from datetime import datetime

from linegate.postgres.pool import Connection
from linegate.postgres.templates import (
    Changeable,
    Wording,
    find_template_named,
    forget_unused,
    insert_template,
    insert_version,
    lock_template,
)

__all__ = ["import_template", "reword"]


async def reword(
    conn: Connection, held: Changeable, says: Wording, *, account_id: int, now: datetime
) -> bool:
    """Give a locked template another version; False if it says that already."""
    if (held.contents, held.form) == (says.contents, says.form):
        return False
    await insert_version(conn, held.id, number=held.number + 1, says=says, now=now)
    await forget_unused(conn, account_id)
    return True


async def import_template(
    conn: Connection,
    *,
    account_id: int,
    sender_id: int,
    name: str,
    language: str,
    says: Wording,
    now: datetime,
) -> int:
    """Register a template, or change the one of this name and language; gives its id."""
    id_ = await insert_template(
        conn,
        account_id=account_id,
        sender_id=sender_id,
        name=name,
        language=language,
        says=says,
        now=now,
    )
    if id_ is not None:
        return id_
    id_ = await find_template_named(conn, sender_id, name, language)
    held = None if id_ is None else await lock_template(conn, id_, account_id=account_id)
    if held is None:
        raise LookupError("a template was registered and deleted at the same time")
    await reword(conn, held, says, account_id=account_id, now=now)
    return held.id
