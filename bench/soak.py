"""`make soak`: an hour at half of what this machine can do, with retention at work all the time.

On a fresh installation it first sends as fast as it can for a minute (seven tenths of the messages
in bulks of a hundred, two tenths alone, one tenth refused by LINE and sent by SMS), and then goes
on at half of that. Every five minutes messages of days long past are put into the database, which
retention finds and forgets: some by the day, some row by row. Each half minute it writes down
memory, connections, table sizes and times. It fails if a message was lost or reported twice, or if
the last sixth of the run is worse than the first sixth after the warm-up by more than `_MAY_GROW`.

    python bench/soak.py --help
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop
from installation import BenchError, Installation, command, installed, stoppable
from old_days import OldDays
from processes import cpu_seconds, memory
from rich.console import Console
from rich.table import Table
from steady import Books, Told, Window
from steady_client import Client, client

_SENDERS = 4
_LINE_LIMIT = 2000  # Source: LINE reference, "Rate limits": requests a second to one channel
_FAST = 1e6  # messages a second that no machine does: the cap on waiting ones holds it back
_FAST_FOR, _FAST_WAITING = 60, 5000
_SETTLES = 20  # seconds of the fast minute that do not count
_PAST_EVERY, _PAST_MESSAGES = 300, 50_000
_CHURNING = ("queue", "push", "sms_leg", "bulk_run", "track", "sms_part", "client_id")

# Allowed growth between the two sixths: a factor, and besides it so much of the figure's own unit.
_MAY_GROW = {
    "api MB": (1.1, 5.0),
    "worker MB": (1.1, 5.0),
    "postgres, own MB": (1.15, 20.0),
    "connections": (1.0, 2.0),
    "churning tables MB": (1.25, 16.0),
    "dead rows": (1.5, 20_000.0),
    "answer to a single, 50 % ms": (1.5, 3.0),
    "report of a single, 50 % ms": (1.5, 10.0),
    "waiting": (1.5, 500.0),
}

_STATE = """
SELECT (SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'),
       (SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest($1::text[]) AS name),
       (SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname = ANY($1)),
       pg_database_size(current_database()),
       (SELECT count(*) FROM pg_inherits WHERE inhparent = 'message'::regclass)"""

_console = Console(width=150, highlight=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """All figures of one half minute, by name."""

    second: float
    figures: dict[str, float]


class Watch:
    """Takes samples of one installation."""

    def __init__(self, installation: Installation, conn: asyncpg.Connection) -> None:
        """Watch its processes, and its database over a connection of our own."""
        self._groups = installation.groups()
        self._conn = conn
        self._began = time.monotonic()
        self._cpu = (self._began, self._cpu_seconds())

    async def sample(self, window: Window) -> Sample:
        """One line of figures; window: what the client saw since the last one."""
        now, cpu = time.monotonic(), self._cpu_seconds()
        cores = (cpu - self._cpu[1]) / (now - self._cpu[0])
        self._cpu = (now, cpu)
        single = window.answers.get("single", (0.0, 0.0)), window.reports.get("single", (0.0, 0.0))
        figures = {
            "accepted/s": window.accepted / window.seconds,
            "reported/s": window.reported / window.seconds,
            "waiting": float(window.waiting),
            "answer to a single, 50 % ms": single[0][0] * 1000,
            "answer to a single, 99 % ms": single[0][1] * 1000,
            "report of a single, 50 % ms": single[1][0] * 1000,
            "report of a single, 99 % ms": single[1][1] * 1000,
            "report by SMS, 99 % ms": window.reports.get("sms", (0.0, 0.0))[1] * 1000,
            "api MB": self._megabytes("api"),
            "worker MB": self._megabytes("workers"),
            "postgres MB": self._megabytes("postgres"),
            "postgres, own MB": self._megabytes("postgres", own=True),
            "simulator MB": self._megabytes("simulator"),
            "cores in use": cores,
            "load of the machine": os.getloadavg()[0],
            **await self._of_database(),
        }
        return Sample(now - self._began, figures)

    def _megabytes(self, group: str, *, own: bool = False) -> float:
        return sum(memory(pid, own=own) for pid in self._groups[group]()) / 1e6

    def _cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for group in self._groups.values() for pid in group())

    async def _of_database(self) -> dict[str, float]:
        row = await self._conn.fetchrow(_STATE, list(_CHURNING))
        connections, churning, dead, whole, days = map(float, row)
        return {
            "connections": connections,
            "churning tables MB": churning / 1e6,
            "dead rows": dead,
            "database MB": whole / 1e6,
            "days kept": days,
        }


async def soak(options: argparse.Namespace) -> tuple[list[Sample], Books]:
    """Start, warm up, hold, end; gives what was seen, and the books."""
    async with (
        client() as sending,
        installed(
            workers=options.workers,
            senders=_SENDERS,
            events_per_call=1,
            rate_limit=_LINE_LIMIT,
            reports=sending.reports,
        ) as installation,
    ):
        conn = await asyncpg.connect(installation.database())
        past = await _past_of(installation, conn)
        return await _hold(options, installation, conn, past, sending)


async def _past_of(installation: Installation, conn: asyncpg.Connection) -> OldDays:
    """An account that wants its messages forgotten after a day, with days of the past."""
    env = dict(installation.env) | {"LINEGATE_CHANNEL_SECRET": "secret"}
    await command(env, "account", "create", "past")
    await command(env, "account", "set", "past", "--retention-days", "1")
    await command(
        env, "sender", "create", "--account", "past", "--sender", "PAST", "--channel-id", "1"
    )
    account, sender = await conn.fetchrow("SELECT account_id, id FROM sender WHERE name = 'PAST'")
    await conn.execute("SET statement_timeout = 0")
    return OldDays(account, sender, sooner=3, longer=45)


async def _hold(
    options: argparse.Namespace,
    installation: Installation,
    conn: asyncpg.Connection,
    past: OldDays,
    sending: Client,
) -> tuple[list[Sample], Books]:
    where = urlsplit(installation.url)
    told = Told(
        host=where.hostname or "",
        port=where.port or 80,
        key=installation.key,
        senders=list(installation.senders),
        rate=options.rate or _FAST,
        most_waiting=_FAST_WAITING if not options.rate else 10**9,
        window=_SETTLES if not options.rate else options.window,
    )
    sending.tell(told)
    if not options.rate:
        told = await _half_of_what_goes(sending, told, options.window)
    _console.print(f"{told.rate:,.0f} messages a second for {options.minutes:g} minutes")
    watch, samples = Watch(installation, conn), []
    until = time.monotonic() + options.minutes * 60
    past_at = time.monotonic()
    while time.monotonic() < until:
        samples.append(await watch.sample(await sending.window()))
        _log(options.log, samples[-1])
        if time.monotonic() >= past_at:
            await past.put(conn, _PAST_MESSAGES, datetime.now(UTC))
            past_at += _PAST_EVERY
    return samples, await sending.books()


async def _half_of_what_goes(sending: Client, told: Told, window: float) -> Told:
    """Send as fast as possible for a while; then tell the client half of that."""
    seen = [await sending.window() for _ in range(_FAST_FOR // _SETTLES)]
    reported = sum(each.reported for each in seen[1:]) / sum(each.seconds for each in seen[1:])
    _console.print(f"as fast as it goes: {reported:,.0f} messages a second complete")
    # Nothing more until all of it has gone, so that the hour begins with nothing waiting.
    sending.tell(msgspec.structs.replace(told, most_waiting=0, window=1))
    while (await sending.window()).waiting:
        pass
    told = msgspec.structs.replace(told, rate=reported / 2, most_waiting=10**9, window=window)
    sending.tell(told)
    return told


def _log(path: Path | None, sample: Sample) -> None:
    shown = {name: round(value, 1) for name, value in sample.figures.items()}
    line = msgspec.json.encode({"second": round(sample.second), **shown}).decode()
    _console.print(line, soft_wrap=True)
    if path is not None:
        with path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def show(samples: list[Sample], books: Books) -> list[str]:
    """Print the table and the books; gives what was not as it must be."""
    sixth = max(1, len(samples) // 6)
    parts = (samples[sixth : 2 * sixth], samples[-sixth:])
    table = Table("", "second sixth", "last sixth", "least", "most", title="The soak")
    problems = []
    for name in samples[0].figures:
        first, last = (_middle(part, name) for part in parts)
        found = [sample.figures[name] for sample in samples]
        values = [first, last, min(found), max(found)]
        table.add_row(name, *(f"{value:,.1f}" for value in values))
        factor, more = _MAY_GROW.get(name, (0.0, 0.0))
        if factor and last > first * factor + more:
            problems.append(f"{name} grew from {first:,.1f} to {last:,.1f}")
    _console.print(table)
    _console.print(
        f"accepted {books.accepted:,}, reported {books.reported:,}, lost {books.lost},"
        f" reported twice {books.twice}, requests refused {books.refused} {books.problem}"
    )
    for name, number in (("lost", books.lost), ("twice", books.twice), ("refused", books.refused)):
        if number:
            problems.append(f"{name}: {number}")
    return problems


def _middle(part: list[Sample], name: str) -> float:
    return statistics.median(sample.figures[name] for sample in part)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hold linegate at half of its capacity.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=0, help="messages a second (half of most)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--window", type=float, default=30, help="seconds of one sample (30)")
    parser.add_argument("--log", type=Path, help="a file that gets a line of JSON a sample")
    options = parser.parse_args()
    if options.minutes * 60 < 3 * options.window:
        parser.error("three windows at least, to compare what they show")
    return options


def main() -> int:
    """Run and print; 1 if something grew or was lost."""
    try:
        samples, books = uvloop.run(stoppable(soak(_options())))
    except BenchError as error:
        _console.print(f"FAILED: {error}", markup=False)
        return 1
    except asyncio.CancelledError:
        return 1
    problems = show(samples, books)
    for problem in problems:
        _console.print(f"FAILED: {problem}", markup=False)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
