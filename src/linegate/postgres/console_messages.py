"""Queries of the console's lists of messages that ended in a span, whichever account's."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.spread import IdRange, days_ended_since, id_ranges, spans
from linegate.postgres.log_ways import Place, late_days
from linegate.postgres.pool import Connection, named_days
from linegate.postgres.queries import bundled

__all__ = ["EndedFilter", "list_ended"]


class EndedFilter(NamedTuple):
    """Which messages; None means any.

    since, until: when they ended. before: a cursor's place, by time of end; exclusive.
    sender: of LINE, by name. by_sms: only those that their SMS leg ended.
    """

    account_ids: Sequence[int]
    statuses: Sequence[int]
    since: datetime
    until: datetime
    before: Place
    limit: int
    by_sms: bool = False
    sender: str | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaign: str | None = None


async def list_ended(conn: Connection, asked: EndedFilter, *, now: datetime) -> list[int]:
    """Messages that ended, the newest end first: of the last day, and so on (domain/spread.py)."""
    found: list[Place] = []
    async with named_days(conn):
        for span in spans(asked.since, min(asked.until, asked.before[0]), now):
            rest = asked._replace(since=span.since, until=span.until)
            late = await late_days(conn, asked.account_ids, days_ended_since(span))
            for ids in id_ranges(span, late, now):
                found += await _ended_in(conn, rest, ids)
            if len(found) >= asked.limit:
                break
    return [id_ for _, id_ in sorted(found, reverse=True)[: asked.limit]]


async def _ended_in(conn: Connection, asked: EndedFilter, ids: IdRange) -> list[Place]:
    values = asked._asdict()
    values["before_at"], values["before_id"] = values.pop("before")
    is_sms = values.pop("by_sms")
    query = bundled().ended_by_sms if is_sms else bundled().ended_messages_of
    rows = await query.many(conn, first_id=ids.first, end_id=ids.end, **values)
    return [(row["at"], row["id"]) for row in rows]
