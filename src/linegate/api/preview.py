"""POST /line/1/messages/preview: what would be sent, to whom, how many, and when.

Takes the body of a request to send and sends nothing.
Source: docs/reference/validate.md (ours).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.convert import sender_of
from linegate.api.directory import Directory
from linegate.api.explain import Broken
from linegate.api.intake import Intake, Read
from linegate.api.schemas import LineRequest
from linegate.clock import Clock
from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.forecast import Forecast, forecast, lots_of
from linegate.domain.keys import SEND
from linegate.domain.phone import line_hash
from linegate.domain.violation import Violation
from linegate.domain.wiretime import format_instant
from linegate.line.filling import Form
from linegate.sms.segments import Coding, split

__all__ = ["Preview"]

_FLEXIBLE = "/bot/pnp/push"
_TEMPLATED = "/v2/bot/message/pnp/templated/push"
_EXAMPLES = 3
_MOST_EXAMPLES = 100
# Characters of a part that is alone, and of one among several.
_ROOM = {Coding.GSM: (160, 153), Coding.UCS2: (70, 67)}
_PER_SECOND = 1900  # as every sender is created


class Preview:
    """Shows what a request would send."""

    def __init__(self, directory: Directory, clock: Clock, intake: Intake) -> None:
        """Read through `intake`."""
        self._directory = directory
        self._clock = clock
        self._intake = intake

    async def __call__(self, request: Request) -> Response:
        """Answer what a request to send would send, and send nothing."""
        now = self._clock.now()
        caller = await authorise(request, self._directory, SEND, now)
        examples = _examples_wanted(request.query_params.get("limit"))
        body = await self._intake.body(request)
        read = await self._intake.read(body, caller, now, is_trial=True)
        if isinstance(read, Broken):
            raise Refused(400, read.violations)
        names = await self._senders(read.asked, caller.account_id, now)
        answer = await run_in_threadpool(_answer, read, names, examples, now)
        return Response(answer, media_type="application/json")

    async def _senders(self, asked: LineRequest, account_id: int, now: datetime) -> list[str]:
        """The sender of each message, the default one where it names none."""
        found = [
            await sender_of(message, "", account_id, self._directory, now)
            for message in asked.messages
        ]
        return ["" if isinstance(each, Violation) else each.name for each in found]


def _examples_wanted(text: str | None) -> int:
    if text is None:
        return _EXAMPLES
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= _MOST_EXAMPLES:
        return int(text)
    reason = f"must be a whole number from 0 to {_MOST_EXAMPLES}"
    raise Refused(400, [Violation("limit", reason)])


def _answer(read: Read, names: Sequence[str], examples: int, now: datetime) -> bytes:
    asked, bulk = read
    messages = [
        _shown(part, name, examples) for part, name in zip(bulk.objects, names, strict=True)
    ]
    for shown, message in zip(messages, asked.messages, strict=True):
        failover = message.options.sms_failover if message.options else None
        if failover is not None:
            shown["smsFailover"] = _sms(failover.text, failover.sender)
    totals: Counter[tuple[str, str]] = Counter()
    for shown in messages:
        totals[shown["sender"], shown["endpoint"]] += shown["messageCount"]
    return msgspec.json.encode(
        {
            "messages": messages,
            "totals": [
                {"sender": sender, "endpoint": endpoint, "messageCount": count}
                for (sender, endpoint), count in totals.items()
            ],
            "schedule": _schedule(bulk, now),
        }
    )


def _shown(part: MessageObject, sender: str, examples: int) -> dict[str, Any]:
    sent = [at for at in range(len(part.destinations)) if at not in part.rejections]
    return {
        "sender": sender,
        "endpoint": _TEMPLATED if part.templated else _FLEXIBLE,
        "messageCount": len(sent),
        "rejectedCount": len(part.rejections),
        "examples": [
            {"destination": part.destinations[at], "request": _line_request(part, at)}
            for at in sent[:examples]
        ],
    }


def _line_request(part: MessageObject, at: int) -> dict[str, Any]:
    """The body of the call to LINE for one destination."""
    content = part.line_message.encode()
    values = part.placeholders[at] if part.placeholders is not None else None
    if values is not None:
        content = Form(content).fill_stored(values)
    to = line_hash(part.destinations[at])
    message: dict[str, Any] = msgspec.json.decode(content)
    return {"to": to, **message} if part.templated else {"to": to, "messages": [message]}


def _sms(text: str, sender: str | None) -> dict[str, Any]:
    """What the failover text takes as SMS. Source: published preview of SMS (FACTS B2.3)."""
    parts = split(text)
    unit = 1 if parts.coding is Coding.GSM else 2  # bytes of a character
    last, count = len(parts.bodies[-1]), len(parts.bodies)
    room = _ROOM[parts.coding][0 if count == 1 else 1]
    return {
        "sender": sender,
        "text": text,
        "coding": "GSM7" if parts.coding is Coding.GSM else "UCS2",
        "messageCount": count,
        "charactersRemaining": max(0, room - last // unit),
    }


def _schedule(bulk: Bulk, now: datetime) -> dict[str, Any]:
    """When the messages go, if nothing goes wrong; windows, pace and LINE's rate counted in."""
    send_at = max(bulk.schedule.send_at or now, now)
    told: Forecast = forecast(
        list(lots_of(bulk)),
        pace=bulk.schedule.pace,
        send_at=send_at,
        per_second=_PER_SECOND,
        now=now,
    )
    return {
        "sendAt": format_instant(send_at),
        "firstAt": format_instant(told.first_at) if told.first_at else None,
        "lastAt": format_instant(told.last_at) if told.last_at else None,
        "expiredCount": told.expired,
        "steps": [
            {"from": format_instant(start), "messageCount": count} for start, count in told.steps()
        ],
    }
