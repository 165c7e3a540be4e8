"""Queries of the console: who looks, and what the overview and its lists show."""

from collections.abc import Sequence
from datetime import date, datetime
from ipaddress import ip_network
from typing import NamedTuple

from linegate.domain.bulk import DUE_AT_ONCE
from linegate.domain.caller import Network
from linegate.domain.decide import DELIVERED
from linegate.domain.pulse import Beat
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "AccountListed",
    "Browser",
    "EndpointState",
    "LineAnswer",
    "PushListed",
    "SenderDetail",
    "SenderState",
    "account_of_message",
    "account_settings",
    "endpoint_of",
    "endpoint_pushes",
    "endpoint_states",
    "fates_of_bulk",
    "find_browser",
    "has_delivered",
    "line_answers",
    "list_accounts",
    "make_operator",
    "operators",
    "read_pulse",
    "sender_of",
    "sender_states",
    "sms_text_of",
    "unfinished_messages",
    "used_quotas",
]

_MOST_ACCOUNTS = 200
_MOST_ROWS = 200
_LOOKED_AT = 2000


class Browser(NamedTuple):
    """Who is behind a token. kind: console or link."""

    kind: str
    expires_at: datetime
    user_id: int
    name: str
    account_id: int
    account: str
    scopes: frozenset[str]
    enabled: bool
    networks: frozenset[Network]
    is_operator: bool
    suspended_at: datetime | None


class AccountListed(NamedTuple):
    """An account as an operator sees it."""

    id: int
    name: str
    suspended_at: datetime | None
    created_at: datetime


class SenderState(NamedTuple):
    """A sender and what waits for it; waiting is counted up to a limit."""

    id: int
    account: str
    name: str
    hold: str | None
    hold_reason: str | None
    held_at: datetime | None
    hold_until: datetime | None
    per_second: int
    granted: int
    free_at: datetime
    waiting: int
    waiting_since: datetime | None
    deaf_at: datetime | None


class SenderDetail(NamedTuple):
    """A sender with everything but its secrets."""

    id: int
    account_id: int
    name: str
    channel_id: str
    has_token: bool
    assertion_kid: str | None
    countries: list[str]
    relay_url: str | None
    hold: str | None
    hold_reason: str | None
    held_at: datetime | None
    hold_until: datetime | None
    created_at: datetime
    deaf_at: datetime | None


class EndpointState(NamedTuple):
    """An endpoint and its reports; waiting and given_up are counted up to a limit."""

    id: int
    account: str
    account_id: int
    url: str
    content_type: str
    is_default: bool
    profile_id: str | None
    failures: int
    probe_at: datetime | None
    last_error: str | None
    taken_at: datetime | None
    gone_at: datetime | None
    created_at: datetime
    waiting: int
    given_up: int


class LineAnswer(NamedTuple):
    """A kind of LINE's answers; code: HTTP status, 0 for none."""

    outcome: str
    code: int
    detail: str
    messages: int
    last_at: datetime


class PushListed(NamedTuple):
    """A report that an endpoint has not taken."""

    message_id: int
    number: int
    tries: int
    due_at: datetime
    retry_at: datetime | None
    given_up_at: datetime | None


async def find_browser(conn: Connection, digest: bytes) -> Browser | None:
    """Who is behind the token with this SHA-256, expired ones included."""
    row = await bundled().find_browser.one(conn, digest=digest)
    if row is None:
        return None
    networks = frozenset(ip_network(str(each)) for each in row["allowed_addresses"])
    return Browser(
        row["kind"],
        row["expires_at"],
        row["user_id"],
        row["name"],
        row["account_id"],
        row["account"],
        frozenset(row["scopes"]),
        row["enabled"],
        networks,
        row["is_operator"],
        row["suspended_at"],
    )


async def make_operator(conn: Connection, name: str, *, is_operator: bool) -> bool:
    """Let a user see every account, or its own alone; False if there is no such user."""
    return await bundled().make_operator.exec(conn, name=name, is_operator=is_operator) > 0


async def list_accounts(conn: Connection) -> list[AccountListed]:
    """The accounts of the installation by name, at most 200."""
    rows = await bundled().list_accounts.many(conn, limit=_MOST_ACCOUNTS)
    return [AccountListed(*row) for row in rows]


async def read_pulse(
    conn: Connection, account_ids: Sequence[int], *, grain: int, since: datetime
) -> list[Beat]:
    """What ended since then, by point of a chart of this grain (minutes)."""
    rows = await bundled().read_pulse.many(conn, account_ids=account_ids, grain=grain, since=since)
    return [Beat(at.timestamp(), status, bucket, count) for at, status, bucket, count in rows]


