"""GET /line/1/logs and GET /line/1/messages/{messageId}.

Ours: the shape is that of the published SMS logs, whose filters they have.
Source: published operation get-outbound-sms-message-logs-v3 (FACTS B2.2).
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.directory import Directory
from linegate.api.problems import accepts_xml
from linegate.clock import Clock
from linegate.domain.ids import within_ids
from linegate.domain.keys import LOGS
from linegate.domain.phone import normalise
from linegate.domain.violation import Violation
from linegate.domain.wiretime import format_instant, parse_instant
from linegate.line.filling import Form
from linegate.line.flex import restore_bubble
from linegate.postgres.log_ways import Place
from linegate.postgres.logs import Content, Logged
from linegate.report.bodies import log_entry
from linegate.report.logbook import Asked, Logbook, Page
from linegate.report.timeline import timeline_of
from linegate.webhook.body import encode_xml

__all__ = ["Logs"]

_LIMIT = 50
_MOST = 1000
_LONGEST_LIST = 2048
_LONGEST = 255
_GROUPS = ("ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Logs:
    """Shows what became of an account's messages."""

    def __init__(self, directory: Directory, logbook: Logbook, clock: Clock) -> None:
        """Read from `logbook`."""
        self._directory = directory
        self._logbook = logbook
        self._clock = clock

    async def list(self, request: Request) -> Response:
        """Answer `{"results": [...], "cursor": {...}}`, newest first."""
        caller = await authorise(request, self._directory, LOGS, self._clock.now())
        asked, wants_cursor = _Query(request).read()
        page = await self._logbook.page([caller.account_id], asked)
        is_xml = accepts_xml(request.headers.get("accept"))
        body = await run_in_threadpool(
            _encoded, page, asked.limit if wants_cursor else None, is_xml
        )
        media_type = "application/xml" if is_xml else "application/json"
        return Response(body, media_type=media_type, headers={"Vary": "Accept"})

    async def show(self, request: Request) -> Response:
        """Answer one message's log entry with its `timeline`."""
        caller = await authorise(request, self._directory, LOGS, self._clock.now())
        found = await self._logbook.message(caller.account_id, request.path_params["message_id"])
        if found is None:
            raise Refused(404)
        logged, history, content = found
        entry = _entry(logged, content)
        if logged.message.callback_data:
            entry["callbackData"] = logged.message.callback_data
        entry["acceptedAt"] = format_instant(logged.accepted_at)
        entry["timeline"] = timeline_of(logged, history)
        return Response(msgspec.json.encode(entry), media_type="application/json")


