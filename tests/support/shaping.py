"""A database with a sender and waiting bulks, and a shaper that is run by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from linegate.accept.accept_bulk import Accepted, Acceptor
from linegate.clock import Clock
from linegate.domain.bulk import Bulk, MessageObject, Schedule, Window
from linegate.domain.ids import IdMaker
from linegate.domain.pace import Pace
from linegate.metrics import Metrics
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import Pool
from linegate.shape.shaper import Shaper
from support.clock import FakeClock

__all__ = ["World", "a_message_object", "make_world"]

LONG = timedelta(hours=48)


def a_message_object(
    count: int,
    *,
    validity: timedelta = LONG,
    window: Window | None = None,
    zones: str | list[str] = "UTC",
    sender_id: int = 1,
) -> MessageObject:
    """One message object to `count` destinations."""
    return MessageObject(
        sender_id=sender_id,
        line_message='{"type":"text"}',
        destinations=[f"8190{n:08d}" for n in range(count)],
        client_ids=[None] * count,
        validity=validity,
        window=window,
        zones=zones,
    )


@dataclass
class World:
    """Account 1 with sender 1; `clock` belongs to the test."""

    pool: Pool
    clock: FakeClock
    acceptor: Acceptor
    metrics: Metrics

    def shaper(self, clock: Clock | None = None) -> Shaper:
        return Shaper(self.pool, clock or self.clock, self.metrics)

    async def accept(
        self,
        *objects: MessageObject,
        send_at: datetime | None = None,
        pace: Pace | None = None,
    ) -> int:
        """Take a bulk; gives its id."""
        bulk = Bulk(1, list(objects), self.clock.now(), None, Schedule(send_at, pace))
        accepted = await self.acceptor.accept(bulk)
        assert isinstance(accepted, Accepted)
        return int(accepted.bulk_id, 16)

    async def shape(self, shaper: Shaper, *, to: datetime) -> None:
        """Run the shaper as its own plan says, moving the clock on to `to`."""
        while True:
            while await shaper.run_once():
                pass
            at = shaper.next_at()
            if at is None or at > to:
                break
            await self.clock.advance(max(at - self.clock.now(), timedelta(milliseconds=1)))
        await self.clock.advance(max(to - self.clock.now(), timedelta(0)))

    async def send(self, shaper: Shaper, *, to: datetime) -> list[datetime]:
        """As `shape`, with LINE taking every message at its instant; gives the instants."""
        sent: list[datetime] = []
        while True:
            while await shaper.run_once():
                pass
            sent += [at for at in await self.due_ats() if at <= self.clock.now()]
            await self.leave(before=self.clock.now())
            coming = [*(await self.due_ats())[:1], shaper.next_at()]
            at = min(filter(None, coming), default=to)
            if at > to or self.clock.now() >= to:
                await self.clock.advance(max(to - self.clock.now(), timedelta(0)))
                return sent
            await self.clock.advance(max(at - self.clock.now(), timedelta(milliseconds=1)))

    async def due_ats(self, step: str | None = None) -> list[datetime]:
        """The instants of what is due, in order; of one step or of all."""
        steps = [step] if step else ["due_alone", "due_bulk", "due_paced"]
        rows = await self.pool.fetch(
            "SELECT due_at FROM queue WHERE step::text = ANY($1) ORDER BY due_at", steps
        )
        return [row["due_at"] for row in rows]

    async def steps(self) -> dict[str, int]:
        """How many rows of the queue are in which step."""
        rows = await self.pool.fetch("SELECT step::text, count(*) FROM queue GROUP BY step")
        return {row["step"]: row["count"] for row in rows}

    async def remaining(self) -> int:
        """How many messages wait."""
        return int(await self.pool.fetchval("SELECT coalesce(sum(remaining), 0) FROM track"))

    async def ended(self) -> dict[tuple[int, int], int]:
        """How many messages ended with which status and error."""
        rows = await self.pool.fetch(
            "SELECT status, error, count(*) FROM final GROUP BY status, error"
        )
        return {(row["status"], row["error"]): row["count"] for row in rows}

    async def leave(self, *, before: datetime) -> int:
        """As if LINE had taken everything due before an instant."""
        tag = await self.pool.execute(
            "UPDATE queue SET step = 'sent', due_at = due_at + interval '1 day', sent_at = $1 "
            "WHERE step IN ('due_alone', 'due_bulk', 'due_paced') AND due_at <= $1",
            before,
        )
        return int(tag.rpartition(" ")[2])

    async def ids(self, steps: Sequence[str]) -> list[int]:
        """The messages in these steps."""
        rows = await self.pool.fetch(
            "SELECT id FROM queue WHERE step::text = ANY($1) ORDER BY id", list(steps)
        )
        return [row["id"] for row in rows]


async def make_world(pool: Pool, clock: FakeClock) -> World:
    """Partitions for the clock's days, an account, a sender."""
    async with pool.acquire() as conn:
        await ensure_partitions(conn, now=clock.now())
        await conn.execute(
            "INSERT INTO account (name, webhook_secret, created_at) VALUES ('acme', '', $1)",
            clock.now(),
        )
        await conn.execute(
            "INSERT INTO sender (account_id, name, channel_id, channel_secret, created_at) "
            "VALUES (1, 'ACME', '1', '', $1)",
            clock.now(),
        )
        await conn.execute("INSERT INTO sender_pace VALUES (1, 1900, $1)", clock.now())
    acceptor = Acceptor(pool, IdMaker(1), linger=timedelta(0))
    return World(pool, clock, acceptor, Metrics(CollectorRegistry()))
