"""Queries of the log and of a message's time line."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from linegate.domain.ids import first_id_at, id_time
from linegate.domain.report import FinishedMessage
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled
from linegate.postgres.reporting import finished

__all__ = [
    "BulkRange",
    "Content",
    "FailedOver",
    "History",
    "LateEvent",
    "LogFilter",
    "Logged",
    "Place",
    "ToldReceipt",
    "TriedPush",
    "TriedSend",
    "WaitingPush",
    "bulk_ranges",
    "find_client_ids",
    "find_own_sender",
    "load_contents",
    "load_history",
    "load_logged",
    "log_account",
    "log_bulks",
    "log_horizon",
    "log_messages",
    "log_network",
    "log_unfinished",
    "owns_message",
]

_MICROSECOND = timedelta(microseconds=1)
_OPEN_BULKS = 1000
_LOOKED_AT = 50_000  # of all accounts' unfinished messages

Place = tuple[datetime, int]
"""Where a message stands in the log: when it was sent, and its id."""


class LogFilter(NamedTuple):
    """What every way in filters by; None means any. before: a cursor's place, exclusive."""

    account_id: int
    statuses: Sequence[int]
    since: datetime
    until: datetime
    before: Place
    limit: int
    sender_id: int | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaigns: Sequence[str] | None = None

    @property
    def names_a_part(self) -> bool:
        """Whether some of an account's messages are meant, by what their objects say."""
        parts = (self.sender_id, self.entity_id, self.application_id, self.campaigns)
        return any(part is not None for part in parts)


class BulkRange(NamedTuple):
    """A bulk's first and last id. finished_at: nothing of it was unfinished; None: unknown."""

    id: int
    last_id: int
    messages: int
    finished_at: datetime | None


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


async def log_account(
    conn: Connection, asked: LogFilter, bulk_ids: Sequence[int] | None = None
) -> list[Place]:
    """The newest places of a whole account; bulk_ids: only what belongs to one of these."""
    return _places(await bundled().log_account.many(conn, bulk_ids=bulk_ids, **_values(asked)))


async def log_horizon(conn: Connection, asked: LogFilter, *, most: int) -> datetime | None:
    """From when on an account has at most `most` ended messages of each status; None: always."""
    values = _values(asked)
    for name in ("limit", "sender_id", "entity_id", "application_id", "campaigns"):
        del values[name]
    at: datetime | None = await bundled().log_horizon.value(conn, most=most, **values)
    return at


async def bulk_ranges(
    conn: Connection, account_id: int, bulk_ids: Sequence[int]
) -> list[BulkRange]:
    """Where bulks of an account lie."""
    rows = await bundled().bulk_ranges.many(conn, bulk_ids=bulk_ids, account_id=account_id)
    return [BulkRange(*row) for row in rows]


async def log_bulks(
    conn: Connection, asked: LogFilter, bulk_ids: Sequence[int], *, network: str | None = None
) -> list[Place]:
    """The newest places of some bulks."""
    rows = await bundled().log_bulks.many(
        conn, bulk_ids=bulk_ids, network=network, **_values(asked)
    )
    return _places(rows)


async def log_network(conn: Connection, asked: LogFilter, network: str) -> list[Place]:
    """The newest places that ended by SMS in a network."""
    known = network.rstrip("_%") if network[0] != "_" else ""
    rows = await bundled().log_network.many(
        conn,
        network=network,
        from_network=known,
        to_network=known + ":",  # what comes after the digits
        **_values(asked),
    )
    return _places(rows)


async def log_unfinished(
    conn: Connection,
    asked: LogFilter,
    bulk_ids: Sequence[int] | None,
    *,
    since: datetime | None,
) -> list[Place]:
    """The newest that have not ended, of some bulks or of the account; since: None: however old.

    They stand where their ids do: at the instant the id was made.
    """
    after_id = 0 if since is None else first_id_at(since) - 1
    before_id = min(_before(asked.before), first_id_at(asked.until + _MICROSECOND))
    if bulk_ids is None:
        ranges = [(after_id, before_id)]
        rows = await bundled().open_bulks.many(conn, account_id=asked.account_id, limit=_OPEN_BULKS)
        bulk_ids = [row["id"] for row in rows]
    else:
        ranges = [
            (max(each.id, after_id), min(each.last_id + 1, before_id))
            for each in await bulk_ranges(conn, asked.account_id, bulk_ids)
        ]
    values = _values(asked)
    for name in ("since", "until", "before_at", "before_id"):
        del values[name]
    found = await bundled().log_unfinished.many(
        conn,
        after_ids=[after for after, _ in ranges],
        before_ids=[before for _, before in ranges],
        bulk_ids=bulk_ids,
        most=_LOOKED_AT,
        **values,
    )
    return [(id_time(row["id"]), row["id"]) for row in found]


async def log_messages(
    conn: Connection,
    asked: LogFilter,
    *,
    message_ids: Sequence[int] = (),
    destination: str | None = None,
    bulk_ids: Sequence[int] | None = None,
    network: str | None = None,
    with_old_unfinished: bool = False,
) -> list[Place]:
    """The places of messages by their ids, or by the number they went to; ended or not.

    with_old_unfinished: what has not ended is meant whenever it was accepted.
    """
    by_number = destination is not None and not message_ids
    rows = await bundled().log_messages.many(
        conn,
        message_ids=message_ids,
        destinations=[destination] if by_number else [],
        destination=destination,
        bulk_ids=bulk_ids,
        network=network,
        with_old_unfinished=with_old_unfinished,
        **_values(asked),
    )
    return _places(rows)


async def load_logged(conn: Connection, ids: Sequence[int]) -> dict[int, Logged]:
    """What the log shows, by message."""
    rows = await bundled().load_logged.many(conn, ids=ids)
    return {
        row["id"]: Logged(finished(row), row["object_id"], row["accepted_at"], row["placeholders"])
        for row in rows
    }


async def load_contents(conn: Connection, object_ids: Sequence[int]) -> dict[int, Content]:
    """Contents, by message object."""
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
    conn: Connection, account_id: int, kind: str, names: Sequence[str]
) -> dict[str, int]:
    """Our ids behind those that the client chose, by name."""
    rows = await bundled().find_client_ids.many(conn, account_id=account_id, kind=kind, names=names)
    return {row["name"]: row["id"] for row in rows}


async def find_own_sender(conn: Connection, account_id: int, name: str) -> int | None:
    """A sender of this account by its name."""
    id_: int | None = await bundled().find_own_sender.value(conn, account_id=account_id, name=name)
    return id_


async def owns_message(conn: Connection, account_id: int, message_id: int) -> bool:
    """Whether a message is this account's."""
    return bool(await bundled().owns_message.value(conn, account_id=account_id, id=message_id))


def _before(place: Place) -> int:
    """The id before which all ids stand before a place."""
    at, id_ = place
    return max(first_id_at(at), min(id_, first_id_at(at + _MICROSECOND)))


def _values(asked: LogFilter) -> dict[str, object]:
    values = asked._asdict()
    values["before_at"], values["before_id"] = values.pop("before")
    return values


def _places(rows: Sequence[tuple[int, datetime]]) -> list[Place]:
    return [(at, id_) for id_, at in rows]
