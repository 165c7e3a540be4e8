"""/operator/1/accounts/{name}/...: senders, routes, templates and other parts of an account (ours).

A PUT creates a thing or changes what it names of it, secrets too: what is not named stays.
"""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.desired import Division, DocumentError, Route, Sender, Template
from linegate.admin.notes import Place
from linegate.admin.removal import drop_division, drop_route, drop_sender, drop_template
from linegate.admin.routes import put_route
from linegate.admin.senders import pause_sender, put_sender
from linegate.admin.settings import change_division
from linegate.admin.templates import apply_template
from linegate.api.auth import Refused
from linegate.api.operator_desk import Desk, answer_json, whole
from linegate.api.operator_shown import shown_division, shown_route, shown_user
from linegate.api.template_answer import encode_template
from linegate.domain.phone import normalise
from linegate.domain.violation import Violation
from linegate.domain.wiretime import format_instant
from linegate.postgres.admin import AccountListed, sender_id_of
from linegate.postgres.blocklist import block, list_blocked, unblock
from linegate.postgres.divisions import Kind, list_divisions
from linegate.postgres.identities import list_users
from linegate.postgres.pool import Connection
from linegate.postgres.senders import SenderListed, list_senders
from linegate.postgres.sms_routes import list_routes
from linegate.postgres.templates import (
    TemplateFilter,
    decide_template,
    find_template_named,
    list_templates,
)

__all__ = ["OperatorParts"]

_MOST = 10_000


class _Pause(Struct, forbid_unknown_fields=True):
    paused: bool
    reason: str = ""


