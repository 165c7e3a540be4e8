"""Queries about counts and cost: adding up, reading, and what LINE counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from linegate.domain.bulk import DUE_AT_ONCE
from linegate.domain.decide import DELIVERED
from linegate.domain.ids import day_start
from linegate.domain.statistics import Counted, Group
from linegate.postgres.pool import Connection
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
        conn, limit=limit, delivered=DELIVERED.status, few=DUE_AT_ONCE
    )
    return int(moved)


async def rolled_up(conn: Connection, *, as_of: datetime) -> None:
    """Write that the sums are complete as of then."""
    await bundled().rolled_up.exec(conn, as_of=as_of)


async def sum_statistics(
    conn: Connection, account_id: int, asked: Selection, by: Iterable[str], *, limit: int
) -> list[Counted]:
    """Counts by `by` (of `statistics.BY`) and status, at most `limit` rows."""
    rows = await bundled().sum_statistics.many(
        conn,
        account_id=account_id,
        since=asked.since,
        until=asked.until,
        by=list(by),
        sender=asked.sender,
        application_id=asked.application_id,
        entity_id=asked.entity_id,
        campaign=asked.campaign,
        delivered=DELIVERED.status,
        limit=limit,
    )
    return [
        Counted(
            Group(row["day"], row["sender"], *_names(row)),
            row["status"],
            row["currency"],
            row["messages"],
            row["cost"],
            row["by_sms"],
        )
        for row in rows
    ]


def _names(row: dict[str, str | None]) -> tuple[str | None, ...]:
    return tuple(row[name] or None for name in ("application_id", "entity_id", "campaign"))


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
