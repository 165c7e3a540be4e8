"""A message's time line from what is stored: everything that happened to it, in order.

Instants are the wire's; who reads it are support staff and the client. Knows no SQL.
"""

from datetime import datetime
from typing import Any

from linegate.domain.wiretime import format_instant
from linegate.postgres.logs import (
    FailedOver,
    History,
    Logged,
    ToldReceipt,
    TriedPush,
    TriedSend,
    WaitingPush,
)

__all__ = ["shown_url", "timeline_of"]

Entry = tuple[datetime, dict[str, Any]]


def timeline_of(logged: Logged, history: History) -> list[dict[str, Any]]:
    """Entries `{"at", "event", ...}`, oldest first."""
    entries: list[Entry] = [(logged.accepted_at, {"event": "ACCEPTED"})]
    if history.released_at is not None:
        entries.append((history.released_at, {"event": "RELEASED"}))
    entries += [_attempt(each) for each in history.attempts]
    entries += [
        (late.received_at, {"event": "LATE_DELIVERY_EVENT", "attempt": late.attempt})
        for late in history.late_events
    ]
    if history.failover is not None:
        entries.append(_failover(history.failover))
    entries += [_receipt(each) for each in history.receipts]
    if logged.message.done_at is not None:
        if history.heard_attempt is not None:
            heard = {"event": "DELIVERY_EVENT", "attempt": history.heard_attempt}
            entries.append((logged.message.done_at, heard))
        ended = {"event": "ENDED", "statusId": logged.message.status}
        entries.append((logged.message.done_at, ended))
    entries += [_try(each) for each in history.tries]
    entries += [_waiting(each) for each in history.waiting]
    if history.pulled_at is not None:
        entries.append((history.pulled_at, {"event": "REPORT_PULLED"}))
    entries.sort(key=lambda entry: entry[0])
    return [{"at": format_instant(at), **entry} for at, entry in entries]


def _attempt(tried: TriedSend) -> Entry:
    entry: dict[str, Any] = {
        "event": "ATTEMPT",
        "leg": "LINE" if tried.route is None else "SMS",
        "attempt": tried.number,
        "endedAt": format_instant(tried.ended_at),
        "outcome": tried.outcome.upper(),
        "code": tried.code,
        "errorId": tried.error,
    }
    if tried.route is not None:
        entry |= {"route": tried.route, "messageCount": tried.parts}
    if tried.request_id:
        entry["requestId"] = tried.request_id
    if tried.detail:
        entry["detail"] = tried.detail
    return tried.started_at, entry


def _failover(failover: FailedOver) -> Entry:
    left = {"event": "FAILOVER", "statusId": failover.status, "errorId": failover.error}
    return failover.at, left


def _receipt(told: ToldReceipt) -> Entry:
    entry: dict[str, Any] = {
        "event": "SMS_RECEIPT",
        "leg": "SMS",
        "statusId": told.status,
        "errorId": told.error,
        "detail": told.detail,
    }
    if told.route is not None:
        entry["route"] = told.route
    if told.part:
        entry["part"] = told.part
    if told.done_at is not None:
        entry["doneAt"] = format_instant(told.done_at)
    return told.received_at, entry


def _try(tried: TriedPush) -> Entry:
    entry: dict[str, Any] = {
        "event": "REPORT_FAILED" if tried.detail else "REPORT_TAKEN",
        "report": _kind(tried.number),
        "url": shown_url(tried.url),
        "code": tried.code,
    }
    if tried.detail:
        entry["detail"] = tried.detail
    return tried.tried_at, entry


def _waiting(push: WaitingPush) -> Entry:
    entry: dict[str, Any] = {"report": _kind(push.number), "url": shown_url(push.url)}
    if push.given_up_at is not None:
        return push.given_up_at, {"event": "REPORT_GIVEN_UP", **entry, "tries": push.tries}
    due_at = push.retry_at or push.due_at
    return due_at, {"event": "REPORT_WAITING", **entry, "tries": push.tries}


def _kind(number: int) -> str:
    return "FINAL" if number == 0 else "INTERMEDIATE"


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: its query and user."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
