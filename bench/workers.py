"""`make bench-workers`: what a second worker process adds on this machine, and what stops it.

It runs the bulks of `whole_path.py` with one worker and with two, in turn, and compares the runs
with one another: a machine that others use too slows both. Where two are no faster, the CPU of all
processes together per message says why: the simulated LINE and the client want cores as well.
"""

import argparse
import asyncio
import os
import statistics
import sys

import uvloop
from installation import BenchError, stoppable
from rich.console import Console
from rich.table import Table
from whole_path import Figures, bench, options_of

_GROUPS = ("api", "workers", "postgres", "simulator", "client")
_Found = dict[int, list[Figures]]  # by number of workers
_console = Console(width=100, highlight=False)


async def compare(rounds: int, quick: bool) -> _Found:
    """So many rounds of one and of two workers, each on a fresh installation."""
    found: _Found = {1: [], 2: []}
    for _ in range(rounds):
        for workers, figures in found.items():
            words = ["--workers", str(workers), "--events-per-call", "20", "--only", "bulks"]
            figures.extend(await bench(options_of([*words, *(["--quick"] if quick else [])])))
    return found


def show(found: _Found) -> None:
    """Print medians side by side."""
    table = Table(title="Bulks of 1,000, the whole path: median of the rounds")
    for head in ("", "1 worker", "2 workers"):
        table.add_column(head, justify="right" if head else "left")
    speeds = [[f.scenario.messages / f.seconds for f in figures] for figures in found.values()]
    table.add_row("messages a second, complete", *(f"{statistics.median(s):,.0f}" for s in speeds))
    for group in _GROUPS:
        costs = [
            [f.cpu[group] / f.scenario.messages * 1e6 for f in each] for each in found.values()
        ]
        table.add_row(
            f"CPU us a message: {group}", *(f"{statistics.median(cost):.0f}" for cost in costs)
        )
    totals = [
        statistics.median(sum(f.cpu.values()) / f.scenario.messages * 1e6 for f in each)
        for each in found.values()
    ]
    cores = len(os.sched_getaffinity(0))
    table.add_row("CPU us a message: all", *(f"{total:.0f}" for total in totals))
    table.add_row(
        f"most that {cores} cores allow a second", *(f"{cores * 1e6 / t:,.0f}" for t in totals)
    )
    used = [[sum(f.cpu.values()) / f.seconds for f in figures] for figures in found.values()]
    table.add_row("cores in use by these", *(f"{statistics.median(each):.2f}" for each in used))
    others = [
        [max(0.0, f.machine / f.seconds - sum(f.cpu.values()) / f.seconds) for f in figures]
        for figures in found.values()
    ]
    table.add_row("cores in use by others", *(f"{statistics.median(each):.2f}" for each in others))
    _console.print(table)
    ratios = ", ".join(f"{two / one:.2f}" for one, two in zip(*speeds, strict=True))
    _console.print(f"two workers against one, round by round: {ratios}")


def main() -> int:
    """Run and print; the exit code is 0 only if every message ended in exactly one report."""
    parser = argparse.ArgumentParser(description="Compare one worker process with two.")
    parser.add_argument("--rounds", type=int, default=2, help="of each (2)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    options = parser.parse_args()
    try:
        found = uvloop.run(stoppable(compare(options.rounds, options.quick)))
    except BenchError as error:
        _console.print(f"FAILED: {error}", markup=False)
        return 1
    except asyncio.CancelledError:
        return 1
    show(found)
    problems = [problem for each in found.values() for f in each for problem in f.problems]
    for problem in problems:
        _console.print(f"FAILED: {problem}", markup=False)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