class _Blocking(Struct, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []


class _Decision(Struct, kw_only=True, forbid_unknown_fields=True):
    sender: str
    name: str
    language: str = ""
    status: Literal["APPROVED", "REJECTED"]
    reason: str | None = None


class OperatorParts:
    """Answers operators about what belongs to an account."""

    def __init__(self, desk: Desk) -> None:
        """Answer at `desk`."""
        self._desk = desk

    async def parts(self, request: Request) -> Response:
        """GET .../parts: senders, users, applications, entities, routes."""

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            divisions = await list_divisions(conn, found.id)
            of = {
                kind: [shown_division(each) for each in divisions if each.kind == kind]
                for kind in ("application", "entity")
            }
            return {
                "senders": [_sender(each) for each in await list_senders(conn, found.id)],
                "users": [shown_user(each) for each in await list_users(conn, found.id)],
                "applications": of["application"],
                "entities": of["entity"],
                "smsRoutes": [shown_route(each) for each in await list_routes(conn, found.id)],
            }

        return await self._desk.look(request, read)

    async def put_sender(self, request: Request) -> Response:
        """PUT .../senders/{id}: create a sender or change it."""
        return await self._desk.put(request, Sender, put_sender)

    async def pause_sender(self, request: Request) -> Response:
        """PUT .../senders/{id}/pause: `{"paused": true, "reason": "..."}`; false lets it go on."""

        async def work(conn: Connection, asked: _Pause, place: Place) -> None:
            name = request.path_params["id"]
            found = await pause_sender(
                conn, name, paused=asked.paused, reason=asked.reason, place=place
            )
            if not found:
                raise Refused(404)

        await self._desk.change(request, _Pause, work)
        return Response(status_code=204)

    async def remove_sender(self, request: Request) -> Response:
        """DELETE .../senders/{id}: 204 for one that has never sent."""

        async def work(conn: Connection, place: Place) -> bool:
            return await drop_sender(conn, request.path_params["id"], place)

        return await self._desk.remove(request, work)

    async def put_route(self, request: Request) -> Response:
        """PUT .../sms-routes/{id}: create an SMS route, or change how it is reached or serves."""
        return await self._desk.put(request, Route, put_route)

    async def remove_route(self, request: Request) -> Response:
        """DELETE .../sms-routes/{id}: 204 for one that no SMS waits for."""

        async def work(conn: Connection, place: Place) -> bool:
            return await drop_route(conn, request.path_params["id"], place)

        return await self._desk.remove(request, work)

    async def change_application(self, request: Request) -> Response:
        """PATCH .../applications/{id}: its settings; made if it is new."""
        return await self._change_division(request, "application")

    async def change_entity(self, request: Request) -> Response:
        """PATCH .../entities/{id}: its settings; made if it is new."""
        return await self._change_division(request, "entity")

    async def remove_application(self, request: Request) -> Response:
        """DELETE .../applications/{id}: 204; a message that names it makes it again."""
        return await self._remove_division(request, "application")

    async def remove_entity(self, request: Request) -> Response:
        """DELETE .../entities/{id}: 204; a message that names it makes it again."""
        return await self._remove_division(request, "entity")

    async def templates(self, request: Request) -> Response:
        """GET .../templates?sender=&name=&status=: the oldest first."""
        asked = request.query_params

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            wanted = TemplateFilter(
                found.id,
                sender=asked.get("sender") or None,
                name=asked.get("name") or None,
                status=asked.get("status") or None,
            )
            rows = await list_templates(conn, wanted, limit=_MOST)
            return {"templates": [msgspec.Raw(encode_template(row)) for row in rows]}

        return await self._desk.look(request, read)

    async def put_template(self, request: Request) -> Response:
        """PUT .../templates/{id}: register, reword, approve."""
        return await self._desk.put(request, Template, apply_template)

    async def decide_template(self, request: Request) -> Response:
        """PUT .../templates/{id}/decision: `{"sender", "language", "status", "reason"}`."""

        async def work(conn: Connection, asked: _Decision, place: Place) -> None:
            if asked.status == "REJECTED" and not asked.reason:
                raise Refused(400, [Violation("reason", "must be given: the account sees it")])
            id_ = await _template(conn, asked.sender, asked.name, asked.language, place)
            await decide_template(
                conn, id_, status=asked.status, reason=asked.reason, now=place.now
            )

        await self._desk.change(request, _Decision, work, "name")
        return Response(status_code=204)

    async def remove_template(self, request: Request) -> Response:
        """DELETE .../templates/{id}?sender=&language=: 204; what was accepted goes out."""
        asked, name = request.query_params, request.path_params["id"]

        async def work(conn: Connection, place: Place) -> bool:
            sender, language = asked.get("sender", ""), asked.get("language", "")
            id_ = await _template(conn, sender, name, language, place)
            return await drop_template(conn, id_, f"{sender} {name} {language}".strip(), place)

        return await self._desk.remove(request, work)

    async def blocklist(self, request: Request) -> Response:
        """GET .../blocklist?after=&limit=: by number."""
        limit = min(whole(request.query_params.get("limit")) or 1000, _MOST)
        after = request.query_params.get("after", "")

        async def read(conn: Connection, found: AccountListed) -> dict[str, object]:
            rows = await list_blocked(conn, found.id, after=after, limit=limit)
            return {"destinations": [{"to": to, "since": _instant(since)} for to, since in rows]}

        return await self._desk.look(request, read)

    async def change_blocklist(self, request: Request) -> Response:
        """POST .../blocklist: `{"add": [...], "remove": [...]}`."""

        async def work(conn: Connection, asked: _Blocking, place: Place) -> dict[str, int]:
            add, remove = _digits(asked.add, "add"), _digits(asked.remove, "remove")
            added = await block(conn, place.account_id, add, now=place.now)
            return {"added": added, "removed": await unblock(conn, place.account_id, remove)}

        counts, _ = await self._desk.change(request, _Blocking, work)
        return answer_json(counts)

    async def _change_division(self, request: Request, kind: Kind) -> Response:
        async def work(conn: Connection, asked: Division, place: Place) -> None:
            await change_division(conn, kind, asked.id, asked, place)

        return await self._desk.put(request, Division, work, "id")

    async def _remove_division(self, request: Request, kind: Kind) -> Response:
        async def work(conn: Connection, place: Place) -> bool:
            return await drop_division(conn, kind, request.path_params["id"], place)

        return await self._desk.remove(request, work)


async def _template(conn: Connection, sender: str, name: str, language: str, place: Place) -> int:
    """The id of a template. Raises: Refused 404."""
    sender_id = await sender_id_of(conn, place.account_id, sender)
    id_ = None if sender_id is None else await find_template_named(conn, sender_id, name, language)
    if id_ is None:
        raise Refused(404)
    return id_


def _digits(numbers: list[str], name: str) -> list[str]:
    """The numbers as they are stored, each once. Raises: DocumentError for what is none."""
    digits = {text: normalise(text) for text in numbers}
    wrong = tuple(
        Violation(f"{name}[{at}]", "must be a phone number with its country code")
        for at, text in enumerate(numbers)
        if digits[text] is None
    )
    if wrong:
        raise DocumentError("", wrong)
    return sorted({number for number in digits.values() if number is not None})


def _instant(instant: datetime | None) -> str | None:
    return format_instant(instant) if instant else None


def _sender(each: SenderListed) -> dict[str, object]:
    return {
        "name": each.name,
        "channelId": each.channel_id,
        "hasAccessToken": each.has_token,
        "assertionKid": each.assertion_kid,
        "relayUrl": each.relay_url,
        "countries": each.countries,
        "templates": each.templates,
        "strictTemplates": each.strict_templates,
        "lineCountry": each.line_country,
        "hold": each.hold,
        "holdReason": each.hold_reason,
        "heldAt": _instant(each.held_at),
        "deafAt": _instant(each.deaf_at),
    }
