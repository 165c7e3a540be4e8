"""A small installation on the test's own database: an account, a sender, and a way to send."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from linegate.accept.accept_bulk import Accepted, Acceptor, BulkIdTaken
from linegate.accept.accepted import Full
from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.decide import Unfinished
from linegate.domain.ids import IdMaker
from linegate.metrics import Metrics
from linegate.postgres.directory import (
    ensure_endpoint,
    insert_account,
    insert_sender,
    next_process_number,
)
from linegate.postgres.dispatching import Arrived, DueMessage, claim_due
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import Connection, Pool, connect
from support.clock import FakeClock

__all__ = ["HOUR", "SECOND", "World", "a_world", "metrics"]

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LINE_MESSAGE = (
    '{"type":"flex","altText":"a","contents":{"type":"bubble",'
    '"body":{"type":"box","layout":"vertical","contents":[]}}}'
)


def metrics() -> Metrics:
    """Counters that nobody else has."""
    return Metrics(CollectorRegistry())


def a_number(at: int = 0) -> str:
    """The digits of one of the simulator's numbers; its last two choose the fate."""
    return f"8190100{at:05d}"


@dataclass(slots=True)
class World:
    """What a test of the stages needs. Every query goes over `pool`, at `clock`'s time."""

    pool: Pool
    clock: FakeClock
    dsn: str
    account: int
    sender: int
    acceptor: Acceptor
    metrics: Metrics = field(default_factory=metrics)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def new_account(self, name: str) -> int:
        async with self.pool.acquire() as conn:
            id_ = await insert_account(conn, name, webhook_secret=b"sealed", now=self.now)
        assert id_ is not None
        return id_

    async def new_sender(
        self, name: str, account: int | None = None, *, per_second: int = 1900
    ) -> int:
        async with self.pool.acquire() as conn:
            id_ = await insert_sender(
                conn,
                account_id=account or self.account,
                name=name,
                channel_id=f"channel-{name}",
                channel_secret=b"sealed",
                access_token=None,
                per_second=per_second,
                now=self.now,
            )
        assert id_ is not None
        return id_

    async def new_endpoint(
        self, url: str, account: int | None = None, content_type: str = "application/json"
    ) -> int:
        async with self.pool.acquire() as conn:
            return await ensure_endpoint(
                conn,
                account_id=account or self.account,
                url=url,
                content_type=content_type,
                now=self.now,
            )

    def an_object(self, count: int = 1, **changed: Any) -> MessageObject:
        """One message object to `count` numbers; `changed` are fields of MessageObject."""
        given: dict[str, Any] = {
            "sender_id": self.sender,
            "line_message": LINE_MESSAGE,
            "destinations": [a_number(at) for at in range(count)],
            "validity": 48 * HOUR,
            **changed,
        }
        given.setdefault("client_ids", [None] * len(given["destinations"]))
        return MessageObject(**given)

    def a_bulk(
        self, *objects: MessageObject, client_id: str | None = None, account: int | None = None
    ) -> Bulk:
        return Bulk(account or self.account, list(objects), self.now, client_id)

    async def try_accept(self, bulk: Bulk) -> Accepted | BulkIdTaken | Full:
        return await self.acceptor.accept(bulk)

    async def accept(self, count: int = 1, **changed: Any) -> list[int]:
        """Send to `count` numbers in one request; the message ids."""
        answer = await self.acceptor.accept(self.a_bulk(self.an_object(count, **changed)))
        assert isinstance(answer, Accepted)
        return [int(id_, 16) for id_ in answer.message_ids]

    async def claim(
        self,
        limit: int = 256,
        *,
        wanted: dict[int, int] | None = None,
        burst: timedelta = SECOND,
        lease: timedelta = 15 * SECOND,
        conn: Connection | None = None,
    ) -> list[DueMessage]:
        """Claim as a dispatcher does, for our sender alone if not told otherwise."""
        asked = wanted or {self.sender: limit}
        if conn is not None:
            return await claim_due(
                conn,
                wanted=asked,
                limit=limit,
                burst=burst,
                lease_until=self.now + lease,
                horizon=self.now,
                stale=self.now - SECOND,
                now=self.now,
            )
        async with self.pool.acquire() as own:
            return await self.claim(limit, wanted=asked, burst=burst, lease=lease, conn=own)

    async def claim_one(self) -> Unfinished:
        (message,) = await self.claim()
        return message.unfinished

    def an_event(
        self,
        id_: int,
        attempt: int = 1,
        *,
        sender: int | None = None,
        at: datetime | None = None,
    ) -> Arrived:
        return Arrived(id_, attempt, sender or self.sender, at or self.now)

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.pool.fetch(query, *values)
        return rows

    async def queued(self, id_: int) -> asyncpg.Record | None:
        """The queue row, None for a message that has ended."""
        return await self.pool.fetchrow("SELECT * FROM queue WHERE id = $1", id_)

    async def steps(self) -> dict[int, str]:
        """Every unfinished message's step."""
        return {row["id"]: row["step"] for row in await self.rows("SELECT id, step FROM queue")}

    async def step(self, id_: int) -> str:
        return (await self.steps())[id_]

    async def end(self, id_: int) -> tuple[int, int] | None:
        """Status and error of the final row, None for a message that has not ended."""
        row = await self.pool.fetchrow("SELECT status, error FROM final WHERE message_id = $1", id_)
        return None if row is None else (row["status"], row["error"])

    async def ends(self) -> dict[int, tuple[int, int]]:
        rows = await self.rows("SELECT message_id, status, error FROM final")
        return {row["message_id"]: (row["status"], row["error"]) for row in rows}

    async def tries(self, id_: int) -> Sequence[tuple[int, str, int, int]]:
        """Each attempt: number, outcome, LINE's status, error."""
        rows = await self.rows(
            "SELECT number, outcome, code, error FROM attempt WHERE message_id = $1 ORDER BY 1", id_
        )
        return [tuple(row) for row in rows]

    async def connect(self) -> Connection:
        """A connection of its own; the test closes it."""
        return await connect(self.dsn)


async def a_world(pool: Pool, clock: FakeClock, dsn: str) -> World:
    """A fresh installation; the caller closes its acceptor."""
    async with pool.acquire() as conn:
        await ensure_partitions(conn, now=clock.now())
        ids = IdMaker(await next_process_number(conn))
    world = World(pool, clock, dsn, 0, 0, Acceptor(pool, ids, linger=timedelta(milliseconds=1)))
    world.account = await world.new_account("shop")
    world.sender = await world.new_sender("parcel-service")
    return world
