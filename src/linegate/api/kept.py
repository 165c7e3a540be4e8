"""What an account keeps under ids of its own choice below /subscriptions/1: one shape of routes."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused
from linegate.api.notifying import Notifying, answer, created, page_of, paged
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection
from linegate.postgres.subscriptions import Page

__all__ = ["Kept"]

Row = TypeVar("Row")
Body = TypeVar("Body", bound=Struct)


class Kept(ABC, Generic[Row, Body]):
    """Create, read, update and delete.

    body: what a request gives; id_name: the property that holds the id; user: what may name one, so
    that it cannot be deleted.
    """

    body: type[Body]
    id_name: ClassVar[str]
    user: ClassVar[str]

    def __init__(self, notifying: Notifying) -> None:
        """Keep them as `notifying` says."""
        self._with = notifying

    @abstractmethod
    async def _rows(self, conn: Connection, account_id: int, page: Page) -> tuple[list[Row], int]:
        """One page of them, or the one of an id; and how many there are."""

    @abstractmethod
    async def _shown(self, conn: Connection, account_id: int, row: Row) -> dict[str, Any]:
        """One of them whole, without its secrets."""

    @abstractmethod
    async def _add(self, conn: Connection, account_id: int, body: Body) -> dict[str, Any]:
        """Take a new one; gives it as others refer to it. Raises: Refused."""

    @abstractmethod
    async def _replace(
        self, conn: Connection, account_id: int, id_: str, body: Body
    ) -> dict[str, Any]:
        """Write another in its place; gives it as others refer to it. Raises: Refused."""

    @abstractmethod
    async def _delete(self, conn: Connection, account_id: int, id_: str) -> bool | None:
        """Delete one; False if there is none, None if it is used."""

    async def list(self, request: Request) -> Response:
        """One page."""
        caller = await self._with.caller(request)
        page, number = page_of(request)
        async with self._with.pool.acquire() as conn:
            rows, total = await self._rows(conn, caller.account_id, page)
            shown = [await self._shown(conn, caller.account_id, row) for row in rows]
        return paged(shown, total, page, number)

    async def create(self, request: Request) -> Response:
        """Take a new one, with what it brings along."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, self.body)
        async with acting(self._with.pool, caller.name) as conn:
            reference = await self._add(conn, caller.account_id, body)
        return created(request, reference[self.id_name], reference)

    async def show(self, request: Request) -> Response:
        """One of them."""
        caller = await self._with.caller(request)
        async with self._with.pool.acquire() as conn:
            rows, _ = await self._rows(conn, caller.account_id, Page(id=request.path_params["id"]))
            if not rows:
                raise Refused(404)
            return answer(await self._shown(conn, caller.account_id, rows[0]))

    async def replace(self, request: Request) -> Response:
        """Replace one; a secret given as it was shown stays as it was."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, self.body)
        id_ = request.path_params["id"]
        async with acting(self._with.pool, caller.name) as conn:
            reference = await self._replace(conn, caller.account_id, id_, body)
        return answer(reference)

    async def remove(self, request: Request) -> Response:
        """Delete one that nothing names."""
        caller = await self._with.caller(request)
        id_ = request.path_params["id"]
        async with acting(self._with.pool, caller.name) as conn:
            is_gone = await self._delete(conn, caller.account_id, id_)
            if is_gone is None:
                raise Refused(400, [Violation(self.id_name, f"is used by a {self.user}")])
        if not is_gone:
            raise Refused(404)
        return answer({self.id_name: id_})
