"""Queries about registered templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Approved",
    "Changeable",
    "TemplateFilter",
    "TemplateRow",
    "Wording",
    "approved_templates",
    "count_templates",
    "decide_template",
    "delete_template",
    "find_template_named",
    "forget_unused",
    "insert_template",
    "insert_version",
    "list_templates",
    "lock_template",
]


class Wording(NamedTuple):
    """What one version says.

    contents: the bubble as the client wrote it, JSON.
    form:     the LINE message object with `{{name}}`s, JSON.
    """

    alt_text: str
    contents: str
    form: str


class TemplateRow(NamedTuple):
    """A template as its newest version has it.

    approved: the number of the version that is sent; None: none yet.
    """

    id: int
    sender: str
    name: str
    language: str
    status: str
    reason: str | None
    version: int
    approved: int | None
    alt_text: str
    contents: str
    form: str
    created_at: datetime
    changed_at: datetime


class Approved(NamedTuple):
    """What may be sent of one template: its newest approved version."""

    version_id: int
    name: str
    language: str
    form: bytes


class Changeable(NamedTuple):
    """A template, locked, and what its newest version says."""

    id: int
    name: str
    language: str
    sender: str
    number: int
    contents: str
    form: str


@dataclass(frozen=True, slots=True)
class TemplateFilter:
    """Which templates; None: whichever."""

    account_id: int | None = None
    id: int | None = None
    sender: str | None = None
    name: str | None = None
    status: str | None = None


async def insert_template(
    conn: Connection,
    *,
    account_id: int,
    sender_id: int,
    name: str,
    language: str,
    says: Wording,
    now: datetime,
) -> int | None:
    """Register a template; None if the sender has one of this name and language."""
    id_: int | None = await bundled().insert_template.value(
        conn,
        account_id=account_id,
        sender_id=sender_id,
        name=name,
        language=language,
        **says._asdict(),
        now=now,
    )
    return id_


async def find_template_named(
    conn: Connection, sender_id: int, name: str, language: str
) -> int | None:
    """The id of a sender's template."""
    id_: int | None = await bundled().find_template_named.value(
        conn, sender_id=sender_id, name=name, language=language
    )
    return id_


async def lock_template(conn: Connection, id_: int, *, account_id: int) -> Changeable | None:
    """A template of the account, held until the transaction ends."""
    row = await bundled().lock_template.one(conn, id=id_, account_id=account_id)
    return Changeable(*row) if row else None


async def insert_version(
    conn: Connection,
    template_id: int,
    *,
    number: int,
    says: Wording,
    now: datetime,
) -> None:
    """Add what a template is to say from now on."""
    await bundled().insert_version.exec(
        conn,
        template_id=template_id,
        number=number,
        **says._asdict(),
        now=now,
    )


async def list_templates(
    conn: Connection, wanted: TemplateFilter, *, limit: int, offset: int = 0
) -> list[TemplateRow]:
    """Templates, the oldest first."""
    rows = await bundled().list_templates.many(
        conn,
        account_id=wanted.account_id,
        id=wanted.id,
        sender=wanted.sender,
        name=wanted.name,
        status=wanted.status,
        limit=limit,
        offset=offset,
    )
    return [TemplateRow(*row) for row in rows]


async def count_templates(conn: Connection, wanted: TemplateFilter) -> int:
    """How many an account has of them; `id` is not looked at."""
    count: int = await bundled().count_templates.value(
        conn,
        account_id=wanted.account_id,
        sender=wanted.sender,
        name=wanted.name,
        status=wanted.status,
    )
    return count


async def decide_template(
    conn: Connection,
    id_: int,
    *,
    status: Literal["APPROVED", "REJECTED"],
    reason: str | None,
    now: datetime,
) -> bool:
    """Approve or reject a template's newest version; False if there is no such template."""
    touched = await bundled().decide_template.exec(
        conn, id=id_, status=status, reason=reason, now=now
    )
    return touched > 0


async def delete_template(conn: Connection, id_: int, *, account_id: int, now: datetime) -> bool:
    """Delete a template of the account; False if there is none."""
    touched = await bundled().delete_template.exec(conn, id=id_, account_id=account_id, now=now)
    return touched > 0


async def forget_unused(conn: Connection, account_id: int) -> None:
    """Drop old versions and deleted templates of the account that no message names."""
    await bundled().forget_versions.exec(conn, account_id=account_id)
    await bundled().forget_templates.exec(conn, account_id=account_id)


async def approved_templates(
    conn: Connection, sender_id: int, name: str | None = None
) -> Sequence[Approved]:
    """What of a sender's templates may be sent; of one name, or all."""
    rows = await bundled().approved_templates.many(conn, sender_id=sender_id, name=name)
    return [Approved(row[0], row[1], row[2], row[3].encode()) for row in rows]
