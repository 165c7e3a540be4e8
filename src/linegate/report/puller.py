"""GET /line/1/reports: each final report of an account is handed out once, oldest first."""

from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.ids import read_public_id
from linegate.domain.report import FinishedMessage
from linegate.metrics import Metrics
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.pulling import PullFilter, pull_bulks, pull_message, pull_oldest
from linegate.postgres.reporting import (
    find_bulks,
    find_client_id,
    load_finished,
)

__all__ = ["Puller"]

_REACH = timedelta(hours=48)
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
            taken = await _take(conn, account_id, asked, limit=limit, now=self._clock.now())
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
    conn: Connection, account_id: int, asked: PullFilter, *, limit: int, now: datetime
) -> list[int]:
    """Take by the way in that touches the fewest rows; gives the messages."""
    since = now - _REACH
    if asked.message_id is not None:
        return await pull_message(conn, account_id, asked, since=since, now=now)
    if asked.bulk_id is not None:
        bulks: list[int] | None = [asked.bulk_id]
    else:
        bulks = await find_bulks(
            conn,
            account_id,
            campaigns=None if asked.campaign is None else [asked.campaign],
            entity_id=asked.entity_id,
            application_id=asked.application_id,
            since=since,
        )
    if bulks is None:
        return await pull_oldest(conn, account_id, asked, limit=limit, since=since, now=now)
    return await pull_bulks(conn, account_id, asked, bulks, limit=limit, since=since, now=now)
