"""GET /line/1/reports: each final report of an account is handed out once, oldest first."""

from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.ids import read_public_id
from linegate.domain.report import FinishedMessage
from linegate.metrics import Metrics
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.reporting import (
    PullFilter,
    find_bulks,
    find_client_id,
    load_finished,
    pull_bulks,
    pull_message,
    pull_oldest,
)

__all__ = ["Puller"]

_REACH = timedelta(hours=48)
_MANY = 2000  # bulks: from here on the account's oldest reports are looked through
_NOBODY = -1  # an id that no message has: the filter matches nothing


class Puller:
    """Hands out reports."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics) -> None:
        """Pull over `pool`."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics

    async def pull(
        self,
        account_id: int,
        *,
        limit: int,
        message_id: str | None = None,
        bulk_id: str | None = None,
        entity_id: str | None = None,
        application_id: str | None = None,
        campaign: str | None = None,
    ) -> list[FinishedMessage]:
        """At most `limit` reports of the last 48 h that nobody has pulled; they count as pulled."""
        async with transaction(self._pool) as conn:
            asked = PullFilter(
                await self._id_of(conn, account_id, "message", message_id),
                await self._id_of(conn, account_id, "bulk", bulk_id),
                entity_id,
                application_id,
                campaign,
            )
            since = self._clock.now() - _REACH
            taken = await _take(conn, account_id, asked, limit=limit, since=since)
            reports = await load_finished(conn, taken)
        self._metrics.pulled.inc(len(reports))
        return reports

    async def _id_of(
        self, conn: Connection, account_id: int, kind: str, name: str | None
    ) -> int | None:
        if name is None:
            return None
        found = await find_client_id(conn, account_id, kind, name)
        if found is not None:
            return found
        made = read_public_id(name)
        return _NOBODY if made is None else made


async def _take(
    conn: Connection, account_id: int, asked: PullFilter, *, limit: int, since: datetime
) -> list[int]:
    """Take by the way in that touches the fewest rows; gives the messages."""
    if asked.message_id is not None:
        return await pull_message(conn, account_id, asked, since=since)
    bulks = await _bulks(conn, account_id, asked)
    if bulks is None:
        return await pull_oldest(conn, account_id, asked, limit=limit, since=since)
    return await pull_bulks(conn, account_id, asked, bulks, limit=limit, since=since)


async def _bulks(conn: Connection, account_id: int, asked: PullFilter) -> list[int] | None:
    """The bulks a filter leads to; None where it names none, or too many to look at."""
    if asked.bulk_id is not None:
        return [asked.bulk_id]
    if asked.campaign is not None:
        found = await find_bulks(conn, account_id, campaigns=[asked.campaign], limit=_MANY)
    elif asked.entity_id is not None:
        found = await find_bulks(conn, account_id, entity_ids=[asked.entity_id], limit=_MANY)
    elif asked.application_id is not None:
        named = [asked.application_id]
        found = await find_bulks(conn, account_id, application_ids=named, limit=_MANY)
    else:
        return None
    return found if len(found) < _MANY else None
