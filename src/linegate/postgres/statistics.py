"""Queries about counts and cost: adding up, reading, and what LINE counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import asyncpg

from linegate.domain.bulk import DUE_AT_ONCE
from linegate.domain.decide import DELIVERED
from linegate.domain.ids import day_start
from linegate.domain.spread import PROMPT_DAYS
from linegate.domain.statistics import Counted, Group
from linegate.postgres.pool import Connection, named_days
from linegate.postgres.queries import bundled

__all__ = [
    "LineCount",
    "Selection",
    "Uncounted",
    "count_late",
    "list_line_counts",
    "lock_rollup",
    "roll_tally",
    "rolled_up",
    "sum_statistics",
    "uncounted_days",
    "write_line_count",
]

_LINE_DAY = timedelta(hours=9)  # LINE's days are those of UTC+9
_LIVES = timedelta(days=8)  # of a message, from acceptance to the last event that may come


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages to count: days of acceptance (UTC, both included), and filters."""

    since: date
    until: date
    sender: str | None = None
    application_id: str | None = None
    entity_id: str | None = None
    campaign: str | None = None


class Uncounted(NamedTuple):
    """A day of a sender that LINE has not counted yet, of one of its two kinds of messages."""

    sender_id: int
    templated: bool
    day: date


@dataclass(frozen=True, slots=True)
class LineCount:
    """One day of a sender, ours and LINE's count; line_says is None until LINE has counted."""

    account: str
    sender: str
    templated: bool
    day: date
    delivered: int
    late: int
    line_says: int | None
    asked_at: datetime | None

    @property
    def difference(self) -> int | None:
        """LINE's count less ours; None until LINE has counted."""
        return None if self.line_says is None else self.line_says - self.delivered - self.late


async def lock_rollup(conn: Connection) -> bool:
    """Whether this transaction may add up; another one is at it if not."""
    return bool(await bundled().lock_rollup.value(conn))


async def roll_tally(conn: Connection, *, limit: int) -> int:
    """Add up at most `limit` rows of the tally; gives how many there were."""
    moved = await bundled().roll_tally.value(
        conn, limit=limit, delivered=DELIVERED.status, few=DUE_AT_ONCE, prompt=PROMPT_DAYS
    )
    return int(moved)


async def rolled_up(conn: Connection, *, as_of: datetime) -> None:
    """Write that the sums are complete as of then."""
    await bundled().rolled_up.exec(conn, as_of=as_of)


async def sum_statistics(
    conn: Connection, account_id: int, asked: Selection, by: Iterable[str], *, limit: int
) -> list[Counted]:
    """Counts by `by` (of `statistics.BY`) and status, at most `limit` rows; outside transactions.

    What is not added up yet is in them: both are read as of one instant.
    """
    values: dict[str, object] = {
        "account_id": account_id,
        "since": asked.since,
        "until": asked.until,
        "by": list(by),
        "sender": asked.sender,
        "application_id": asked.application_id,
        "entity_id": asked.entity_id,
        "campaign": asked.campaign,
        "limit": limit,
    }
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        fresh = await bundled().sum_tally.many(conn, delivered=DELIVERED.status, **values)
        async with named_days(conn):
            summed = await bundled().sum_statistics.many(conn, **values)
    return _together(map(_counted, [*summed, *fresh]))[:limit]


def _counted(row: asyncpg.Record) -> Counted:
    names = (row[name] or None for name in ("application_id", "entity_id", "campaign"))
    return Counted(
        Group(row["day"], row["sender"], *names),
        row["status"],
        row["currency"],
        row["messages"],
        row["cost"],
        row["by_sms"],
    )


def _together(rows: Iterable[Counted]) -> list[Counted]:
    """One row for each group, status and currency, in their order."""
    found: dict[tuple[Group, int, str], Counted] = {}
    for row in rows:
        key = row[:3]
        before = found.get(key)
        found[key] = row if before is None else before.plus(row)
    return [row for _, row in sorted(found.items(), key=_order)]


def _order(item: tuple[tuple[Group, int, str], Counted]) -> tuple[str, ...]:
    group, status, currency = item[0]
    return (*(str(each or "") for each in group), f"{status:5}", currency)


async def uncounted_days(
    conn: Connection, *, today: date, days: int, asked_before: datetime, limit: int
) -> list[Uncounted]:
    """Days up to `days` before `today` that LINE has not counted and was not asked for lately."""
    rows = await bundled().uncounted_days.many(
        conn, today=today, days=days, asked_before=asked_before, limit=limit
    )
    return [Uncounted(*row) for row in rows]


async def count_late(conn: Connection, asked: Uncounted) -> int:
    """Deliveries of a day (UTC+9) that ended nothing, second ones of a message included."""
    since = datetime.combine(asked.day, time(), UTC) - _LINE_DAY
    until = since + timedelta(days=1)
    late = await bundled().count_late.value(
        conn,
        first_id=day_start((since - _LIVES).date()),
        last_id=day_start((until + timedelta(days=1)).date()),
        since=since,
        until=until,
        sender_id=asked.sender_id,
        templated=asked.templated,
    )
    return int(late)


async def write_line_count(
    conn: Connection, asked: Uncounted, *, late: int, line_says: int | None, now: datetime
) -> None:
    """Keep what LINE said of a day; None: it has not counted yet."""
    await bundled().write_line_count.exec(
        conn,
        sender_id=asked.sender_id,
        templated=asked.templated,
        day=asked.day,
        late=late,
        line_says=line_says,
        now=now,
    )


async def list_line_counts(
    conn: Connection, *, account_id: int | None, since: date
) -> list[LineCount]:
    """Ours and LINE's counts, newest day first, of one account or of all."""
    rows = await bundled().list_line_counts.many(conn, account_id=account_id, since=since)
    return [LineCount(*row) for row in rows]
