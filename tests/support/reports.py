"""Finished messages whose reports wait, written straight into the tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from linegate.domain.ids import IdMaker
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import Pool

__all__ = ["SECRET", "Scene", "given_account"]

_LINE_MESSAGE = '{"type":"flex","altText":"a","contents":{}}'
SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


@dataclass(slots=True)
class Scene:
    """An account with a sender, and what was finished for it."""

    pool: Pool
    account_id: int
    sender_id: int
    ids: IdMaker = field(default_factory=lambda: IdMaker(7))

    async def endpoint(self, url: str, *, content_type: str = "application/json") -> int:
        """An endpoint of this URL."""
        async with self.pool.acquire() as conn:
            id_: int = await conn.fetchval(
                "INSERT INTO endpoint (account_id, url, content_type, created_at)"
                " VALUES ($1, $2, $3, '2026-01-01') RETURNING id",
                self.account_id,
                url,
                content_type,
            )
        return id_

    async def finished(
        self,
        count: int,
        *,
        now: datetime,
        endpoint_id: int | None = None,
        status: int = 5,
        error: int = 0,
        client_ids: Sequence[str | None] | None = None,
        entity: str | None = None,
        application: str | None = None,
        campaign: str | None = None,
        destination: str = "66855538125",
    ) -> list[int]:
        """Messages of one bulk and object that ended now; gives their ids."""
        bulk, part, *ids = self.ids.block(count + 2, now)
        names = list(client_ids or [None] * count)
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO bulk (id, account_id, accepted_at, messages, last_id)"
                " VALUES ($1, $2, $3, $4, $5)",
                bulk,
                self.account_id,
                now,
                count,
                ids[-1],
            )
            await conn.execute(
                "INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated,"
                " line_message, validity, entity_id, application_id, campaign, callback_data)"
                " VALUES ($1, $2, $3, $4, false, $8, '48 hours', $5, $6, $7, 'order-7')",
                part,
                bulk,
                self.account_id,
                self.sender_id,
                entity,
                application,
                campaign,
                _LINE_MESSAGE,
            )
            await conn.execute(
                "INSERT INTO message (id, object_id, destination, client_id)"
                " SELECT id, $2, $4, name FROM unnest($1::bigint[], $3::text[]) AS m (id, name)",
                ids,
                part,
                names,
                destination,
            )
            await conn.execute(
                "INSERT INTO client_id (account_id, kind, name, id) SELECT $1, 'message', name, id"
                " FROM unnest($2::text[], $3::bigint[]) AS m (name, id) WHERE name IS NOT NULL",
                self.account_id,
                names,
                ids,
            )
            await self._ended(conn, ids, part, status, error, now)
            if endpoint_id is not None:
                await conn.execute(
                    "INSERT INTO push (message_id, endpoint_id, due_at)"
                    " SELECT unnest($1::bigint[]), $2, $3",
                    ids,
                    endpoint_id,
                    now,
                )
        return ids

    async def _ended(
        self,
        conn: asyncpg.Connection,
        ids: list[int],
        part: int,
        status: int,
        error: int,
        now: datetime,
    ) -> None:
        await conn.execute(
            "INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)"
            " SELECT unnest($1::bigint[]), $2, $3, $4, $5, $6, $7",
            ids,
            self.account_id,
            part,
            status,
            error,
            now - timedelta(seconds=1),
            now,
        )

    async def waiting(self) -> list[asyncpg.Record]:
        """What still waits to be pushed."""
        async with self.pool.acquire() as conn:
            rows: list[asyncpg.Record] = await conn.fetch(
                "SELECT * FROM push ORDER BY message_id, number"
            )
        return rows


async def given_account(pool: Pool, now: datetime, name: str = "shop") -> Scene:
    """An account whose signing secret is SECRET, unsealed, with one sender."""
    async with pool.acquire() as conn:
        await ensure_partitions(conn, now=now)
        account: int = await conn.fetchval(
            "INSERT INTO account (name, webhook_secret, created_at) VALUES ($1, $2, $3)"
            " RETURNING id",
            name,
            SECRET.encode(),
            now,
        )
        sender: int = await conn.fetchval(
            "INSERT INTO sender (account_id, name, channel_id, channel_secret, created_at)"
            " VALUES ($1, $2, '1', '', $3) RETURNING id",
            account,
            f"{name}-sender",
            now,
        )
    return Scene(pool, account, sender)
