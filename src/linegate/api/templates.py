"""/line/1/templates: register bubbles before they are sent.

Source: docs/reference/templates.md (ours; no published counterpart).
"""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.registration import reword
from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.template_answer import encode_template, encode_templates
from linegate.api.template_request import TemplateRequest, read_template
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import MANAGE
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.templates import (
    Changeable,
    TemplateFilter,
    TemplateRow,
    count_templates,
    delete_template,
    forget_unused,
    insert_template,
    list_templates,
    lock_template,
)

__all__ = ["Templates"]

_STATUSES = ("PENDING", "APPROVED", "REJECTED")
_SIZE = 20
_LARGEST_SIZE = 100
_LARGEST_PAGE = 1_000_000
_LARGEST_ID = 2**63 - 1


class Templates:
    """Registers, shows, changes and deletes an account's templates."""

    def __init__(self, directory: Directory, pool: Pool, clock: Clock, *, body_limit: int) -> None:
        """Write over `pool`; body_limit: bytes."""
        self._directory = directory
        self._pool = pool
        self._clock = clock
        self._body_limit = body_limit

    async def create(self, request: Request) -> Response:
        """Register a template: 201, PENDING; 409 if there is one of its name and language."""
        now = self._clock.now()
        caller = await self._caller(request, now)
        asked = read_template(await read_body(request, self._body_limit), now)
        if isinstance(asked, list):
            raise Refused(400, asked)
        sender = await self._directory.sender(asked.sender or "", now)
        if sender is None or sender.account_id != caller.account_id:
            reason = "must be the name of a sender of this account"
            raise Refused(400, [Violation("sender", reason)])
        async with acting(self._pool, caller.name) as conn:
            id_ = await insert_template(
                conn,
                account_id=caller.account_id,
                sender_id=sender.id,
                name=asked.name or "",
                language=asked.language or "",
                says=asked.says,
                now=now,
            )
            if id_ is None:
                reason = "is registered for this sender and language already: change it with PUT"
                raise Refused(409, [Violation("name", reason)])
            row = await _one(conn, caller.account_id, id_)
        location = {"Location": f"/line/1/templates/{id_}"}
        return _json(encode_template(row), status=201, headers=location)

    async def show_page(self, request: Request) -> Response:
        """Answer a page of templates, oldest first."""
        caller = await self._caller(request, self._clock.now())
        found: list[Violation] = []
        asked = request.query_params
        status = asked.get("status") or None
        if status is not None and status not in _STATUSES:
            found.append(Violation("status", f"must be one of {', '.join(_STATUSES)}"))
        page = _number(asked.get("page"), "page", 0, _LARGEST_PAGE, 0, found)
        size = _number(asked.get("size"), "size", 1, _LARGEST_SIZE, _SIZE, found)
        sender, name = (_text(asked.get(each), each, found) for each in ("sender", "name"))
        if found:
            raise Refused(400, found)
        wanted = TemplateFilter(caller.account_id, sender=sender, name=name, status=status)
        async with self._pool.acquire() as conn:
            rows = await list_templates(conn, wanted, limit=size, offset=page * size)
            total = await count_templates(conn, wanted)
        return _json(encode_templates(rows, page=page, size=size, total=total))

    async def show(self, request: Request) -> Response:
        """Answer one template."""
        caller = await self._caller(request, self._clock.now())
        async with self._pool.acquire() as conn:
            row = await _one(conn, caller.account_id, _id_of(request))
        return _json(encode_template(row))

    async def change(self, request: Request) -> Response:
        """Change what it says: the approved version is sent until this one is approved.

        The same content again changes nothing.
        """
        now = self._clock.now()
        caller = await self._caller(request, now)
        id_ = _id_of(request)
        body = await read_body(request, self._body_limit)
        asked = read_template(body, now, is_change=True)
        if isinstance(asked, list):
            raise Refused(400, asked)
        async with acting(self._pool, caller.name) as conn:
            held = await lock_template(conn, id_, account_id=caller.account_id)
            if held is None:
                raise Refused(404)
            _refuse_other_names(asked, held)
            await reword(conn, held, asked.says, account_id=caller.account_id, now=now)
            row = await _one(conn, caller.account_id, id_)
        return _json(encode_template(row))

    async def delete(self, request: Request) -> Response:
        """Delete it: 204; messages that were accepted go out all the same."""
        now = self._clock.now()
        caller = await self._caller(request, now)
        async with acting(self._pool, caller.name) as conn:
            if not await delete_template(
                conn, _id_of(request), account_id=caller.account_id, now=now
            ):
                raise Refused(404)
            await forget_unused(conn, caller.account_id)
        return Response(status_code=204)

    async def _caller(self, request: Request, now: datetime) -> Caller:
        return await authorise(request, self._directory, MANAGE, now)


async def _one(conn: Connection, account_id: int, id_: int) -> TemplateRow:
    rows = await list_templates(conn, TemplateFilter(account_id, id=id_), limit=1)
    if not rows:
        raise Refused(404)
    return rows[0]


def _id_of(request: Request) -> int:
    """The id in the path; what is none is not found."""
    text: str = request.path_params["template_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
        raise Refused(404)
    return int(text)


def _refuse_other_names(asked: TemplateRequest, held: Changeable) -> None:
    """A change keeps sender, name and language: they are how messages find the template."""
    names = (
        ("sender", asked.sender, held.sender),
        ("name", asked.name, held.name),
        ("language", asked.language, held.language),
    )
    found = [
        Violation(name, "cannot be changed: register another template")
        for name, given, kept in names
        if given is not None and given.lower() != kept.lower()
    ]
    if found:
        raise Refused(400, found)


def _number(
    text: str | None, name: str, least: int, most: int, default: int, found: list[Violation]
) -> int:
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 7 and least <= int(text) <= most:
        return int(text)
    found.append(Violation(name, f"must be a whole number from {least} to {most}"))
    return default


def _text(text: str | None, name: str, found: list[Violation]) -> str | None:
    if text is not None and (len(text) > 255 or "\x00" in text):
        found.append(Violation(name, "must be at most 255 characters, none of them NUL"))
    return text or None


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")
