"""`make bench`: how many messages a second go the whole way on this machine, and what each costs.

It starts a fresh linegate (database, API, workers), a simulated LINE that also takes the delivery
reports, and a client, each as a process of its own, and sends three scenarios: bulks of 1,000
destinations a request, one destination a request, and bulks that LINE refuses and that go by SMS
(one SMPP session, window 100). The clock runs from the first request to
the last delivery report. A message counts only if it ended in exactly one report; otherwise, or if
LINE's rate limit was not kept, the command fails.

    python bench/whole_path.py --help

To see where the time goes, give `--profile FOLDER` with py-spy installed
(`.venv/bin/pip install py-spy`): a table of functions with what each costs a message, and stacks
for a flame graph of each process.
"""

import argparse
import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import uvloop
from collector import Collector, collecting
from installation import BenchError, Installation, installed, stoppable
from load import Job, Result
from processes import cpu_seconds, machine_seconds, snapshot
from profiling import Shares, profiled
from rich.console import Console
from rich.table import Table

_LINE_LIMIT = 2000  # Source: LINE reference, "Rate limits": requests a second to one channel
_SENDERS = 4
_POLL_EVERY = 0.1  # seconds; the last report is seen at most that late
_WARM_UP = 400
_FUNCTIONS = 20  # that a profile shows
_STALLED_AFTER = 60  # seconds without a new report

