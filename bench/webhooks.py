"""How fast reports go out while a hundred dead endpoints hold a million: `make bench-webhooks`.

A database in a temporary folder is filled with finished messages whose reports wait: a million for
100 endpoints that refuse or never answer, the rest for endpoints that work. Then one pusher, as a
worker runs it, works them off against receivers in a process of their own.
"""

import argparse
import asyncio
import json
import resource
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import uvloop
from processes import cpu_seconds, working_in
from prometheus_client import CollectorRegistry
from waiting_reports import WaitingReports, make_endpoints

from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import SystemClock
from linegate.logs import set_up
from linegate.metrics import Metrics
from linegate.postgres.store import Store, open_store
from linegate.report.pusher import Pusher
from linegate.sealing import account_context
from linegate.supervisor import Supervisor
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard

_ANY = "x"  # nothing is sent to LINE


@dataclass(frozen=True, slots=True)
class _Scene:
    account: int
    sender: int
    working: list[int]
    dead: list[int]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> int:
    """Fill, push, print; 0 if every report to a working endpoint arrived."""
    asked = _arguments()
    set_up(level="warning", form="console")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linegate-bench-")))
        folder.chmod(0o711)  # noqa: ASYNC240 - once, at the start
        home = folder / "home"
        store = await stack.enter_async_context(
            open_store(home=home, database_url=None, secret_key=None, clock=clock, connections=12)
        )
        receiver = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("receiver.py")), stdin=PIPE, stdout=PIPE
        )
        stack.callback(receiver.kill)
        ports = json.loads(await _line(receiver))
        scene = await _prepare(store, ports, asked.working, asked.dead, clock.now())
        started = time.monotonic()
        await _fill(store, scene, asked, clock.now())
        total = asked.waiting + asked.reports
        _say(f"filled: {total} waiting reports in {time.monotonic() - started:.0f} s")
        return await _measure(stack, store, receiver, asked, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=300_000, help="to endpoints that work")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="for dead endpoints")
    parser.add_argument("--working", type=int, default=10, help="endpoints that work")
    parser.add_argument("--dead", type=int, default=100, help="half refuse, half never answer")
    parser.add_argument("--patience", type=int, default=300, help="seconds")
    return parser.parse_args()


async def _prepare(
    store: Store, ports: dict[str, int], working: int, dead: int, now: datetime
) -> _Scene:
    account = await create_account(store, "bench")
    sender = await create_sender(
        store, "bench", "BENCH", channel_id="1", channel_secret=_ANY, token=_ANY
    )
    takes, hangs, refuses = ports["takes"], ports["hangs"], _unused_port()
    urls = [f"http://127.0.0.1:{takes}/{n}" for n in range(working)]
    urls += [f"http://127.0.0.1:{hangs if n % 2 else refuses}/{n}" for n in range(dead)]
    async with store.pool.acquire() as conn:
        ids = await make_endpoints(conn, account, urls, now)
    return _Scene(account, sender, ids[:working], ids[working:])


async def _fill(store: Store, scene: _Scene, asked: argparse.Namespace, now: datetime) -> None:
    waiting = WaitingReports(scene.account, scene.sender)
    async with store.pool.acquire() as conn:
        await waiting.put(conn, scene.dead, asked.waiting, now - timedelta(hours=1))
        await waiting.put(conn, scene.working, asked.reports, now - timedelta(minutes=1))
        await conn.execute("ANALYZE")


async def _measure(
    stack: AsyncExitStack,
    store: Store,
    receiver: Process,
    asked: argparse.Namespace,
    folder: Path,
) -> int:
    clock = SystemClock()
    client = await stack.enter_async_context(WebhookClient(Guard(allow_private=True)))
    pusher = Pusher(
        store.pool,
        clock,
        client,
        lambda name, what, sealed: store.vault.open(sealed, context=account_context(name, what)),
        Metrics(CollectorRegistry()),
    )
    supervisor = Supervisor(clock, grace=timedelta(seconds=20))  # posts that hang end by then
    supervisor.add(pusher)
    before = _used(folder)
    began = time.monotonic()
    running = asyncio.create_task(supervisor.run())
    taken = await _until(receiver, asked.reports, began + asked.patience)
    took = time.monotonic() - began
    after = _used(folder)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    _say(f"{taken} of {asked.reports} reports taken by {asked.working} working endpoints")
    _say(f"while {asked.dead} dead ones held {asked.waiting}")
    _say(f"{taken / took:,.0f} reports/s over {took:.1f} s")
    for name in before:
        each = (after[name] - before[name]) / max(taken, 1) * 1e6
        _say(f"{name:>10}: {each:6.1f} us of CPU a report")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _say(f"{peak:,.0f} MB of memory at the most")
    return 0 if taken == asked.reports else 1


async def _until(receiver: Process, wanted: int, deadline: float) -> int:
    taken = 0
    while taken < wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        if receiver.stdin is not None:
            receiver.stdin.write(b"\n")
        taken = int(await _line(receiver))
    return taken


async def _line(process: Process) -> str:
    if process.stdout is None:
        raise RuntimeError("the receiver has no output")
    return (await process.stdout.readline()).decode()


def _used(folder: Path) -> dict[str, float]:
    servers = working_in(folder / "home" / "postgres" / "data")
    return {"pusher": time.process_time(), "postgres": sum(map(cpu_seconds, servers))}


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
