"""What an operator does with the year's database: figures, erasure, retention, backup, check."""

import resource
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from installation import BenchError, command, environment
from processes import Group, snapshot, working_in
from year_fill import ACCOUNTS, PERSON

from linegate.clock import SystemClock
from linegate.postgres.partitions import days_present
from linegate.postgres.store import Store
from linegate.report.retention import Retention

__all__ = ["measure_chores"]

_Say = Callable[[str], None]


async def measure_chores(home: Path, store: Store, say: _Say, *, backup: Path | None) -> None:
    """Run each once. What erases and forgets changes the database, so it comes last."""
    data = home / "postgres" / "data"
    groups: dict[str, Group] = {"postgres": lambda: working_in(data)}
    account = ("--account", ACCOUNTS[0])
    year = (SystemClock().now() - timedelta(days=364)).date().isoformat()
    commands: dict[str, tuple[str, ...]] = {
        "help (the price of a start)": ("account", "list"),
        "stats, a year by day": ("stats", *account, "--from", year, "--by", "day"),
        "stats, a year by campaign": ("stats", *account, "--from", year, "--by", "campaign"),
        "doctor": ("doctor", "--no-line"),
        "erase a person of 5,000 messages": ("erase", "--destination", PERSON),
        "erase an ordinary person": ("erase", "--destination", "819000012345"),
    }
    if backup is not None:
        commands["backup"] = ("backup", str(backup))
    env = environment(home)
    for name, arguments in commands.items():
        await _timed(name, lambda arguments=arguments: _run(env, arguments), groups, say)
    await _timed("retention: the oldest day", lambda: _forget_oldest(store), groups, say)


async def _run(env: dict[str, str], arguments: tuple[str, ...]) -> str:
    try:
        return str(await command(env, *arguments))[:120]
    except BenchError as error:
        return str(error)[:200]


async def _forget_oldest(store: Store) -> str:
    clock = SystemClock()
    async with store.pool.acquire() as conn:
        days = await days_present(conn)
    kept = (clock.now().date() - days[0]).days - 1
    await Retention(store.pool, clock, days=kept).run_once()
    async with store.pool.acquire() as conn:
        left = await days_present(conn)
    return f"{len(days) - len(left)} of {len(days)} days"


async def _timed(
    name: str, work: Callable[[], Awaitable[str]], groups: dict[str, Group], say: _Say
) -> None:
    before, own, began = sum(snapshot(groups).values()), _own(), time.perf_counter()
    answer = await work()
    took = time.perf_counter() - began
    cpu = sum(snapshot(groups).values()) - before
    say(f"{name:34} {took:7.2f} s  CPU {_own() - own:5.2f} + {cpu:5.2f} s (database)  {answer}")


def _own() -> float:
    """CPU seconds of this process and its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)
