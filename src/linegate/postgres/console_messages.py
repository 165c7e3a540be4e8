"""Queries of the console's lists of messages that ended in a span, whichever account's."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.logs import Place
from linegate.postgres.pool import Connection
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


async def list_ended(conn: Connection, asked: EndedFilter) -> list[int]:
    """Messages that ended, the newest end first."""
    values = asked._asdict()
    values["before_at"], values["before_id"] = values.pop("before")
    is_sms = values.pop("by_sms")
    query = bundled().ended_by_sms if is_sms else bundled().ended_messages_of
    return [row["id"] for row in await query.many(conn, **values)]
