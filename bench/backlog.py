"""What a claim costs with millions of messages waiting: `make bench-backlog`.

A database in a temporary folder gets a bulk that waits, in steps up to five million messages. At
each step claims are timed: the cost must not grow. At the end the plan of the claim, and the time
that a pause, a resume and a change of time take.
"""

import argparse
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import SystemClock
from linegate.domain.ids import IdMaker, public_id
from linegate.domain.steering import BulkStatus
from linegate.logs import set_up
from linegate.low_water import BEGINNING
from linegate.postgres.dispatching import claim_due, give_back
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.queries import bundled
from linegate.postgres.store import open_store
from linegate.shape.steering import By, Change, Steering

_CHUNK = 250_000
_CLAIMS = 200
_CLAIMED = 64
_console = Console(width=110, highlight=False)
_MESSAGES = """
INSERT INTO message (id, object_id, destination, track_id)
SELECT n, $2, '819012345678', $3 FROM unnest($1::bigint[]) AS n
"""
_QUEUE = """
INSERT INTO queue (id, sender_id, object_id, account_id, step, due_at, deadline_at, home,
                   destination)
SELECT n, $2, $3, $4, 'due_bulk', $5::timestamptz,
       $5::timestamptz + interval '2 days', 'due_bulk', '819012345678'
FROM unnest($1::bigint[]) AS n
"""


class Backlog:
    """One account with one sender, a bulk that waits, and some messages that are due."""

    def __init__(self, pool: Pool, account: int, sender: int, ids: IdMaker) -> None:
        self.pool = pool
        self.account = account
        self.sender = sender
        self._ids = ids
        self._now = SystemClock().now
        self.bulk, self.object, self.track = ids.block(3, self._now())
        self.waiting = 0

    async def prepare(self, send_at: datetime) -> None:
        """The bulk, and 2,000 due messages of another."""
        now = self._now()
        values = (self.bulk, self.account)
        async with transaction(self.pool) as conn:
            await conn.execute("INSERT INTO bulk VALUES ($1, $2, NULL, $3, 0, $1)", *values, now)
            await conn.execute(
                "INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated,"
                " line_message, validity) VALUES ($1, $2, $3, $4, false, '{}', '2 days')",
                self.object,
                *values,
                self.sender,
            )
            await conn.execute(
                "INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at,"
                " free_at, next_at, changed_at)"
                " VALUES ($1, $2, $1, 'processing', 0, $3, $3, $3, $4)",
                *values,
                send_at,
                now,
            )
            await conn.execute(
                "INSERT INTO track (id, bulk_id, object_id, account_id, sender_id, home, validity,"
                " position, last_id, remaining) VALUES"
                " ($1, $2, $3, $4, $5, 'due_bulk', '2 days', $2, $2, 0)",
                self.track,
                self.bulk,
                self.object,
                self.account,
                self.sender,
            )
            due = self._ids.block(2000, now)
            await conn.execute(_QUEUE, due, self.sender, due[0] - 1, self.account, now)

    async def wait_for(self, count: int) -> None:
        """Let so many messages wait in all."""
        while self.waiting < count:
            ids = self._ids.block(min(_CHUNK, count - self.waiting), self._now())
            async with transaction(self.pool) as conn:
                await conn.execute(_MESSAGES, ids, self.object, self.track, timeout=120)
                for table, column in (("bulk", "id"), ("bulk_run", "bulk_id")):
                    await conn.execute(
                        f"UPDATE {table} SET messages = messages + $2, last_id = $3"  # noqa: S608
                        f" WHERE {column} = $1",
                        self.bulk,
                        len(ids),
                        ids[-1],
                    )
                await conn.execute(
                    "UPDATE track SET remaining = remaining + $2, last_id = $3 WHERE id = $1",
                    self.track,
                    len(ids),
                    ids[-1],
                )
            self.waiting += len(ids)

    async def claim(self) -> float:
        """Seconds of one claim; what it took is given back."""
        async with self.pool.acquire() as conn:
            await conn.execute("UPDATE sender_pace SET free_at = $1", self._now())
            now = self._now()
            began = time.perf_counter()
            found = await claim_due(
                conn,
                wanted={self.sender: _CLAIMED},
                limit=_CLAIMED,
                burst=timedelta(seconds=1),
                lease_until=now + timedelta(seconds=15),
                horizon=now,
                stale=now,
                now=now,
            )
            took = time.perf_counter() - began
            held = [(each.unfinished.id, each.unfinished.attempt) for each in found]
            if len(held) != _CLAIMED:
                raise RuntimeError(f"claimed {len(held)}, not {_CLAIMED}")
            await give_back(conn, held, now=now)
        return took

    async def plan(self) -> str:
        """The plan of the claim, as the server runs it."""
        now, second = self._now(), timedelta(seconds=1)
        query = bundled().claim_due
        values = {
            "sender_ids": [self.sender],
            "wanted": [_CLAIMED],
            "alone_since": [BEGINNING],
            "bulk_since": [BEGINNING],
            "now": now,
            "burst": second,
            "horizon": now,
            "stale": now,
            "limit": _CLAIMED,
            "lease_until": now + second,
        }
        async with self.pool.acquire() as conn:
            task = conn.transaction()
            await task.start()
            rows = await conn.fetch(
                f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query.sql}",
                *(values[name] for name in query.params),
            )
            await task.rollback()
        return "\n".join(row[0] for row in rows)

    def _by(self) -> By:
        return By("bench", self._now())

    async def steer(self) -> list[tuple[str, float]]:
        """Milliseconds of each word to the bulk that waits."""
        steering, name = Steering(self.pool), public_id(self.bulk)
        took = []
        for word in (BulkStatus.PAUSED, BulkStatus.PROCESSING):
            began = time.perf_counter()
            await steering.set_status(self.account, name, word, self._by())
            took.append((f"to {word.value}", (time.perf_counter() - began) * 1000))
        began = time.perf_counter()
        change = Change(self._now() + timedelta(days=2))
        await steering.change(self.account, name, change, self._by())
        took.append(("another sendAt", (time.perf_counter() - began) * 1000))
        began = time.perf_counter()
        await steering.show(self.account, name, self._now())
        took.append(("show", (time.perf_counter() - began) * 1000))
        began = time.perf_counter()
        await steering.set_status(self.account, name, BulkStatus.CANCELED, self._by())
        took.append(("to CANCELED", (time.perf_counter() - began) * 1000))
        return took


