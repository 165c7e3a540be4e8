"""Queries of what the log shows of messages, and of a message's time line."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from linegate.domain.report import FinishedMessage
from linegate.postgres.pool import Connection, named_days
from linegate.postgres.queries import Query, bundled
from linegate.postgres.reporting import finished

__all__ = [
    "Content",
    "FailedOver",
    "History",
    "LateEvent",
    "Logged",
    "ToldReceipt",
    "TriedPush",
    "TriedSend",
    "WaitingPush",
    "find_client_ids",
    "find_own_sender",
    "load_contents",
    "load_history",
    "load_logged",
    "owns_message",
]

_Row: TypeAlias = Mapping[str, Any]
_WAITS, _WITH_A_PLATFORM = 26, 7  # the public statuses of what has not ended


class Logged(NamedTuple):
    """A message in the log. sent_at of `message` is None before the first hand-over.

    placeholders: what it fills into its object's content, JSON; None: nothing.
    """

    message: FinishedMessage
    object_id: int
    accepted_at: datetime
    placeholders: str | None


class Content(NamedTuple):
    """The content of one message object, as it goes to LINE."""

    templated: bool
    line_message: str


class TriedSend(NamedTuple):
    """One attempt at a platform. route, parts: of an SMS; None: LINE."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: int
    error: int
    request_id: str
    detail: str
    route: str | None = None
    parts: int | None = None


class ToldReceipt(NamedTuple):
    """What an SMS provider told of a message; done_at: when, as it says; part 0: of all."""

    received_at: datetime
    done_at: datetime | None
    status: int
    error: int
    detail: str
    route: str | None
    part: int = 0


class FailedOver(NamedTuple):
    """When the SMS leg began; status, error: how the LINE leg had ended."""

    at: datetime
    status: int
    error: int


class LateEvent(NamedTuple):
    """A delivery event that came after the end."""

    attempt: int
    happened_at: datetime
    received_at: datetime


class TriedPush(NamedTuple):
    """One try of one report; detail '': taken; number 0: the final report."""

    number: int
    tried_at: datetime
    code: int
    detail: str
    url: str


class WaitingPush(NamedTuple):
    """A report that was not taken yet."""

    number: int
    tries: int
    due_at: datetime
    retry_at: datetime | None
    given_up_at: datetime | None
    url: str


class History(NamedTuple):
    """Everything that is known of one message besides its log line.

    released_at: when it left its bulk; pulled_at: when its report was; None: not so far.
    heard_attempt: which one LINE's delivery event was about that ended it; None: no event did.
    """

    attempts: list[TriedSend]
    late_events: list[LateEvent]
    tries: list[TriedPush]
    waiting: list[WaitingPush]
    receipts: Sequence[ToldReceipt] = ()
    released_at: datetime | None = None
    pulled_at: datetime | None = None
    failover: FailedOver | None = None
    heard_attempt: int | None = None


async def load_logged(conn: Connection, ids: Sequence[int]) -> dict[int, Logged]:
    """What the log shows, by message."""
    sql = bundled()
    async with named_days(conn):
        at_line = await _by_id(conn, sql.logged_queue, ids)
        at_sms = await _by_id(conn, sql.logged_sms_legs, ids)
        finals = await _by_id(conn, sql.logged_finals, ids)
        sms_ends = await _by_id(conn, sql.logged_sms_ends, finals.keys())
        messages = await _by_id(conn, sql.logged_messages, ids)
        objects = await _by_id(
            conn, sql.logged_objects, {m["object_id"] for m in messages.values()}
        )
        bulks = await _by_id(conn, sql.logged_bulks, {part["bulk_id"] for part in objects.values()})
    found = {}
    for id_, message in messages.items():
        part = objects[message["object_id"]]
        bulk = bulks[part["bulk_id"]]
        end = _ended(finals.get(id_), sms_ends.get(id_)) or _waits(
            at_line.get(id_), at_sms.get(id_)
        )
        found[id_] = Logged(
            finished({**part, **message, **end, "bulk_client_id": bulk["client_id"]}),
            part["id"],
            bulk["accepted_at"],
            message["placeholders"],
        )
    return found


async def _by_id(conn: Connection, query: Query, ids: Iterable[int]) -> dict[int, _Row]:
    return {row["id"]: row for row in await query.many(conn, ids=sorted(ids))}


def _waits(at_line: _Row | None, at_sms: _Row | None) -> dict[str, object]:
    """What is told of a message that has not ended."""
    sent_at = (at_line or at_sms or {"sent_at": None})["sent_at"]
    status = _WITH_A_PLATFORM if sent_at is not None or at_sms is not None else _WAITS
    row = {"status": status, "error": 0, "sent_at": sent_at, "done_at": None}
    return row | {"by_sms": False, "parts": 1, "mcc_mnc": None}


def _ended(final: _Row | None, sms_end: _Row | None) -> dict[str, object] | None:
    """What is told of its end. A price is that of the leg that ended the message."""
    if final is None:
        return None
    row = dict(final) | {"by_sms": sms_end is not None, "parts": 1, "mcc_mnc": None}
    if sms_end is None:
        return row
    row |= dict(sms_end)
    if not sms_end["sender"]:
        del row["sender"]
    return row


async def load_contents(conn: Connection, object_ids: Sequence[int]) -> dict[int, Content]:
    """Contents, by message object."""
    async with named_days(conn):
        rows = await bundled().load_contents.many(conn, ids=object_ids)
    return {row["id"]: Content(row["templated"], row["line_message"]) for row in rows}


async def load_history(conn: Connection, message_id: int) -> History:
    """What happened to one message."""
    marks = await bundled().message_marks.one(conn, id=message_id) or (None, None)
    failover = await bundled().message_failover.one(conn, id=message_id)
    return History(
        [TriedSend(*row) for row in await bundled().message_attempts.many(conn, id=message_id)],
        [LateEvent(*row) for row in await bundled().message_late_events.many(conn, id=message_id)],
        [TriedPush(*row) for row in await bundled().message_tries.many(conn, id=message_id)],
        [WaitingPush(*row) for row in await bundled().message_pushes.many(conn, id=message_id)],
        [ToldReceipt(*row) for row in await bundled().message_receipts.many(conn, id=message_id)],
        released_at=marks[0],
        pulled_at=marks[1],
        failover=None if failover is None else FailedOver(*failover),
        heard_attempt=await bundled().heard_attempt.value(conn, id=message_id),
    )


async def find_client_ids(
    conn: Connection, account_ids: Sequence[int], kind: str, names: Sequence[str]
) -> dict[str, list[int]]:
    """Our ids behind those that clients chose, by name; each account has names of its own."""
    found: dict[str, list[int]] = {}
    rows = await bundled().find_client_ids.many(
        conn, account_ids=account_ids, kind=kind, names=names
    )
    for name, id_ in rows:
        found.setdefault(name, []).append(id_)
    return found


async def find_own_sender(
    conn: Connection, account_ids: Sequence[int], name: str
) -> tuple[int, int] | None:
    """A sender of these accounts by its name, and its account; names are one installation's."""
    row = await bundled().find_own_sender.one(conn, account_ids=account_ids, name=name)
    return None if row is None else (row["id"], row["account_id"])


async def owns_message(conn: Connection, account_id: int, message_id: int) -> bool:
    """Whether a message is this account's."""
    return bool(await bundled().owns_message.value(conn, account_id=account_id, id=message_id))
