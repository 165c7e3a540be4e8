"""/subscriptions/1/security: how we prove to a client's endpoint who we are."""

from typing import Any

from linegate.api.auth import Refused
from linegate.api.kept import Kept
from linegate.api.notifying import Notifying
from linegate.api.schemas_subscriptions import SecurityBody
from linegate.api.subscription_rules import masked, security_problems, unmasked
from linegate.domain.violation import Violation
from linegate.postgres.pool import Connection
from linegate.postgres.subscriptions import (
    Page,
    SecurityRow,
    delete_security,
    insert_security,
    list_security,
    update_security,
)

__all__ = ["SecuritySettings", "add_security", "replace_security", "shown_security"]


class SecuritySettings(Kept[SecurityRow, SecurityBody]):
    """Create, read, update and delete; secrets are never shown again."""

    body = SecurityBody
    id_name = "authId"
    user = "profile"

    async def _rows(
        self, conn: Connection, account_id: int, page: Page
    ) -> tuple[list[SecurityRow], int]:
        return await list_security(conn, account_id, page)

    async def _add(self, conn: Connection, account_id: int, body: SecurityBody) -> dict[str, Any]:
        return {"authId": await add_security(conn, self._with, account_id, body)}

    async def _shown(self, conn: Connection, account_id: int, row: SecurityRow) -> dict[str, Any]:
        return await shown_security(conn, self._with, account_id, row)

    async def _replace(
        self, conn: Connection, account_id: int, id_: str, body: SecurityBody
    ) -> dict[str, Any]:
        await replace_security(conn, self._with, account_id, id_, body)
        return {"authId": id_}

    async def _delete(self, conn: Connection, account_id: int, id_: str) -> bool | None:
        return await delete_security(conn, account_id, id_)


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