_console = Console(width=100, highlight=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is sent. connections: how many requests are under way at once; by_sms: LINE refuses."""

    name: str
    requests: int
    per_request: int
    connections: int
    by_sms: bool = False

    @property
    def messages(self) -> int:
        """How many messages that makes."""
        return self.requests * self.per_request


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    seconds: first request to last report. cpu: seconds by group; machine: of all processes there.
    shares: of each group by function, empty if nobody asked.
    """

    scenario: Scenario
    sent: Result
    seconds: float
    cpu: dict[str, float]
    machine: float
    problems: list[str]
    shares: Shares


SCENARIOS = {
    "bulks": Scenario("bulks of 1,000 destinations", 40, 1000, 4),
    "singles": Scenario("one destination a request", 20_000, 1, 64),
    "failovers": Scenario("refused by LINE, by SMS", 20, 1000, 4, by_sms=True),
}


async def bench(options: argparse.Namespace) -> list[Figures]:
    """Run the chosen scenarios, one after the other, on one installation."""
    async with (
        collecting() as collector,
        installed(
            workers=options.workers,
            senders=_SENDERS,
            events_per_call=options.events_per_call,
            rate_limit=_LINE_LIMIT,
            settings=_tracing(options, collector),
        ) as installation,
        aiohttp.ClientSession() as session,
    ):
        _console.print(f"linegate up: process {installation.up.pid}, {options.workers} worker(s)")
        line = SimulatedLine(session, installation.line_url)
        await _measure(installation, line, Scenario("warm-up", _WARM_UP, 1, 8), 0, None, collector)
        results, first = [], _WARM_UP
        for name in [options.only] if options.only else SCENARIOS:
            scenario = SCENARIOS[name]
            if options.quick:
                scenario = replace(scenario, requests=scenario.requests // 10)
            measured = _measure(installation, line, scenario, first, options.profile, collector)
            results.append(await measured)
            first += scenario.messages
        return results


def _tracing(options: argparse.Namespace, collector: Collector) -> dict[str, str]:
    if options.trace is None:
        return {}
    share = f"{options.trace:f}"
    return {"LINEGATE_TRACE_ENDPOINT": collector.url, "LINEGATE_TRACE_SHARE": share}


class SimulatedLine:
    """What the simulator has seen."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def forget(self) -> None:
        """Begin all counts anew."""
        for path in ("/subscriber", "/simulator/stats", "/simulator/sms"):
            async with self._session.delete(self._url + path) as answer:
                answer.raise_for_status()

    async def reports(self) -> dict[str, object]:
        """What came to the report endpoint."""
        return await self._get("/subscriber?limit=1")

    async def channels(self) -> dict[str, dict[str, int]]:
        """The counts of each channel."""
        stats = await self._get("/simulator/stats")
        channels: dict[str, dict[str, int]] = stats["channels"]  # type: ignore[assignment]
        return channels

    async def submits(self) -> int:
        """How many SMS were handed over."""
        counts: dict[str, int] = (await self._get("/simulator/sms?limit=1"))["counts"]  # type: ignore[assignment]
        return counts.get("submits", 0)

    async def _get(self, path: str) -> dict[str, object]:
        async with self._session.get(self._url + path) as answer:
            answer.raise_for_status()
            shown: dict[str, object] = await answer.json()
            return shown


async def _measure(
    installation: Installation,
    line: SimulatedLine,
    scenario: Scenario,
    first: int,
    profile: Path | None,
    collector: Collector,
) -> Figures:
    await line.forget()
    loader = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("load.py")), stdin=PIPE, stdout=PIPE
    )
    if loader.stdin is None or loader.stdout is None:
        raise BenchError("the client has no pipes")
    try:
        loader.stdin.write(msgspec.json.encode(_job(installation, scenario, first)) + b"\n")
        await loader.stdout.readline()  # ready
        groups = {**installation.groups(), "client": lambda: [loader.pid]}
        async with profiled(installation, profile, scenario.name) as shares:
            before, machine = snapshot(groups), machine_seconds()
            loader.stdin.write(b"go\n")
            told = await _answer(loader.stdout)
            # Before the client ends and its figures with it.
            client = cpu_seconds(loader.pid) - before["client"]
            ended = await _all_reported(line, scenario.messages if not told.problem else 0)
            if collector.calls:  # what traces cost is part of the figure, also when told later
                await collector.is_quiet()
            after, machine = snapshot(groups), machine_seconds() - machine
    finally:
        loader.stdin.close()
        await loader.wait()
    cpu = {name: after[name] - before[name] for name in groups} | {"client": client}
    problems = [told.problem] if told.problem else await _problems(line, scenario, told)
    return Figures(scenario, told, ended - told.began, cpu, machine, problems, shares)


def _job(installation: Installation, scenario: Scenario, first: int) -> Job:
    where = urlsplit(installation.url)
    return Job(
        host=where.hostname or "",
        port=where.port or 80,
        key=installation.key,
        senders=list(installation.senders),
        requests=scenario.requests,
        per_request=scenario.per_request,
        connections=scenario.connections,
        first=first,
        by_sms=scenario.by_sms,
    )


async def _answer(output: asyncio.StreamReader) -> Result:
    line = await output.readline()
    if not line:
        raise BenchError("the client ended without a result")
    return msgspec.json.decode(line, type=Result)


async def _all_reported(line: SimulatedLine, expected: int) -> float:
    """Wait for the last report; gives when it was there. Without progress for long: gives up."""
    seen, seen_at = -1, time.monotonic()
    while True:
        reports = await line.reports()
        now = time.monotonic()
        if reports["reports"] != seen:
            seen, seen_at = int(str(reports["reports"])), now
        if seen >= expected or now - seen_at > _STALLED_AFTER:
            return seen_at
        await asyncio.sleep(_POLL_EVERY)


async def _problems(line: SimulatedLine, scenario: Scenario, told: Result) -> list[str]:
    """Everything that was not as it must be; empty when all is well."""
    await asyncio.sleep(1)  # a report too many would come now
    reports, channels = await line.reports(), await line.channels()
    wanted = scenario.messages
    by_line, by_sms = (0, wanted) if scenario.by_sms else (wanted, 0)
    found = []
    for what, number, expected in (
        ("messageIds answered", told.answered_ids, wanted),
        ("messages that LINE took", sum(c["taken"] for c in channels.values()), by_line),
        ("SMS that were handed over", await line.submits(), by_sms),
        ("messages with a report", reports["distinctMessageIds"], wanted),
        ("reports that came twice", reports["duplicates"], 0),
        ("reports that could not be read", reports["unreadable"], 0),
        ("statuses", reports["byStatus"], {"DELIVERED_TO_HANDSET": wanted}),
    ):
        if number != expected:
            found.append(f"{what}: {number}, not {expected}")
    for name, channel in channels.items():
        if channel["mostInOneSecond"] > _LINE_LIMIT:
            found.append(f"channel {name}: {channel['mostInOneSecond']} requests in one second")
    return found


def show(figures: list[Figures]) -> None:
    """Print the table, and what went wrong."""
    table = Table(title="The whole path: first request to last delivery report")
    table.add_column("")
    for each in figures:
        table.add_column(each.scenario.name, justify="right")
    for name, values in _rows(figures):
        table.add_row(name, *values)
    _console.print(table)
    for each in figures:
        _show_functions(each)
    for each in figures:
        for problem in each.problems:
            _console.print(f"FAILED, {each.scenario.name}: {problem}", markup=False)


def _show_functions(figures: Figures) -> None:
    """What each function costs a message, the dearest first."""
    for group, found in figures.shares.items():
        table = Table("CPU us a message", "", title=f"{figures.scenario.name}: {group}")
        each = figures.cpu[group] / figures.scenario.messages * 1e6 / max(found.total(), 1)
        for name, count in found.most_common(_FUNCTIONS):
            table.add_row(f"{count * each:.1f}", name)
        _console.print(table)


def _rows(figures: list[Figures]) -> list[tuple[str, list[str]]]:
    rows = [
        ("messages", [f"{f.scenario.messages:,}" for f in figures]),
        ("seconds", [f"{f.seconds:.2f}" for f in figures]),
        (
            "messages a second, complete",
            [f"{f.scenario.messages / f.seconds:,.0f}" for f in figures],
        ),
        (
            "messages a second, accepted",
            [f"{f.sent.answered_ids / (f.sent.ended - f.sent.began):,.0f}" for f in figures],
        ),
        ("a request took, median", [f"{f.sent.p50 * 1000:.1f} ms" for f in figures]),
        ("a request took, 99 %", [f"{f.sent.p99 * 1000:.1f} ms" for f in figures]),
    ]
    for group in figures[0].cpu:
        cost = [f"{f.cpu[group] / f.scenario.messages * 1e6:.0f}" for f in figures]
        rows.append((f"CPU us a message: {group}", cost))
    total = [f"{sum(f.cpu.values()) / f.scenario.messages * 1e6:.0f}" for f in figures]
    cores = [f"{sum(f.cpu.values()) / f.seconds:.2f}" for f in figures]
    return [
        *rows,
        ("CPU us a message: all", total),
        ("cores in use by these", cores),
        ("cores in use by others", [_others(f) for f in figures]),
    ]


def _others(figures: Figures) -> str:
    """How busy the machine was besides; figures of a busy one are lower than it could do."""
    cores = len(os.sched_getaffinity(0))
    used = figures.machine / figures.seconds
    if used > cores * 1.1:  # a virtual machine's own count can jump
        return "not known"
    return f"{max(0.0, used - sum(figures.cpu.values()) / figures.seconds):.2f} of {cores}"


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options in these words; None: of the command line."""
    parser = argparse.ArgumentParser(description="Measure linegate's whole path on this machine.")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (1)")
    parser.add_argument(
        "--events-per-call", type=int, default=1, help="most LINE events in one webhook call (1)"
    )
    parser.add_argument("--only", choices=list(SCENARIOS), help="one scenario alone")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument(
        "--trace", type=float, metavar="SHARE", help="trace this share of the requests, 0 to 1"
    )
    parser.add_argument("--profile", type=Path, help="folder for stacks; needs py-spy")
    return parser.parse_args(arguments)


def main() -> int:
    """Run and print; the exit code is 0 only if every message ended in exactly one report."""
    try:
        figures = uvloop.run(stoppable(bench(options_of())))
    except BenchError as error:
        _console.print(f"FAILED: {error}", markup=False)
        return 1
    except asyncio.CancelledError:
        return 1
    show(figures)
    return 1 if any(each.problems for each in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
