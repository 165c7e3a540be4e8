"""Queries of what the log shows of messages, and of a message's time line."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from linegate.domain.report import FinishedMessage
from linegate.postgres.pool import Connection, named_days
from linegate.postgres.queries import bundled
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
    """What an SMS provider told of a message; done_at: when, as it says."""

    received_at: datetime
    done_at: datetime | None
    status: int
    error: int
    detail: str
    route: str | None


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
    """

    attempts: list[TriedSend]
    late_events: list[LateEvent]
    tries: list[TriedPush]
    waiting: list[WaitingPush]
    receipts: Sequence[ToldReceipt] = ()
    released_at: datetime | None = None
    pulled_at: datetime | None = None
    failover: FailedOver | None = None


async def load_logged(conn: Connection, ids: Sequence[int]) -> dict[int, Logged]:
    """What the log shows, by message."""
    async with named_days(conn):
        messages = await bundled().load_logged.many(conn, ids=ids)
        object_ids = sorted({row["object_id"] for row in messages})
        rows = await bundled().logged_objects.many(conn, ids=object_ids)
        objects = {row["id"]: row for row in rows}
        rows = await bundled().logged_bulks.many(conn, ids=sorted({row["bulk_id"] for row in rows}))
        bulks = {row["id"]: row for row in rows}
    found = {}
    for message in messages:
        part = objects[message["object_id"]]
        bulk = bulks[part["bulk_id"]]
        found[message["id"]] = Logged(
            finished(_joined(message, part, bulk)),
            part["id"],
            bulk["accepted_at"],
            message["placeholders"],
        )
    return found


def _joined(message: _Row, part: _Row, bulk: _Row) -> dict[str, object]:
    """One row of all three. A price is that of the leg that ended the message."""
    row = {**part, **message, "bulk_client_id": bulk["client_id"]}
    if not message["by_sms"]:
        row |= {name: part[name] for name in ("price", "currency")}
    row["sender"] = message["sender"] or part["sender"]
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
