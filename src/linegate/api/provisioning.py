"""/provisioning/1/applications and /provisioning/1/entities: the parts of an account.

Older endpoints of the API: their errors come in the older envelope.

Source: published operations get-applications, create-application, get-application,
modify-application, delete-application and the same of entities (FACTS B5.1). Not kept: the
published limit of 1 request a second.
"""

import math
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.divisions import (
    Division,
    Kind,
    count_divisions,
    delete_division,
    find_division,
    insert_division,
    page_divisions,
    rename_division,
)
from linegate.postgres.pool import Pool

__all__ = ["Provisioning"]

_SCOPE = frozenset({"application-entity:manage"})
_BODY_LIMIT = 64 * 1024
_SIZE = 20
_MOST = 1000
_LAST_PAGE = 1_000_000

T = TypeVar("T", bound=msgspec.Struct)

Text255 = Annotated[str, Meta(max_length=255)]
Id255 = Annotated[str, Meta(min_length=1, max_length=255)]


class _Application(msgspec.Struct, rename="camel", omit_defaults=True):
    application_id: Id255
    application_name: Text255 | None = None


class _Entity(msgspec.Struct, rename="camel", omit_defaults=True):
    entity_id: Id255
    entity_name: Text255 | None = None


class _RenamedApplication(msgspec.Struct, rename="camel"):
    application_name: Text255 | None = None


class _RenamedEntity(msgspec.Struct, rename="camel"):
    entity_name: Text255 | None = None


class Provisioning:
    """One of the two: applications or entities."""

    def __init__(self, pool: Pool, directory: Directory, clock: Clock, kind: Kind) -> None:
        """Keep them over `pool`; `kind` says which."""
        self._pool = pool
        self._directory = directory
        self._clock = clock
        self._kind = kind

    async def list(self, request: Request) -> Response:
        """GET: a page by id, `{"results": [...], "paging": {...}}`."""
        caller, _ = await self._caller(request)
        page, size = _paging(request)
        async with self._pool.acquire() as conn:
            total = await count_divisions(conn, caller.account_id, self._kind)
            found = await page_divisions(conn, caller.account_id, self._kind, page=page, size=size)
        paging = {
            "page": page,
            "size": size,
            "totalPages": math.ceil(total / size),
            "totalResults": total,
        }
        return _json({"results": [self._shown(each) for each in found], "paging": paging})

    async def create(self, request: Request) -> Response:
        """POST: 201, or 409 for an id that is taken."""
        caller, now = await self._caller(request)
        asked = await self._read(request)
        async with acting(self._pool, caller.name) as conn:
            made = await insert_division(
                conn, caller.account_id, self._kind, asked.id, asked.name, now=now
            )
        if not made:
            raise Refused(409, [Violation(f"{self._kind}Id", "is taken")])
        return _json(self._shown(asked), 201)

    async def show(self, request: Request) -> Response:
        """GET of one, or 404."""
        caller, _ = await self._caller(request)
        async with self._pool.acquire() as conn:
            found = await find_division(conn, caller.account_id, self._kind, _id(request))
        if found is None:
            raise Refused(404)
        return _json(self._shown(found))

    async def rename(self, request: Request) -> Response:
        """PUT: another name, 204. The id never changes."""
        caller, _ = await self._caller(request)
        name = await self._read_name(request)
        async with acting(self._pool, caller.name) as conn:
            if not await rename_division(conn, caller.account_id, self._kind, _id(request), name):
                raise Refused(404)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """DELETE: 200. Its settings go; messages and reports keep its id."""
        caller, _ = await self._caller(request)
        id_ = _id(request)
        async with acting(self._pool, caller.name) as conn:
            if not await delete_division(conn, caller.account_id, self._kind, id_):
                raise Refused(404)
        self._directory.divisions.forget(caller.account_id, self._kind, id_)
        return _json({})

    async def _caller(self, request: Request) -> tuple[Caller, datetime]:
        now = self._clock.now()
        return await authorise(request, self._directory, _SCOPE, now), now

    async def _read(self, request: Request) -> Division:
        body = await read_body(request, _BODY_LIMIT)
        if self._kind == "application":
            application = _decoded(body, _Application)
            return Division(application.application_id, application.application_name)
        entity = _decoded(body, _Entity)
        return Division(entity.entity_id, entity.entity_name)

    async def _read_name(self, request: Request) -> str | None:
        body = await read_body(request, _BODY_LIMIT)
        if self._kind == "application":
            return _decoded(body, _RenamedApplication).application_name
        return _decoded(body, _RenamedEntity).entity_name

    def _shown(self, each: Division) -> dict[str, str]:
        shown = {f"{self._kind}Id": each.id}
        if each.name is not None:
            shown[f"{self._kind}Name"] = each.name
        return shown


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        asked = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, [Violation("$", str(error))]) from error
    if rb"\u0000" in body:
        raise Refused(400, [Violation("$", "must not hold NUL")])
    return asked


def _id(request: Request) -> str:
    id_: str = request.path_params["id"]
    if not id_ or len(id_) > 255 or "\x00" in id_:
        raise Refused(404)
    return id_


def _paging(request: Request) -> tuple[int, int]:
    violations: list[Violation] = []
    page = _whole(request, "page", 0, 0, _LAST_PAGE, violations)
    size = _whole(request, "size", _SIZE, 1, _MOST, violations)
    if violations:
        raise Refused(400, violations)
    return page, size


def _whole(
    request: Request, name: str, usual: int, least: int, most: int, violations: list[Violation]
) -> int:
    text = request.query_params.get(name)
    if text is None:
        return usual
    if text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most:
        return int(text)
    violations.append(Violation(name, f"must be a whole number from {least} to {most}"))
    return usual


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")