class _Query:
    """Reads a query, collecting what is wrong with it."""

    def __init__(self, request: Request) -> None:
        self._query = request.query_params
        self._violations: list[Violation] = []

    def read(self) -> tuple[Asked, bool]:
        """What is asked for, and whether a cursor is wanted. Raises: Refused 400."""
        number = self._text("destination")
        group = self._text("generalStatus")
        if group is not None and group not in _GROUPS:
            self._blame("generalStatus", f"must be one of {', '.join(_GROUPS)}")
        before = self._cursor()
        asked = Asked(
            limit=self._limit(),
            sender=self._text("sender"),
            destination=None if number is None else normalise(number) or number,
            bulk_ids=self._list("bulkId"),
            message_ids=self._list("messageId"),
            status_group=group,
            since=self._instant("sentSince"),
            until=self._instant("sentUntil"),
            entity_id=self._text("entityId"),
            application_id=self._text("applicationId"),
            campaigns=self._list("campaignReferenceId"),
            before=before,
            network=self._network(),
        )
        wants_cursor = self._flag("useCursor") or before is not None
        if self._violations:
            raise Refused(400, self._violations)
        return asked, wants_cursor

    def _blame(self, name: str, reason: str) -> None:
        self._violations.append(Violation(name, reason))

    def _text(self, name: str, longest: int = _LONGEST) -> str | None:
        text = self._query.get(name)
        if text is not None and (len(text) > longest or "\x00" in text):
            self._blame(name, f"must be at most {longest} characters, none of them NUL")
        return text or None

    def _network(self) -> str | None:
        """What `mccMnc` must be like; None where neither is given."""
        codes = {}
        for name, least in (("mcc", 3), ("mnc", 2)):
            code = codes[name] = self._text(name)
            if code is not None and not (
                code.isascii() and code.isdigit() and least <= len(code) <= 3
            ):
                self._blame(name, "must be 3 digits" if least == 3 else "must be 2 or 3 digits")
        if codes["mcc"] is None and codes["mnc"] is None:
            return None
        return (codes["mcc"] or "___") + (codes["mnc"] or "%")

    def _list(self, name: str) -> Sequence[str] | None:
        """Values given comma-separated, repeated, or both."""
        text = ",".join(self._query.getlist(name))
        if len(text) > _LONGEST_LIST or "\x00" in text:
            self._blame(name, f"must be at most {_LONGEST_LIST} characters, none of them NUL")
        values = [value.strip() for value in text.split(",") if value.strip()]
        return values or None

    def _limit(self) -> int:
        text = self._query.get("limit")
        if text is None:
            return _LIMIT
        if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MOST:
            return int(text)
        self._blame("limit", f"must be a whole number from 1 to {_MOST}")
        return _LIMIT

    def _flag(self, name: str) -> bool:
        text = (self._query.get(name) or "false").lower()
        if text not in ("true", "false"):
            self._blame(name, "must be true or false")
        return text == "true"

    def _instant(self, name: str) -> datetime | None:
        text = self._query.get(name)
        if not text:
            return None
        # A `+` that was not encoded arrives as a space.
        instant = parse_instant(text.replace(" ", "+"))
        if instant is None:
            self._blame(name, "must be an instant such as 2026-01-15T09:00:00.000+0000")
            return None
        return within_ids(instant)

    def _cursor(self) -> Place | None:
        text = self._query.get("cursor")
        if not text:
            return None
        place = _read_cursor(text)
        if place is None:
            self._blame("cursor", "must be the nextCursor of an earlier answer")
        return place


def _encoded(page: Page, cursor_limit: int | None, is_xml: bool) -> bytes:
    contents: dict[int, dict[str, Any]] = {}
    for object_id, shared in page.contents.items():
        contents[object_id] = _content(shared)
    results = []
    for logged in page.logged:
        entry = log_entry(logged.message)
        content = page.contents[logged.object_id]
        entry["content"] = (
            _content(content, logged.placeholders)
            if logged.placeholders is not None
            else contents[logged.object_id]
        )
        results.append(entry)
    answer: dict[str, Any] = {"results": results}
    if cursor_limit is not None:
        answer["cursor"] = {"limit": cursor_limit}
        if page.next is not None:
            answer["cursor"]["nextCursor"] = _cursor_of(page.next)
    return encode_xml("LogResponse", answer) if is_xml else msgspec.json.encode(answer)


def _entry(logged: Logged, content: Content) -> dict[str, Any]:
    return {**log_entry(logged.message), "content": _content(content, logged.placeholders)}


def _content(content: Content, placeholders: str | None = None) -> dict[str, Any]:
    """The content as the client sent it; of a registered template, what became of it."""
    if not content.templated:
        line_message = content.line_message.encode()
        if placeholders is not None:
            line_message = Form(line_message).fill_stored(placeholders)
        return restore_bubble(line_message)
    kept: dict[str, Any] = msgspec.json.decode(content.line_message)
    return {"type": "LINE_NOTIFICATION_TEMPLATE", **kept}


def _cursor_of(place: Place) -> str:
    at, id_ = place
    text = f"{(at - _EPOCH) // _MICROSECOND}.{id_}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> Place | None:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        micros, id_ = raw.decode("ascii").split(".")
        place = within_ids(_EPOCH + int(micros) * _MICROSECOND), int(id_)
    except (binascii.Error, ValueError, OverflowError):
        return None
    return place if 0 <= place[1] < 1 << 63 else None
