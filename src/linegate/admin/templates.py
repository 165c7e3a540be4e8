"""Registered templates as declared."""

import msgspec

from linegate.admin.desired import DocumentError, SecretReference, Template
from linegate.admin.notes import Place
from linegate.admin.registration import import_template
from linegate.postgres.admin import sender_id_of
from linegate.postgres.pool import Connection
from linegate.postgres.templates import (
    TemplateFilter,
    TemplateRow,
    Wording,
    decide_template,
    find_template_named,
    list_templates,
)

__all__ = ["apply_template"]

_TOLD = 5  # violations of one template


async def apply_template(conn: Connection, wanted: Template, place: Place) -> None:
    """Register a template, give it another version, approve it where that is declared."""
    subject = place.subject("template", f"{wanted.sender} {wanted.name} {wanted.language}".strip())
    sender_id = await sender_id_of(conn, place.account_id, wanted.sender)
    if sender_id is None:
        raise DocumentError(f"{subject}: the account has no sender {wanted.sender}")
    before = await _newest(conn, sender_id, wanted, place)
    id_ = await import_template(
        conn,
        account_id=place.account_id,
        sender_id=sender_id,
        name=wanted.name,
        language=wanted.language,
        says=_wording(wanted, subject, place),
        now=place.now,
    )
    after = await _newest(conn, sender_id, wanted, place)
    if before is None:
        place.notes.made(subject)
    elif after is not None:
        place.notes.differ(subject, version=(before.version, after.version))
    if wanted.approved and after is not None and after.status != "APPROVED":
        place.notes.differ(subject, status=(after.status, "APPROVED"))
        await decide_template(conn, id_, status="APPROVED", reason=None, now=place.now)


async def _newest(
    conn: Connection, sender_id: int, wanted: Template, place: Place
) -> TemplateRow | None:
    id_ = await find_template_named(conn, sender_id, wanted.name, wanted.language)
    if id_ is None:
        return None
    rows = await list_templates(conn, TemplateFilter(place.account_id, id_), limit=1)
    return rows[0] if rows else None


def _wording(wanted: Template, subject: str, place: Place) -> Wording:
    """What it says, held to the rules of `POST /line/1/templates`."""
    tree = {
        "sender": wanted.sender,
        "name": wanted.name,
        "language": wanted.language,
        "altText": wanted.alt_text,
        "contents": _contents(wanted, subject, place),
    }
    read = place.hands.read_wording(msgspec.json.encode(tree), place.now)
    if isinstance(read, Wording):
        return read
    told = "; ".join(f"{each.property} {each.violation}" for each in read[:_TOLD])
    raise DocumentError(f"{subject}: {told}")


def _contents(wanted: Template, subject: str, place: Place) -> object:
    if (wanted.contents is None) == (wanted.file is None):
        raise DocumentError(f"{subject}: give contents or file, one of them")
    if wanted.file is None:
        return wanted.contents
    try:
        return msgspec.json.decode(place.text_of(SecretReference(file=wanted.file)))
    except (msgspec.DecodeError, RecursionError) as error:
        raise DocumentError(f"{subject}: {wanted.file}: {error}") from error