async def bench(most: int, home: Path) -> None:
    """Fill, time, print."""
    async with open_store(
        home=home, database_url=None, secret_key=None, clock=SystemClock()
    ) as store:
        account = await create_account(store, "bench")
        sender = await create_sender(
            store, "bench", "BENCH", channel_id="1", channel_secret=str(account), token=None
        )
        backlog = Backlog(store.pool, account, sender, IdMaker(1))
        await backlog.prepare(SystemClock().now() + timedelta(days=1))
        table = Table("messages waiting", "a claim of 64: median", "99 %", "filled in")
        for count in sorted({0, most // 100, most // 5, most}):
            began = time.perf_counter()
            await backlog.wait_for(count)
            filled = time.perf_counter() - began
            await backlog.claim()
            times = sorted([await backlog.claim() for _ in range(_CLAIMS)])
            median, slow = times[_CLAIMS // 2] * 1000, times[_CLAIMS * 99 // 100] * 1000
            table.add_row(f"{count:,}", f"{median:.2f} ms", f"{slow:.2f} ms", f"{filled:.0f} s")
        _console.print(await backlog.plan(), markup=False)
        _console.print(table)
        words = Table(f"a word to the bulk of {most:,}", "took")
        for word, took in await backlog.steer():
            words.add_row(word, f"{took:.1f} ms")
        _console.print(words)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Measure claims with millions waiting.")
    parser.add_argument("--messages", type=int, default=5_000_000, help="how many wait at the end")
    options = parser.parse_args()
    set_up(level="warning", form="console")
    with tempfile.TemporaryDirectory(prefix="linegate-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # started by root, the database runs as another user
        uvloop.run(bench(options.messages, folder / "home"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
