"""Pushing again: what a person asks for an endpoint's reports, and that it was asked.

Commands and the console say it here and nowhere else: the same transaction writes into the audit
log who did, and how many reports that moved.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from linegate.domain.wiretime import format_instant
from linegate.postgres.audit import By, acting, note_change
from linegate.postgres.endpoints import (
    replay,
    replay_some,
    retry_endpoint,
    whose_endpoint,
)
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.posts import replay_posts

__all__ = ["Again", "Span"]

Count = int | None
"""How many reports; None: there is no such endpoint."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time; with_taken: also what the endpoint had taken, not only what was given up."""

    since: datetime
    until: datetime
    with_taken: bool


class Again:
    """Pushes reports of an endpoint again."""

    def __init__(self, pool: Pool) -> None:
        """Write over `pool`."""
        self._pool = pool

    async def retry(self, endpoint_id: int, by: By) -> Count:
        """Try what waits now, whatever the endpoint was in doubt for."""

        async def work(conn: Connection) -> int:
            return await retry_endpoint(conn, endpoint_id, now=by.now)

        return await self._noted(endpoint_id, by, "retry", work)

    async def span(self, endpoint_id: int, span: Span, by: By) -> Count:
        """Push again what fell due in a range of time."""

        async def work(conn: Connection) -> int:
            return await replay(
                conn,
                endpoint_id,
                since=span.since,
                until=span.until,
                with_taken=span.with_taken,
                now=by.now,
            )

        told = {"since": format_instant(span.since), "until": format_instant(span.until)}
        if span.with_taken:
            told["of"] = "taken ones too"
        return await self._noted(endpoint_id, by, "replay", work, **told)

    async def reports(self, endpoint_id: int, message_ids: Sequence[int], by: By) -> Count:
        """Push reports of these messages again."""

        async def work(conn: Connection) -> int:
            return await replay_some(conn, endpoint_id, message_ids, now=by.now)

        return await self._noted(endpoint_id, by, "replay", work)

    async def posts(self, endpoint_id: int, post_ids: Sequence[int], by: By) -> Count:
        """Push the reports of these requests again."""

        async def work(conn: Connection) -> int:
            return await replay_posts(conn, endpoint_id, post_ids, now=by.now)

        return await self._noted(endpoint_id, by, "replay", work)

    async def _noted(
        self,
        endpoint_id: int,
        by: By,
        what: str,
        work: Callable[[Connection], Awaitable[int]],
        **told: str,
    ) -> Count:
        """Do it, and write down that it was done."""
        async with acting(self._pool, by.actor) as conn:
            owner = await whose_endpoint(conn, endpoint_id)
            if owner is None:
                return None
            count = await work(conn)
            changes: dict[str, list[object]] = {name: [None, text] for name, text in told.items()}
            await note_change(
                conn,
                account_id=owner.account_id,
                actor=by.actor,
                kind="endpoint",
                subject=owner.url,
                changes={what: [None, count], **changes},
                now=by.now,
            )
        return count
