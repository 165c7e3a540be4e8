"""GET and PUT of /line/1/bulks and /line/1/bulks/status: where bulks are, and words to them.

Ours; shapes of the published /sms/1/bulks (FACTS B2.1), errors in the form of /line/1.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.schemas_bulks import ChangeRequest, StatusRequest, bulk_answer, decode
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import MANAGE
from linegate.domain.pace import pace_of
from linegate.domain.steering import BulkStatus
from linegate.domain.violation import Violation
from linegate.domain.wiretime import parse_instant
from linegate.postgres.audit import By
from linegate.shape.steering import Change, NotAllowed, Steering

__all__ = ["Bulks"]

_BODY_LIMIT = 64 * 1024
_AHEAD = timedelta(days=180)
_LIMIT = 20
_MOST = 100
_LONGEST = 100


class Bulks:
    """Shows and steers an account's bulks."""

    def __init__(self, directory: Directory, steering: Steering, clock: Clock) -> None:
        """Steer through `steering`."""
        self._directory = directory
        self._steering = steering
        self._clock = clock

    async def show(self, request: Request) -> Response:
        """Answer one bulk, or without `bulkId` the newest that have a schedule or were steered."""
        caller, now = await self._caller(request)
        account_id = caller.account_id
        if "bulkId" not in request.query_params:
            return await self._page(request, account_id, now)
        view = await self._steering.show(account_id, _bulk_id(request), now)
        if view is None:
            raise _unknown()
        return _json(bulk_answer(view))

    async def change(self, request: Request) -> Response:
        """Change `sendAt`, `sendingSpeedLimit` or both; answer where the bulk then is."""
        caller, now = await self._caller(request)
        name = _bulk_id(request)
        asked = _change(decode(await read_body(request, _BODY_LIMIT), ChangeRequest), now)
        found = await self._steering.change(caller.account_id, name, asked, By(caller.name, now))
        if found is None:
            raise _unknown()
        if isinstance(found, NotAllowed):
            raise Refused(400, [Violation(found.property, found.reason)])
        return _json(bulk_answer(found))

    async def show_status(self, request: Request) -> Response:
        """Answer `{"bulkId", "status"}`."""
        caller, now = await self._caller(request)
        view = await self._steering.show(caller.account_id, _bulk_id(request), now)
        if view is None:
            raise _unknown()
        return _json({"bulkId": view.bulk_id, "status": view.status.value})

    async def change_status(self, request: Request) -> Response:
        """Pause, resume or cancel; answer `{"bulkId", "status"}`."""
        caller, now = await self._caller(request)
        name = _bulk_id(request)
        asked = decode(await read_body(request, _BODY_LIMIT), StatusRequest)
        wanted, by = BulkStatus(asked.status), By(caller.name, now)
        found = await self._steering.set_status(caller.account_id, name, wanted, by)
        if found is None:
            raise _unknown()
        if isinstance(found, NotAllowed):
            raise Refused(400, [Violation(found.property, found.reason)])
        return _json({"bulkId": name, "status": found.value})

    async def _caller(self, request: Request) -> tuple[Caller, datetime]:
        now = self._clock.now()
        return await authorise(request, self._directory, MANAGE, now), now

    async def _page(self, request: Request, account_id: int, now: datetime) -> Response:
        asked = request.query_params
        limit = _limit(asked.get("limit"))
        views = await self._steering.page(
            account_id, before=asked.get("before"), limit=limit, now=now
        )
        answer: dict[str, object] = {"results": [bulk_answer(view) for view in views]}
        if len(views) == limit:
            answer["next"] = views[-1].bulk_id
        return _json(answer)


def _bulk_id(request: Request) -> str:
    name = request.query_params.get("bulkId", "")
    if not name or len(name) > _LONGEST or "\x00" in name:
        reason = f"is required: 1 to {_LONGEST} characters, none of them NUL"
        raise Refused(400, [Violation("bulkId", reason)])
    return name


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= _MOST:
        return int(text)
    raise Refused(400, [Violation("limit", f"must be a whole number from 1 to {_MOST}")])


def _change(asked: ChangeRequest, now: datetime) -> Change:
    """Raises: Refused for an instant that is none, too far, or nothing to change."""
    send_at = None
    if asked.send_at is not UNSET:
        send_at = parse_instant(asked.send_at)
        if send_at is None:
            reason = "must be a date and time with an offset, like 2026-01-31T09:00:00.000+0000"
            raise Refused(400, [Violation("sendAt", reason)])
        if send_at - now > _AHEAD:
            reason = f"must be at most {_AHEAD.days} days ahead"
            raise Refused(400, [Violation("sendAt", reason)])
    limit = asked.sending_speed_limit
    if send_at is None and limit is UNSET:
        reason = "must give sendAt, sendingSpeedLimit or both"
        raise Refused(400, [Violation("$", reason)])
    if limit is UNSET:
        return Change(send_at)
    if limit is None:
        return Change(send_at, no_pace=True)
    return Change(send_at, pace_of(limit.amount, limit.time_unit))


def _unknown() -> Refused:
    return Refused(404, [Violation("bulkId", "names no bulk of this account")])


def _json(answer: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
