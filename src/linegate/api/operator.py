"""/operator/1/...: the operator's hands over HTTP, over all accounts (ours).

Only keys and users that were given `operator:read` or `operator:manage` by name may call it.
"""

from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.apply import apply_document
from linegate.admin.desired import AccountSettings, Document, DocumentError, Name
from linegate.admin.notes import Notes, Place, Spot
from linegate.admin.removal import drop_account
from linegate.admin.settings import change_account, create_account
from linegate.api.auth import Refused
from linegate.api.operator_desk import Desk, answer_json, refusal, whole
from linegate.api.operator_shown import shown_account, shown_applied, shown_change, shown_key
from linegate.domain.violation import Violation
from linegate.postgres.admin import AccountListed, list_accounts
from linegate.postgres.audit import acting, list_audit
from linegate.postgres.directory import find_webhook_secret
from linegate.postgres.identities import list_keys
from linegate.postgres.pool import Connection
from linegate.sealing import account_context

__all__ = ["Operator"]

_MOST = 1000


class _NewAccount(AccountSettings, kw_only=True, rename="camel", forbid_unknown_fields=True):
    name: Name


class Operator:
    """Answers operators about accounts, declarations and the audit log."""

    def __init__(self, desk: Desk) -> None:
        """Answer at `desk`."""
        self._desk = desk

    async def accounts(self, request: Request) -> Response:
        """GET /operator/1/accounts."""
        await self._desk.reader(request)
        async with self._desk.pool.acquire() as conn:
            found = await list_accounts(conn)
        return answer_json({"accounts": [shown_account(each) for each in found]})

    async def create(self, request: Request) -> Response:
        """POST /operator/1/accounts: 201; 409 if there is one of that name."""
        caller, now = await self._desk.operator(request)
        asked = await self._desk.body(request, _NewAccount)
        try:
            async with acting(self._desk.pool, caller.name) as conn:
                id_ = await create_account(conn, asked.name, vault=self._desk.vault, now=now)
                if id_ is None:
                    raise Refused(409, [Violation("name", "is an account's already")])
                place = Spot(id_, asked.name, Notes(), now)
                await change_account(conn, asked, place)
                (made,) = await list_accounts(conn, asked.name)
        except DocumentError as error:
            raise refusal(error) from error
        return answer_json(shown_account(made), 201)

    async def account(self, request: Request) -> Response:
        """GET /operator/1/accounts/{name}: the account and its keys."""

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            keys = await list_keys(conn, found.id)
            return {**shown_account(found), "keys": [shown_key(key) for key in keys]}

        return await self._desk.look(request, read)

    async def change(self, request: Request) -> Response:
        """PATCH /operator/1/accounts/{name}: what is named; null takes a setting away."""

        async def work(conn: Connection, asked: AccountSettings, place: Place) -> AccountListed:
            await change_account(conn, asked, place)
            return (await list_accounts(conn, place.account))[0]

        changed, _ = await self._desk.change(request, AccountSettings, work)
        return answer_json(shown_account(changed))

    async def remove(self, request: Request) -> Response:
        """DELETE /operator/1/accounts/{name}: 204 for one that has never sent."""

        async def work(conn: Connection, place: Place) -> bool:
            await drop_account(conn, place)
            return True

        return await self._desk.remove(request, work)

    async def webhook_secret(self, request: Request) -> Response:
        """GET /operator/1/accounts/{name}/webhook-secret: it signs the account's reports."""
        await self._desk.operator(request)  # who may only look is shown no secret

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            sealed = await find_webhook_secret(conn, found.id)
            context = account_context(found.name, "webhook_secret")
            return {"secret": self._desk.vault.open(sealed, context=context)}

        return await self._desk.look(request, read)

    async def apply(self, request: Request) -> Response:
        """POST /operator/1/apply[?dryRun=true][&prune=true]: what `linegate apply` takes."""
        caller, now = await self._desk.operator(request)
        document = await self._desk.body(request, Document)
        dry_run = request.query_params.get("dryRun") == "true"
        try:
            changes = await apply_document(
                self._desk.pool,
                document,
                self._desk.hands(caller),
                dry_run=dry_run,
                now=now,
                pruned=request.query_params.get("prune") == "true",
            )
        except DocumentError as error:
            raise refusal(error) from error
        return answer_json(
            {"dryRun": dry_run, "changes": [shown_applied(each) for each in changes]}
        )

    async def audit(self, request: Request) -> Response:
        """GET /operator/1/audit?account=&before=&limit=: who changed what, newest first."""
        await self._desk.reader(request)
        asked = request.query_params
        limit, before = whole(asked.get("limit")), whole(asked.get("before"))
        name = asked.get("account")
        async with self._desk.pool.acquire() as conn:
            found = await list_accounts(conn, name) if name else []
            if name and not found:
                raise Refused(404)
            changes = await list_audit(
                conn,
                account_id=found[0].id if found else None,
                limit=min(limit or 50, _MOST),
                before=before,
            )
        return answer_json({"changes": [shown_change(each) for each in changes]})
