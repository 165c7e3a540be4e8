"""/operator/1/accounts/{name}/...: what belongs to an account, one thing at a time (ours).

A PUT takes what `linegate apply` takes of one thing, a PATCH changes what it names.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.callers import apply_user
from linegate.admin.desired import DocumentError, Route, Sender, Template, User
from linegate.admin.notes import Hands, Notes, Place
from linegate.admin.senders import apply_route, apply_sender
from linegate.admin.settings import (
    AccountChange,
    DivisionChange,
    change_account,
    change_division,
)
from linegate.admin.templates import apply_template
from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.operator import account_of, answer_json, decoded, plain, shown_account, whole
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.clock import Clock
from linegate.domain.keys import OPERATE, OPERATOR_READ
from linegate.domain.phone import normalise
from linegate.domain.violation import Violation
from linegate.postgres.admin import AccountListed, list_accounts
from linegate.postgres.audit import acting
from linegate.postgres.blocklist import block, list_blocked, unblock
from linegate.postgres.divisions import DivisionListed, Kind, list_divisions
from linegate.postgres.identities import UserListed, list_users, set_password
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.senders import SenderListed, list_senders
from linegate.postgres.sms_routes import ShownRoute, list_routes
from linegate.vault import Vault

__all__ = ["OperatorParts"]

T = TypeVar("T")

_BODY_LIMIT = 4 * 1024 * 1024
_MOST = 10_000
_SHORTEST_PASSWORD = 12


class _Password(msgspec.Struct, forbid_unknown_fields=True):
    password: str


class _Blocking(msgspec.Struct, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []


class OperatorParts:
    """Answers operators about one thing of one account."""

    def __init__(self, pool: Pool, directory: Directory, vault: Vault, clock: Clock) -> None:
        """Work over `pool`; secrets are sealed by `vault`."""
        self._pool = pool
        self._directory = directory
        self._vault = vault
        self._clock = clock

    async def change_account(self, request: Request) -> Response:
        """PATCH /operator/1/accounts/{name}: default sender, limits, retention; null sets none."""
        change, actor, now = await self._asked(request, AccountChange)

        async def work(conn: Connection, place: Place) -> None:
            await change_account(conn, place.account_id, change)

        await self._change(request, actor, now, work)
        async with self._pool.acquire() as conn:
            found = await list_accounts(conn, request.path_params["name"])
        return answer_json(shown_account(found[0]))

    async def put_sender(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/senders/{id}: create a sender or change it."""
        return await self._put(request, Sender, apply_sender)

    async def put_user(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/users/{id}: create a user or change what it may do."""
        return await self._put(request, User, apply_user)

    async def put_route(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/sms-routes/{id}: create an SMS route or change it."""
        return await self._put(request, Route, apply_route)

    async def put_template(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/templates/{id}: register, reword, approve."""
        return await self._put(request, Template, apply_template)

    async def change_application(self, request: Request) -> Response:
        """PATCH /operator/1/accounts/{name}/applications/{id}: its settings; made if it is new."""
        return await self._change_division(request, "application")

    async def change_entity(self, request: Request) -> Response:
        """PATCH /operator/1/accounts/{name}/entities/{id}: its settings; made if it is new."""
        return await self._change_division(request, "entity")

    async def set_password(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/users/{id}/password: another one; its logins end."""
        asked, actor, now = await self._asked(request, _Password)
        if len(asked.password) < _SHORTEST_PASSWORD:
            reason = f"must be at least {_SHORTEST_PASSWORD} characters"
            raise Refused(400, [Violation("password", reason)])

        async def work(conn: Connection, place: Place) -> None:
            hashed = hash_password(asked.password)
            if not await set_password(conn, place.account_id, request.path_params["id"], hashed):
                raise Refused(404)

        await self._change(request, actor, now, work)
        return Response(status_code=204)

    async def change_blocklist(self, request: Request) -> Response:
        """POST /operator/1/accounts/{name}/blocklist: `{"add": [...], "remove": [...]}`."""
        asked, actor, now = await self._asked(request, _Blocking)
        add, remove = _digits(asked.add, "add"), _digits(asked.remove, "remove")
        counts = {}

        async def work(conn: Connection, place: Place) -> None:
            counts["added"] = await block(conn, place.account_id, add, now=place.now)
            counts["removed"] = await unblock(conn, place.account_id, remove)

        await self._change(request, actor, now, work)
        return answer_json(counts)

    async def blocklist(self, request: Request) -> Response:
        """GET /operator/1/accounts/{name}/blocklist?after=&limit=: by number."""
        limit = min(whole(request.query_params.get("limit")) or 1000, _MOST)
        after = request.query_params.get("after", "")

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            rows = await list_blocked(conn, found.id, after=after, limit=limit)
            return {"destinations": [{"to": to, "since": since} for to, since in rows]}

        return await self._read(request, read)

    async def parts(self, request: Request) -> Response:
        """GET /operator/1/accounts/{name}/parts: senders, users, applications, entities, routes."""

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            divisions = await list_divisions(conn, found.id)
            return {
                "senders": [_sender(each) for each in await list_senders(conn, found.id)],
                "users": [_user(each) for each in await list_users(conn, found.id)],
                "applications": [_division(each) for each in divisions if each.kind != "entity"],
                "entities": [_division(each) for each in divisions if each.kind == "entity"],
                "smsRoutes": [_route(each) for each in await list_routes(conn, found.id)],
            }

        return await self._read(request, read)

    async def _put(
        self,
        request: Request,
        shape: type[T],
        apply: Callable[[Connection, T, Place], Awaitable[None]],
    ) -> Response:
        tree, actor, now = await self._asked(request, dict[str, Any])
        notes = Notes()

        async def work(conn: Connection, place: Place) -> None:
            named = {**tree, "name": request.path_params["id"]}
            await apply(conn, msgspec.convert(named, shape), place)

        await self._change(request, actor, now, work, notes)
        made = any(each.after == "created" for each in notes.changes)
        fields = sorted(each.field for each in notes.changes if each.field)
        return answer_json({"created": made, "changed": fields}, 201 if made else 200)

    async def _change_division(self, request: Request, kind: Kind) -> Response:
        id_ = request.path_params["id"]
        change, actor, now = await self._asked(request, DivisionChange)

        async def work(conn: Connection, place: Place) -> None:
            await change_division(conn, place.account_id, kind, id_, change, now=place.now)

        await self._change(request, actor, now, work)
        return Response(status_code=204)

    async def _asked(self, request: Request, shape: type[T]) -> tuple[T, str, datetime]:
        """The body of one who may ask, who that is, and when."""
        now = self._clock.now()
        caller = await authorise(request, self._directory, OPERATE, now)
        return decoded(await read_body(request, _BODY_LIMIT), shape), caller.name, now

    async def _change(
        self,
        request: Request,
        actor: str,
        now: datetime,
        work: Callable[[Connection, Place], Awaitable[None]],
        notes: Notes | None = None,
    ) -> None:
        """One transaction of the caller on the account in the path."""
        hands = Hands(self._vault, plain, hash_password, read_wording, actor)
        try:
            async with acting(self._pool, actor) as conn:
                found = await account_of(conn, request)
                await work(conn, Place(found.id, found.name, hands, notes or Notes(), now))
        except (DocumentError, msgspec.ValidationError) as error:
            raise Refused(400, [Violation("$", str(error))]) from error

    async def _read(
        self,
        request: Request,
        read: Callable[[Connection, AccountListed], Awaitable[dict[str, object]]],
    ) -> Response:
        await authorise(request, self._directory, OPERATOR_READ, self._clock.now())
        async with self._pool.acquire() as conn:
            return answer_json(await read(conn, await account_of(conn, request)))


def _digits(numbers: list[str], name: str) -> list[str]:
    """The numbers as they are stored, each once. Raises: Refused 400 for what is none."""
    found = set()
    for number in numbers:
        digits = normalise(number)
        if digits is None:
            raise Refused(400, [Violation(name, "must be phone numbers")])
        found.add(digits)
    return sorted(found)


def _sender(each: SenderListed) -> dict[str, object]:
    return {
        "name": each.name,
        "channelId": each.channel_id,
        "countries": each.countries,
        "templates": each.templates,
        "hold": each.hold,
    }


def _user(each: UserListed) -> dict[str, object]:
    return {"name": each.name, "scopes": sorted(each.scopes), "enabled": each.enabled}


def _division(each: DivisionListed) -> dict[str, object]:
    return {
        "id": each.id,
        "name": each.name,
        "defaultSender": each.default_sender,
        "webhook": each.url,
        "templates": each.templates,
        "messagesPerDay": each.messages_per_day,
    }


def _route(each: ShownRoute) -> dict[str, object]:
    return {
        "name": each.name,
        "kind": each.kind,
        "prefixes": each.prefixes,
        "senders": each.senders,
        "defaultSender": each.default_sender,
        "priority": each.priority,
        "enabled": each.enabled,
    }
