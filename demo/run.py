"""`make demo`: the whole job in a minute, on nothing but this machine.

It starts linegate with its database and a simulated LINE in a temporary folder, sends one bulk to
2,000 numbers of which some are trouble, takes the delivery reports like a client would, and shows
what became of each. It ends with 0 only if every number came to the end that it must come to, and
was told about exactly once.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Coroutine

import aiohttp
from endpoint import Reports, listening
from parcel import CAST, Role, destinations, request
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sandbox import DemoError, Sandbox, sandbox

_VALID_FOR = 20  # seconds: whoever is silent so long has expired
_PATIENCE = 60  # seconds for everything
_LOOK_EVERY = 0.1
_TELL_EVERY = 2.0  # where there is no terminal to draw on

_console = Console(highlight=False)


async def demo() -> bool:
    """Do it all; True if all was as it must be."""
    reports = Reports()
    _say("Starting linegate, its database and a simulated LINE in a temporary folder ...")
    async with sandbox() as linegate, listening(reports) as reports_to:
        _say(f"linegate listens on {linegate.url}; this demo takes the reports on {reports_to}")
        expected = destinations()
        began = time.monotonic()
        bulk_id = await _send(linegate, list(expected), reports_to)
        took = (time.monotonic() - began) * 1000
        _say(
            f"One request with {len(expected):,} destinations was taken in {took:.0f} ms: {bulk_id}"
        )
        await _watch(reports, len(expected), began)
    _summary(reports, expected, began)
    return _all_well(reports, expected)


async def _send(linegate: Sandbox, numbers: list[str], reports_to: str) -> str:
    """Send the bulk; gives its bulkId. Raises: DemoError when it is not taken."""
    body = request(numbers=numbers, reports_to=reports_to, valid_for=_VALID_FOR)
    headers = {"Authorization": f"App {linegate.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{linegate.url}/line/1/messages", json=body) as answer,
    ):
        text = await answer.text()
    if answer.status != 200:
        raise DemoError(f"the bulk was not taken: {answer.status} {text[:500]}")
    return str(json.loads(text)["bulkId"])


async def _watch(reports: Reports, total: int, began: float) -> None:
    """Show the reports as they come, until all are there or patience is over."""
    with _progress() as progress:
        task = progress.add_task("reports", total=total, counts="")
        tell_at = began + _TELL_EVERY
        while time.monotonic() < began + _PATIENCE and len(reports.by_number) < total:
            await asyncio.sleep(_LOOK_EVERY)
            counts = _counts(reports.groups(), total)
            progress.update(task, completed=len(reports.by_number), counts=counts)
            if not _console.is_terminal and time.monotonic() >= tell_at:
                tell_at += _TELL_EVERY
                _say(f"  {time.monotonic() - began:4.0f} s  {counts}")
    await asyncio.sleep(1)  # a report too many would come now


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
        console=_console,
        disable=not _console.is_terminal,
    )


def _counts(groups: Counter[str], total: int) -> str:
    delivered = groups["DELIVERED"]
    undeliverable = groups.total() - delivered
    pending = total - groups.total()
    return f"delivered {delivered:,}, undeliverable {undeliverable:,}, pending {pending:,}"


def _summary(reports: Reports, expected: dict[str, Role], began: float) -> None:
    table = Table(title="What became of whom")
    table.add_column("Numbers", justify="right")
    table.add_column("What LINE did")
    table.add_column("Reported as")
    for role in CAST:
        numbers = [number for number, each in expected.items() if each is role]
        names = Counter(_status(reports, number) for number in numbers)
        told = ", ".join(
            name if count == len(numbers) else f"{name} {count}" for name, count in names.items()
        )
        table.add_row(str(len(numbers)), role.means, told)
    _console.print(table)
    _say(_counts(reports.groups(), len(expected)).capitalize() + ".")
    _say(_speed(reports, expected, began))
    _say("The first report that came:")
    _console.print_json(json.dumps(reports.first))


def _status(reports: Reports, number: str) -> str:
    report = reports.by_number.get(number)
    return "pending" if report is None else str(report["status"]["name"])


def _speed(reports: Reports, expected: dict[str, Role], began: float) -> str:
    """How fast the messages went that nothing held up."""
    came = [at for number, at in reports.came_at.items() if expected[number] is CAST[0]]
    if not came:
        return "Not one message was delivered."
    seconds = max(came) - began
    return (
        f"{len(came):,} messages that LINE delivered at once: {len(came) / seconds:,.0f} a second,"
        " from the request to the report in our hands (LINE's limit for a sender: 2,000)."
    )


def _all_well(reports: Reports, expected: dict[str, Role]) -> bool:
    wrong = [
        number
        for number, role in expected.items()
        if reports.by_number.get(number, {}).get("status", {}).get("groupName") != role.group
    ]
    if reports.twice or wrong:
        _say(f"FAILED: {len(wrong)} numbers did not end as they must, {reports.twice} told twice.")
        return False
    _say("Every number was told about exactly once.")
    return True


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)


async def _stoppable(work: Coroutine[None, None, bool]) -> bool:
    """Also when we are told to end, what we started is stopped."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> int:
    """Run; the exit code."""
    try:
        return 0 if asyncio.run(_stoppable(demo())) else 1
    except (DemoError, aiohttp.ClientError) as error:
        _say(f"FAILED: {error}")
    except (asyncio.CancelledError, KeyboardInterrupt):
        _say("stopped")
    return 1


if __name__ == "__main__":
    sys.exit(main())
