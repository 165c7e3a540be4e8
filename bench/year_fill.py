"""A database as an installation has it after a year: ten million messages of five accounts.

One bulk of a million under way, an endpoint that has failed for long, a paused sender, scheduled
bulks, SMS failovers, and all sums made by the product's own triggers and loops.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import SystemClock
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.queries import load
from linegate.postgres.store import Store
from linegate.report.pulse import Pulse
from linegate.report.rollup import Rollup

__all__ = ["ACCOUNTS", "MILLION", "PERSON", "SENDERS", "fill"]

ACCOUNTS = ("acme", "bolt", "corn", "dune", "elm")
SENDERS = ("ACME1", "ACME2", "ACME3", "ACME-RARE", "BOLT", "CORN", "DUNE", "ELM")
MILLION = "bulk-of-a-million"
"""The client's id of the large bulk, of the first account."""
PERSON = "819099999999"
"""A number that far more messages went to than to any other."""

_OWNERS = (0, 0, 0, 0, 1, 2, 3, 4)
_PER_BULK = 9.2  # messages, in the mean of a day
_PART = 100_000
_ANY = "x"  # nothing is sent to LINE
_SQL = load(Path(__file__).with_name("year_sql"))
_LINE = (
    '{"type":"box","layout":"horizontal","contents":[{"type":"text","text":"Item",'
    '"color":"#8C8C8C","size":"sm","flex":2},{"type":"text","text":"On its way to you",'
    '"size":"sm","flex":5,"wrap":true}]}'
)
_CONTENT = (
    '{"type":"flex","altText":"Your order is on its way","contents":{"type":"bubble","body":'
    '{"type":"box","layout":"vertical","contents":[{"type":"text","text":"Your order",'
    '"weight":"bold","size":"xl"},' + ",".join([_LINE] * 4) + "]}}}"
)


async def fill(store: Store, messages: int, days: int, say: Callable[[str], None]) -> None:
    """Fill an empty database. messages: in all; a tenth of them are of one bulk."""
    now = SystemClock().now()
    accounts = [await create_account(store, name) for name in ACCOUNTS]
    senders = [
        await create_sender(
            store, ACCOUNTS[owner], name, channel_id=name, channel_secret=_ANY, token=_ANY
        )
        for name, owner in zip(SENDERS, _OWNERS, strict=True)
    ]
    paused = await create_sender(
        store, ACCOUNTS[0], "ACME-PAUSED", channel_id="paused", channel_secret=_ANY, token=_ANY
    )
    async with store.pool.acquire() as conn:
        await _relax(conn)
        await _around(conn, accounts, now)
        year = _Year(store, conn, accounts, senders, now)
        await year.days(messages - messages // 10, days, say)
        await year.million(messages // 10)
        await _SQL.hold_sender.exec(conn, sender=paused, now=now)
        await _SQL.park_some.exec(
            conn, sender=paused, account=accounts[0], now=now, count=messages // 200
        )
        await year.add_up()
        await conn.execute("DROP FUNCTION bench_id")
        await conn.execute("VACUUM ANALYZE", timeout=3600)


async def _relax(conn: asyncpg.Connection) -> None:
    """A fill may take longer than a statement of the product."""
    for name in ("statement_timeout", "transaction_timeout", "lock_timeout"):
        await conn.execute(f"SET {name} = 0")
    for name in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan"):
        await conn.execute(f"SET {name} = on")
    await conn.execute("SET synchronous_commit = off")
    for query in (_SQL.make_lot, _SQL.make_part, _SQL.make_function):
        await query.exec(conn)


async def _around(conn: asyncpg.Connection, accounts: list[int], now: datetime) -> None:
    await _SQL.add_endpoints.exec(conn, accounts=accounts, now=now)
    await _SQL.add_idle_endpoints.exec(conn, accounts=accounts, now=now, count=2000)
    await _SQL.add_divisions.exec(conn, accounts=accounts, now=now)
    await _SQL.add_audit.exec(conn, accounts=accounts, now=now, count=100_000)
    await _SQL.add_blocked.exec(conn, accounts=accounts, now=now, count=50_000)
    await _SQL.add_answers.exec(conn, accounts=accounts, now=now, count=50_000)
    await _SQL.add_quotas.exec(conn, accounts=accounts, today=now.date())


class _Year:
    """Writes days, and the bulk of a million into the last of them."""

    def __init__(
        self,
        store: Store,
        conn: asyncpg.Connection,
        accounts: list[int],
        senders: list[int],
        now: datetime,
    ) -> None:
        self._conn = conn
        self._accounts = accounts
        self._senders = senders
        self._now = now
        self._loops = (Rollup(store.pool, SystemClock()), Pulse(store.pool, SystemClock()))

    async def days(self, messages: int, days: int, say: Callable[[str], None]) -> None:
        """So many days up to now, alike."""
        today = datetime.combine(self._now.date(), datetime.min.time(), UTC)
        bulks = int(messages / days / _PER_BULK)
        for number in range(days):
            day = today - timedelta(days=days - 1 - number)
            if number % 8 == 0:
                await ensure_partitions(self._conn, now=day)
            await _SQL.empty_lots.exec(self._conn)
            await _SQL.plan_day.exec(
                self._conn,
                day=day,
                number=number,
                bulks=bulks,
                accounts=self._accounts,
                senders=self._senders,
                until=self._now - timedelta(minutes=1),
            )
            await self._write_lots(left=0)
            await self._write_part(1, 1000, ended=1000)
            await self.add_up()
            if number % 30 == 0:
                say(f"  {day:%Y-%m-%d}")

    async def million(self, messages: int) -> None:
        """One bulk of which six tenths have ended and three tenths wait."""
        await _SQL.empty_lots.exec(self._conn)
        await _SQL.plan_million.exec(
            self._conn,
            messages=messages,
            at=self._now - timedelta(hours=2),
            accounts=self._accounts,
            senders=self._senders,
        )
        await self._conn.execute("UPDATE bench_lot SET k = 1")
        ended = messages * 6 // 10
        await self._write_lots(left=messages - ended)
        for first in range(1, messages + 1, _PART):
            await self._write_part(first, first + _PART - 1, ended=ended, sent=messages * 7 // 10)
        for table in ("bulk", "client_id"):
            column = "client_id" if table == "bulk" else "name"
            await self._conn.execute(
                f"UPDATE {table} SET {column} = $1"  # noqa: S608 - names of ours
                " WHERE id = (SELECT id FROM bench_lot)",
                MILLION,
            )

    async def add_up(self) -> None:
        """Let the product make its sums."""
        for loop in self._loops:
            while await loop.run_once():
                pass

    async def _write_lots(self, *, left: int) -> None:
        await _SQL.write_bulks.exec(self._conn, content=_CONTENT)
        await _SQL.write_runs.exec(self._conn, left=left)
        await _SQL.write_names.exec(self._conn)

    async def _write_part(self, first: int, last: int, *, ended: int, sent: int = 1000) -> None:
        await _SQL.empty_part.exec(self._conn)
        await _SQL.plan_part.exec(
            self._conn, first=first, last=last, ended=ended, fresh=self._now - timedelta(hours=2)
        )
        await _SQL.write_messages.exec(self._conn)
        await _SQL.write_ends.exec(self._conn, now=self._now)
        for query in (_SQL.write_attempts, _SQL.write_late):
            await query.exec(self._conn)
        await _SQL.write_failovers.exec(self._conn, now=self._now)
        await _SQL.write_tries.exec(self._conn, now=self._now)
        await _SQL.write_queue.exec(self._conn, last=sent)
