"""What an open snapshot costs: `make bench-snapshot`.

A dump, a forgotten transaction or a replication slot keeps PostgreSQL from removing the rows that
are done with: they pile up where the queue's statements look for work. Messages go the whole way
for some minutes on a database of its own, with a `REPEATABLE READ` transaction open from the second
window on. Each window shows the messages a second and what each statement took on average, with
the pages that it touched; the ratio to the first window is the price.

    python bench/open_snapshot.py --help
"""

import argparse
import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvloop
from installation import BenchError, Installation, installed, stoppable, temporary_folder
from rich.console import Console
from rich.table import Table
from steady import Books, Told
from steady import Window as Seen
from steady_client import Client, client

from linegate.logs import set_up
from linegate.postgres.embedded import EmbeddedServer, start
from linegate.postgres.queries import bundled

_SENDERS = 4
_LINE_LIMIT = 2000  # Source: LINE reference, "Rate limits": requests a second to one channel
_FAST, _WAITING = 1e6, 4000  # as fast as it goes, with so many unreported
_KEY = base64.b64encode(bytes(range(32))).decode()
_STATEMENTS = """
SELECT query, calls, total_exec_time AS ms, shared_blks_hit + shared_blks_read AS pages
FROM pg_stat_statements WHERE userid = 'linegate'::regrole"""
_DEAD = """
SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables
WHERE relname IN ('queue', 'push', 'sms_leg')"""
_console = Console(width=150, highlight=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement cost in a window. pages: 8 KiB pages touched by a call."""

    calls: int
    ms: float
    pages: float

    @property
    def each(self) -> float:
        """Milliseconds a call."""
        return self.ms / self.calls


@dataclass(frozen=True, slots=True)
class Window:
    """Messages a second, and the statements by name."""

    state: str
    seen: Seen
    dead: int
    statements: dict[str, Statement]

    @property
    def rate(self) -> float:
        """Messages a second, complete."""
        return self.seen.reported / self.seen.seconds


async def bench(options: argparse.Namespace) -> Books:
    """All windows; the first, and the last after the snapshot is gone, are without it."""
    async with (
        client() as sending,
        _server() as server,
        installed(
            workers=options.workers,
            senders=_SENDERS,
            events_per_call=1,
            rate_limit=_LINE_LIMIT,
            reports=sending.reports,
            settings={"LINEGATE_DATABASE_URL": server.dsn, "LINEGATE_SECRET_KEY": _KEY},
        ) as installation,
    ):
        return await _windows(options, installation, server, sending)


@asynccontextmanager
async def _server() -> AsyncIterator[EmbeddedServer]:
    with temporary_folder() as folder:
        server = await start(
            folder / "home",
            settings={
                "shared_preload_libraries": "pg_stat_statements",
                "idle_in_transaction_session_timeout": "0",
            },
        )
        try:
            yield server
        finally:
            await server.stop()


async def _windows(
    options: argparse.Namespace, installation: Installation, server: EmbeddedServer, sending: Client
) -> Books:
    where = urlsplit(installation.url)
    told = Told(
        host=where.hostname or "",
        port=where.port or 80,
        key=installation.key,
        senders=list(installation.senders),
        rate=options.rate or _FAST,
        most_waiting=_WAITING,
        window=options.seconds,
    )
    dsn = server.admin_dsn.replace("@/postgres?", "@/linegate?")
    watch, holder = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await watch.execute("CREATE EXTENSION pg_stat_statements")
    sending.tell(told)
    await _window(watch, sending, "warm-up")
    first = await _window(watch, sending, "none")
    await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await holder.fetchval("SELECT count(*) FROM account")
    for _ in range(options.windows):
        show(first, await _window(watch, sending, "open"))
    await holder.execute("COMMIT")
    for _ in range(2):
        show(first, await _window(watch, sending, "ended"))
    return await sending.books()


async def _window(watch: asyncpg.Connection, sending: Client, state: str) -> Window:
    await watch.execute("SELECT pg_stat_statements_reset()")
    seen = await sending.window()
    statements = _by_name(await watch.fetch(_STATEMENTS))
    return Window(state, seen, await watch.fetchval(_DEAD), statements)


def _by_name(rows: Sequence[Any]) -> dict[str, Statement]:
    names = {_plain(query.sql): query.name for query in bundled()}
    found: dict[str, Statement] = {}
    for row in rows:
        name = names.get(_plain(row["query"]), " ".join(row["query"].split())[:40])
        found[name] = Statement(row["calls"], row["ms"], row["pages"] / row["calls"])
    return found


def _plain(sql: str) -> str:
    """Without space and constants, which the server's statistics write in their own way."""
    return re.sub(r"\s+|\$\d+|'[^']*'|\b\d+\b", "", sql)


def show(first: Window, last: Window) -> None:
    """The window beside the first, by what took the most time."""
    table = Table(
        title=f"snapshot {last.state}: {last.rate:,.0f} messages/s, {last.rate / first.rate:.0%} of"
        f" {first.rate:,.0f} without; {last.dead:,} dead rows"
    )
    for name in ("statement", "calls", "ms in all", "ms a call", "first", "pages", "first"):
        table.add_column(name, justify="left" if name == "statement" else "right")
    ranked = sorted(last.statements.items(), key=lambda each: -each[1].ms)
    for name, now in ranked[:14]:
        was = first.statements.get(name)
        table.add_row(
            name,
            f"{now.calls:,}",
            f"{now.ms:,.0f}",
            f"{now.each:.2f}",
            f"{was.each:.2f}" if was else "",
            f"{now.pages:,.0f}",
            f"{was.pages:,.0f}" if was else "",
        )
    _console.print(table)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Measure what an open snapshot costs.")
    parser.add_argument("--windows", type=int, default=4, help="windows with the snapshot (4)")
    parser.add_argument("--seconds", type=float, default=30, help="of a window (30)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (1)")
    parser.add_argument("--rate", type=float, help="messages a second (as fast as it goes)")
    set_up(level="error", form="console")
    try:
        books = uvloop.run(stoppable(bench(parser.parse_args())))
    except BenchError as error:
        _console.print(f"FAILED: {error}", markup=False)
        return 1
    except asyncio.CancelledError:
        return 1
    _console.print(f"accepted {books.accepted:,}, lost {books.lost}, twice {books.twice}")
    return 1 if books.lost or books.twice or books.problem else 0


if __name__ == "__main__":
    sys.exit(main())
