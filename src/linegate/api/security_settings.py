"""/subscriptions/1/security: how we prove to a client's endpoint who we are."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused
from linegate.api.notifying import Notifying, answer, created, page_of, paged
from linegate.api.schemas_subscriptions import SecurityBody
from linegate.api.subscription_rules import masked, security_problems, unmasked
from linegate.domain.violation import Violation
from linegate.postgres.pool import Connection, transaction
from linegate.postgres.subscriptions import (
    Page,
    SecurityRow,
    delete_security,
    insert_security,
    list_security,
    update_security,
)

__all__ = ["SecuritySettings", "add_security", "replace_security", "shown_security"]


class SecuritySettings:
    """Create, read, update and delete; secrets are never shown again."""

    def __init__(self, notifying: Notifying) -> None:
        """Keep them as `notifying` says."""
        self._with = notifying

    async def list(self, request: Request) -> Response:
        """One page."""
        caller = await self._with.caller(request)
        page, number = page_of(request)
        async with self._with.pool.acquire() as conn:
            rows, total = await list_security(conn, caller.account_id, page)
            shown = [await shown_security(conn, self._with, caller.account_id, row) for row in rows]
        return paged(shown, total, page, number)

    async def create(self, request: Request) -> Response:
        """Take new settings."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, SecurityBody)
        async with transaction(self._with.pool) as conn:
            auth_id = await add_security(conn, self._with, caller.account_id, body)
        return created(request, auth_id, {"authId": auth_id})

    async def show(self, request: Request) -> Response:
        """One of them."""
        caller = await self._with.caller(request)
        async with self._with.pool.acquire() as conn:
            row = await _found(conn, caller.account_id, request.path_params["id"])
            return answer(await shown_security(conn, self._with, caller.account_id, row))

    async def replace(self, request: Request) -> Response:
        """Replace one; a secret given as it was shown stays as it was."""
        caller = await self._with.caller(request)
        body = await self._with.read(request, SecurityBody)
        auth_id = request.path_params["id"]
        async with transaction(self._with.pool) as conn:
            await replace_security(conn, self._with, caller.account_id, auth_id, body)
        return answer({"authId": auth_id})

    async def remove(self, request: Request) -> Response:
        """Delete one that no profile uses."""
        caller = await self._with.caller(request)
        auth_id = request.path_params["id"]
        async with transaction(self._with.pool) as conn:
            is_gone = await delete_security(conn, caller.account_id, auth_id)
        if is_gone is None:
            raise Refused(400, [Violation("authId", "is used by a profile")])
        if not is_gone:
            raise Refused(404)
        return answer({"authId": auth_id})


async def shown_security(
    conn: Connection, notifying: Notifying, account_id: int, row: SecurityRow
) -> dict[str, Any]:
    """Settings as they are shown: no secret."""
    shown: dict[str, Any] = {"authId": row.auth_id, "type": row.type}
    stored = await notifying.open(conn, account_id, "webhook_security", row.credentials)
    if stored:
        shown["credentials"] = masked(stored)
    return shown


async def replace_security(
    conn: Connection, notifying: Notifying, account_id: int, auth_id: str, body: SecurityBody
) -> None:
    """All of settings that are there; what is masked stays as it was. Raises: Refused."""
    row = await _found(conn, account_id, auth_id)
    stored = await notifying.open(conn, account_id, "webhook_security", row.credentials)
    body.credentials = unmasked(body.credentials or {}, stored)
    new = await _row_of(conn, notifying, account_id, auth_id, body)
    await update_security(conn, account_id, new)


async def _found(conn: Connection, account_id: int, auth_id: str) -> SecurityRow:
    rows, _ = await list_security(conn, account_id, Page(id=auth_id))
    if not rows:
        raise Refused(404)
    return rows[0]


async def add_security(
    conn: Connection, notifying: Notifying, account_id: int, body: SecurityBody, path: str = ""
) -> str:
    """Create settings in the caller's transaction; gives their id. Raises: Refused."""
    if body.auth_id is None:
        raise Refused(400, [Violation(f"{path}authId", "must be given")])
    row = await _row_of(conn, notifying, account_id, body.auth_id, body, path)
    if not await insert_security(conn, account_id, row, now=notifying.clock.now()):
        raise Refused(400, [Violation(f"{path}authId", "is already used")])
    return body.auth_id


async def _row_of(
    conn: Connection,
    notifying: Notifying,
    account_id: int,
    auth_id: str,
    body: SecurityBody,
    path: str = "",
) -> SecurityRow:
    problems = security_problems(body, notifying.url_rule, path)
    if problems or body.type is None:
        raise Refused(400, problems)
    sealed = await notifying.seal(conn, account_id, "webhook_security", body.credentials or {})
    return SecurityRow(auth_id, body.type, sealed)
