"""How exactly messages go, seen from the simulated LINE: `make bench-pace`.

Five scenes on a fresh installation: single messages at a hundred a second; a bulk of 600 at 6,000 a
minute; messages that are scheduled for an instant; a worker that stands still for ten seconds in
mid-bulk and is then killed (what it was just sending is sent again two minutes later, and not
waited for); and single messages beside a large bulk on the same sender. It prints figures and
judges nothing.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import aiohttp
import uvloop
from installation import BenchError, Installation, installed
from load import numbers
from processes import children_of
from rich.console import Console
from rich.table import Table

_CHANNEL = "2000000001"
_LIMIT = 2000
_TRICKLED = 2000
_STALLED_AFTER = 45  # seconds without an arrival
_console = Console(width=100, highlight=False)
_BUBBLE = {
    "type": "BUBBLE",
    "body": {"layout": "VERTICAL", "contents": [{"type": "TEXT", "text": "Shipped"}]},
}


class Desk:
    """A client of the installation that sees what LINE sees."""

    def __init__(self, session: aiohttp.ClientSession, installation: Installation) -> None:
        self._session = session
        self._installation = installation
        self._numbers = numbers(0)

    async def send(self, count: int, **schedule: object) -> dict[str, Any]:
        """Send to so many numbers as one bulk."""
        message = {
            "sender": self._installation.senders[0],
            "destinations": [{"to": next(self._numbers)} for _ in range(count)],
            "content": {"type": "LINE_NOTIFICATION", "altText": "Shipped", "contents": _BUBBLE},
        }
        request = {"messages": [message], "options": {"schedule": schedule}}
        return await self._call("POST", "/line/1/messages", request)

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        headers = {"Authorization": f"App {self._installation.key}"}
        async with self._session.request(
            method, self._installation.url + path, json=body, headers=headers
        ) as answer:
            if answer.status != 200:
                raise BenchError(f"{path}: {answer.status} {await answer.text()}")
            told: dict[str, Any] = await answer.json()
            return told

    async def steer(self, bulk_id: str, status: str) -> None:
        """Say a word to a bulk."""
        await self._call("PUT", f"/line/1/bulks/status?bulkId={bulk_id}", {"status": status})

    async def first_try(self, message_id: str) -> timedelta:
        """How long after its acceptance a message was first handed to LINE."""
        async with asyncio.timeout(_STALLED_AFTER):
            while True:
                shown = await self._call("GET", f"/line/1/messages/{message_id}")
                line = {entry["event"]: entry["at"] for entry in reversed(shown["timeline"])}
                if "ATTEMPT" in line:
                    return _read(line["ATTEMPT"]) - _read(line["ACCEPTED"])
                await asyncio.sleep(0.2)

    async def forget(self) -> None:
        """Begin the simulated LINE's counts anew."""
        url = f"{self._installation.line_url}/simulator/stats"
        async with self._session.delete(url) as answer:
            answer.raise_for_status()

    async def arrivals(self, expected: int) -> list[float]:
        """When requests came, by the machine's steady clock; waits for as many."""
        url = f"{self._installation.line_url}/simulator/arrivals?channel={_CHANNEL}"
        seen, seen_at = 0, time.monotonic()
        while True:
            async with self._session.get(url) as answer:
                found: list[float] = (await answer.json())["arrivals"]
            now = time.monotonic()
            if len(found) > seen:
                seen, seen_at = len(found), now
            if len(found) >= expected or now - seen_at > _STALLED_AFTER:
                return found
            await asyncio.sleep(0.5)


