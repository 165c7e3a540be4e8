"""`make bench-start`: how long until `linegate up` answers, and how much memory it then has.

Once on an empty folder, where a database is made first, and then five times on the same folder.
Stopping is timed too.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop
from installation import environment, free_port, listening, stop, stoppable, temporary_folder
from processes import children_of, memory, working_in
from rich.console import Console
from rich.table import Table

_TIMES = 5
_console = Console(width=100, highlight=False)


_SETTLED = 3  # seconds after which the worker, too, has read what it needs


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds until it answered and until it had stopped; megabytes by process between."""

    started: float
    stopped: float
    held: dict[str, float]


async def run(home: Path, log: Path) -> Run:
    """Start and stop once."""
    began = time.monotonic()
    async with listening(["up", "--port", str(free_port())], environment(home), log) as (up, _):
        started = time.monotonic() - began
        await asyncio.sleep(_SETTLED)
        held = {
            "API": memory(up.pid) / 1e6,
            "worker": sum(map(memory, children_of(up.pid, "worker"))) / 1e6,
            "PostgreSQL": sum(map(memory, working_in(home / "postgres" / "data"))) / 1e6,
        }
        began = time.monotonic()
        await stop(up)
        return Run(started, time.monotonic() - began, held)


async def main() -> None:
    """Measure and print."""
    with temporary_folder() as folder:
        home, log = folder / "home", folder / "up.log"
        runs = [await run(home, log) for _ in range(_TIMES + 1)]
    table = Table("", "until it answers", "until it has stopped", *runs[0].held)
    for name, found in (("first time", runs[:1]), (f"again, median of {_TIMES}", runs[1:])):
        started, stopped = median(r.started for r in found), median(r.stopped for r in found)
        held = [f"{median(r.held[part] for r in found):.0f} MB" for part in runs[0].held]
        table.add_row(name, f"{started:.2f} s", f"{stopped:.2f} s", *held)
    _console.print(table)


if __name__ == "__main__":
    argparse.ArgumentParser(description="Time `linegate up` until it answers.").parse_args()
    uvloop.run(stoppable(main()))
