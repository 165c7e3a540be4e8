"""Templates as the API and the command line show them."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from linegate.domain.wiretime import format_instant
from linegate.line.registered import registered
from linegate.postgres.templates import TemplateRow

__all__ = ["encode_template", "encode_templates"]


class _Template(Struct, rename="camel", omit_defaults=True):
    template_id: str
    sender: str
    name: str
    status: str
    version: int
    alt_text: str
    contents: msgspec.Raw
    placeholders: list[str]
    created_at: str
    updated_at: str
    language: str | None = None
    reason: str | None = None
    approved_version: int | None = None


class _Paging(Struct, rename="camel"):
    page: int
    size: int
    total_pages: int
    total_results: int


class _Page(Struct):
    results: list[_Template]
    paging: _Paging


def encode_template(row: TemplateRow) -> bytes:
    """One template as JSON."""
    return msgspec.json.encode(_shown(row))


def encode_templates(rows: Sequence[TemplateRow], *, page: int, size: int, total: int) -> bytes:
    """A page of templates as JSON. Source: published paging (page from 0, totalPages)."""
    paging = _Paging(page, size, -(-total // size), total)
    return msgspec.json.encode(_Page([_shown(row) for row in rows], paging))


def _shown(row: TemplateRow) -> _Template:
    return _Template(
        template_id=str(row.id),
        sender=row.sender,
        name=row.name,
        status=row.status,
        version=row.version,
        alt_text=row.alt_text,
        contents=msgspec.Raw(row.contents.encode()),
        placeholders=sorted(registered(row.form.encode()).names),
        created_at=format_instant(row.created_at),
        updated_at=format_instant(row.changed_at),
        language=row.language or None,
        reason=row.reason,
        approved_version=row.approved,
    )