def _read(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _at(percent: float, values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def _most_within(span: float, instants: list[float]) -> int:
    most = first = 0
    for last, instant in enumerate(instants):
        while instants[first] <= instant - span:
            first += 1
        most = max(most, last - first + 1)
    return most


async def paced(desk: Desk) -> list[tuple[str, str]]:
    """A bulk of 600 at 6,000 a minute."""
    await desk.forget()
    await desk.send(600, sendingSpeedLimit={"amount": 6000, "timeUnit": "MINUTE"})
    found = await desk.arrivals(600)
    gaps = [(later - earlier) * 1000 for earlier, later in pairwise(found)]
    return [
        ("600 at 6,000 a minute: arrived", f"{len(found)}"),
        ("first to last (5.99 s is exact)", f"{found[-1] - found[0]:.3f} s"),
        (
            "between two: 1 %, median, 99 %",
            " / ".join(f"{_at(p, gaps):.1f} ms" for p in (1, 50, 99)),
        ),
        ("most in any second (100 and one)", str(_most_within(1.0, found))),
    ]


async def trickled(desk: Desk) -> list[tuple[str, str]]:
    """A hundred single messages a second; the n-th that arrives is taken for the n-th sent."""
    await desk.forget()
    began, sent, tasks = time.monotonic(), [], []
    for number in range(_TRICKLED):
        await asyncio.sleep(max(0.0, began + number / 100 - time.monotonic()))
        sent.append(time.monotonic())
        tasks.append(asyncio.create_task(desk.send(1)))
    await asyncio.gather(*tasks)
    found = await desk.arrivals(_TRICKLED)
    waits = [(arrived - at) * 1000 for at, arrived in zip(sent, sorted(found), strict=False)]
    return [
        (f"{_TRICKLED} single messages at 100 a second: arrived", f"{len(found)}"),
        (
            "request to LINE: median, 99 %, most",
            " / ".join(f"{_at(p, waits):.1f} ms" for p in (50, 99, 100)),
        ),
    ]


async def scheduled(desk: Desk) -> list[tuple[str, str]]:
    """Forty bulks of one message, each with an instant of its own."""
    await desk.forget()
    steady_to_wall = time.time() - time.monotonic()
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    instants = [start + timedelta(milliseconds=250 * n + 17 * (n % 7)) for n in range(40)]
    for instant in instants:
        text = instant.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
        await desk.send(1, sendAt=text)
    found = await desk.arrivals(40)
    wanted = [int(instant.timestamp() * 1000) / 1000 for instant in instants]
    late = [
        (arrived + steady_to_wall - at) * 1000 for arrived, at in zip(found, wanted, strict=False)
    ]
    return [
        ("40 scheduled instants: arrived", f"{len(found)}"),
        ("late: median, 99 %", " / ".join(f"{_at(p, late):.1f} ms" for p in (50, 99))),
        ("earliest", f"{min(late):.1f} ms"),
    ]


async def silenced(desk: Desk, installation: Installation) -> list[tuple[str, str]]:
    """300 at 600 a minute; after 8 s the worker stands still for 10 s and is killed."""
    await desk.forget()
    await desk.send(300, sendingSpeedLimit={"amount": 600, "timeUnit": "MINUTE"})
    await asyncio.sleep(8)
    (worker,) = children_of(installation.up.pid, "worker")
    os.kill(worker, signal.SIGSTOP)
    await asyncio.sleep(10)
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    found = await desk.arrivals(300)
    after = [at for at in found if at > killed]
    return [
        ("300 at 600 a minute, 10 s of silence, kill -9: arrived", f"{len(found)}"),
        ("longest gap", f"{max(later - earlier for earlier, later in pairwise(found)):.1f} s"),
        ("first after the kill", f"{after[0] - killed:.1f} s" if after else "none"),
        ("most in any second (10 and one)", str(_most_within(1.0, found))),
    ]


async def alone(desk: Desk, large: int) -> list[tuple[str, str]]:
    """A message each 100 ms while a large bulk runs on the same sender."""
    bulks = [(await desk.send(min(20_000, large)))["bulkId"] for _ in range(large // 20_000)]
    await asyncio.sleep(2)
    ids = []
    for _ in range(100):
        answer = await desk.send(1)
        ids.append(answer["messages"][0]["messageId"])
        await asyncio.sleep(0.1)
    waits = [(await desk.first_try(id_)).total_seconds() * 1000 for id_ in ids]
    for bulk_id in bulks:
        await desk.steer(bulk_id, "CANCELED")
    return [
        (f"100 single messages beside {large:,}", ""),
        ("accepted to LINE: median, 99 %", " / ".join(f"{_at(p, waits):.0f} ms" for p in (50, 99))),
    ]


async def bench(large: int) -> list[tuple[str, str]]:
    """All scenes, one after the other."""
    async with (
        installed(workers=1, senders=1, events_per_call=20, rate_limit=_LIMIT) as installation,
        aiohttp.ClientSession() as session,
    ):
        desk = Desk(session, installation)
        await desk.send(1)
        await asyncio.sleep(3)
        rows = [
            *await trickled(desk),
            *await paced(desk),
            *await scheduled(desk),
            *await silenced(desk, installation),
        ]
        return [*rows, *await alone(desk, large)]


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Measure how exactly messages go.")
    parser.add_argument("--large", type=int, default=100_000, help="messages of the large bulk")
    options = parser.parse_args()
    try:
        rows = uvloop.run(bench(options.large))
    except BenchError as error:
        _console.print(f"FAILED: {error}", markup=False)
        return 1
    table = Table("what", "measured", title="How exactly messages go")
    for row in rows:
        table.add_row(*row)
    _console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