async def sender_states(
    conn: Connection, account_ids: Sequence[int], *, most: int, now: datetime
) -> list[SenderState]:
    """Senders by account and name; most: where counting stops."""
    rows = await bundled().sender_states.many(
        conn, account_ids=account_ids, most=most, now=now, limit=_MOST_ROWS
    )
    return [SenderState(*row) for row in rows]


async def endpoint_states(
    conn: Connection,
    account_ids: Sequence[int],
    *,
    most: int,
    endpoint_id: int | None = None,
    limit: int = _MOST_ROWS,
) -> list[EndpointState]:
    """Endpoints, those in trouble first, or the one; most: where counting stops."""
    rows = await bundled().endpoint_states.many(
        conn, account_ids=account_ids, most=most, endpoint_id=endpoint_id, limit=limit
    )
    return [EndpointState(*row) for row in rows]


async def endpoint_pushes(conn: Connection, endpoint_id: int, *, limit: int) -> list[PushListed]:
    """Reports that an endpoint has not taken, given-up ones first."""
    rows = await bundled().endpoint_pushes.many(conn, endpoint_id=endpoint_id, limit=limit)
    return [PushListed(*row) for row in rows]


async def endpoint_of(
    conn: Connection, endpoint_id: int, account_ids: Sequence[int]
) -> tuple[int, bool] | None:
    """Whose an endpoint is, and whether it is that account's own; None if of none of these."""
    row = await bundled().endpoint_of.one(conn, id=endpoint_id, account_ids=account_ids)
    return None if row is None else (row["account_id"], row["is_default"])


async def sender_of(
    conn: Connection, sender_id: int, account_ids: Sequence[int]
) -> SenderDetail | None:
    """A sender of one of these accounts."""
    row = await bundled().sender_of.one(conn, id=sender_id, account_ids=account_ids)
    return None if row is None else SenderDetail(*row)


async def fates_of_bulk(
    conn: Connection, bulk_id: int, last_id: int, *, messages: int
) -> dict[int, int]:
    """How the messages of a bulk ended, by status; messages: how many it has."""
    is_small = messages <= DUE_AT_ONCE
    query = bundled().fates_of_small_bulk if is_small else bundled().fates_of_bulk
    rows = await query.many(conn, bulk_id=bulk_id, last_id=last_id)
    return {row["status"]: row["messages"] for row in rows}


async def account_of_message(conn: Connection, message_id: int) -> int | None:
    """Whose a message is; None if there is none of this id."""
    id_: int | None = await bundled().account_of_message.value(conn, id=message_id)
    return id_


async def line_answers(conn: Connection, sender_id: int) -> list[LineAnswer]:
    """What LINE answered to a sender lately, by kind of answer, the newest kind first."""
    rows = await bundled().line_answers.many(conn, sender_id=sender_id, most=_LOOKED_AT)
    return [LineAnswer(*row) for row in rows]


async def sms_text_of(conn: Connection, message_id: int) -> str | None:
    """The text that a message fails over to; None if it does not."""
    text: str | None = await bundled().sms_text_of.value(conn, id=message_id)
    return text


async def used_quotas(conn: Connection, account_id: int, day: date) -> dict[str, int]:
    """What was used of an account's daily limits on a day (UTC), by whose limit it is."""
    rows = await bundled().used_quotas.many(conn, account_id=account_id, day=day)
    return {row["subject"]: row["used"] for row in rows}


async def unfinished_messages(
    conn: Connection,
    account_ids: Sequence[int],
    *,
    sender: str | None,
    due_by: datetime | None,
    limit: int,
) -> list[int]:
    """Messages that wait for their turn, and then those that wait for LINE's event.

    due_by: only those whose turn came by then; None: all.
    """
    rows = await bundled().unfinished_messages.many(
        conn, account_ids=account_ids, sender=sender, due_by=due_by, limit=limit
    )
    found = [row["id"] for row in rows]
    if sender is None and due_by is None and len(found) < limit:
        rows = await bundled().unanswered_messages.many(
            conn, account_ids=account_ids, most=_LOOKED_AT, limit=limit - len(found)
        )
        found += [row["id"] for row in rows]
    return found


async def operators(conn: Connection, account_id: int) -> set[str]:
    """The names of an account's users who are operators."""
    return {row["name"] for row in await bundled().operators.many(conn, account_id=account_id)}


async def account_settings(conn: Connection, account_id: int) -> int | None:
    """How many days an account's messages are kept; None: as the installation says."""
    days: int | None = await bundled().account_settings.value(conn, account_id=account_id)
    return days


async def has_delivered(conn: Connection, account_id: int) -> bool:
    """Whether any message of an account, of those that are kept, was delivered."""
    return bool(
        await bundled().has_delivered.value(conn, account_id=account_id, status=DELIVERED.status)
    )
