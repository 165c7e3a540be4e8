"""`make chaos-test`: what stands outside of linegate fails, one thing after the other.

A fresh installation (API, one worker, embedded PostgreSQL) beside a simulated LINE. One account
sends a message at a time at an even rate and has nothing to do with any fault; another one has all
the trouble. Each scene: some seconds without a fault, the fault, and then everything drains.
Printed are the steady sender's rate and times before and during the fault, and the memory of each.
It fails if the steady sender was slower, if memory grew with the fault's length, if something was
refused, or if in the end a message has not exactly one final report.

Run as root it takes a mount and a network namespace of its own, where it is the name server;
otherwise the scenes that need one are left out, by name.

    python bench/chaos.py --help
"""

import argparse
import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvloop
from chaos_outside import NameServer
from chaos_scenes import SCENES, Scene, crowded
from chaos_site import STEADY, TROUBLED, Site, site
from chaos_table import Bounds, Seen, judge, tables
from chaos_watch import Span
from installation import BenchError
from rich.console import Console

_INSIDE = "--inside"
_console = Console(width=150, highlight=False)


async def chaos(options: argparse.Namespace, names: NameServer | None) -> list[str]:
    """Start, play the scenes, end, check the books, print; gives what was not as it must be."""
    scenes = [scene for scene in wanted(options) if names is not None or not scene.own_names]
    async with site(
        rate=options.rate,
        troubled_rate=options.troubled,
        resend_after=options.resend_after,
        names=names,
    ) as here:
        works = (here.watch(), here.memory.run(), here.steady.run(), here.troubled.run())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            seen = [await play(here, scene, options) for scene in scenes]
            await _stop(tasks[2:])
            await asyncio.sleep(2)  # the last arrivals are seen
        finally:
            await _stop(tasks)
        for each in tasks:
            if not each.cancelled() and (error := each.exception()) is not None:
                raise error
        _console.print(*tables(here, seen))
        bounds = Bounds(options.keeps, options.may_wait)
        problems = [problem for each in seen for problem in judge(here, each, bounds)]
        return problems + await settle(here, options)


def wanted(options: argparse.Namespace) -> list[Scene]:
    """The scenes that were asked for; all, if none was."""
    return [scene for scene in SCENES if not options.only or scene.name in options.only]


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def play(here: Site, scene: Scene, options: argparse.Namespace) -> Seen:
    """One scene from calm to calm."""
    lasts = options.minutes * 60 if scene.name == "outage" else options.seconds
    here.troubled.validity = int(lasts + 3 * options.resend_after + 60)
    fault = crowded(options.waiting) if scene.name == "endpoints" and options.waiting else None
    notes: list[str] = []
    began = time.monotonic()
    await asyncio.sleep(options.calm)
    calm = Span(began, time.monotonic())
    async with (fault or scene.fault)(here, notes):
        began = time.monotonic()
        await asyncio.sleep(lasts)
        during = Span(began, time.monotonic())
    drained = await _drained(here, options.patience + here.troubled.validity)
    told = "; ".join([f"{scene.name}: {scene.means} for {during.seconds:.0f} s", *notes])
    _console.print(told, markup=False)
    return Seen(scene, calm, during, drained)


async def _drained(here: Site, patience: float) -> float:
    """Seconds until everything that was accepted by now has been reported; -1: not in time."""
    began = time.monotonic()
    wanted = {TROUBLED: set(here.troubled.accepted), STEADY: set(here.steady.sent_at)}
    while time.monotonic() < began + patience:
        if all(ids <= here.receiver.by_account[name].keys() for name, ids in wanted.items()):
            return time.monotonic() - began
        await asyncio.sleep(0.25)
    return -1.0


async def settle(here: Site, options: argparse.Namespace) -> list[str]:
    """The books, once everything has drained."""
    problems = []
    if await _drained(here, options.patience) < 0:
        problems.append("not everything was reported in time")
    sent = {STEADY: set(here.steady.sent_at), TROUBLED: here.troubled.accepted}
    for account, ids in sent.items():
        pulled, pushed = await here.pulled(account), here.receiver.by_account[account]
        channel = await here.channel(account)
        doubled = sum(1 for number in pulled.values() if number != 1)
        repeated = sum(1 for number in pushed.values() if number != 1)
        _console.print(
            f"{account}: accepted {len(ids):,}, final reports {len(pulled):,}, twice {doubled},"
            f" pushed {len(pushed):,}, pushed again {repeated}; LINE was asked"
            f" {channel['requests']:,} times, a phone saw the same again"
            f" {channel['duplicateContents']} times"
        )
        if set(pulled) != ids or doubled:
            problems.append(f"{account}: {len(ids)} messages, {len(pulled)} final reports")
    clients = (here.steady.client, here.troubled.client)
    return problems + [f"refused: {dict(each.refused)}" for each in clients if each.refused]


async def run(options: argparse.Namespace) -> int:
    """Everything; the exit code."""
    names = None
    if options.inside:
        names = NameServer()
        await names.open()
    elif left_out := [scene.name for scene in wanted(options) if scene.own_names]:
        _console.print(f"left out, since they need root and unshare(1): {', '.join(left_out)}")
    task = asyncio.current_task()
    if task is not None:  # what was started is stopped when we are told to end
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        problems = await chaos(options, names)
    except BenchError as error:
        problems = [str(error)]
    for problem in problems:
        _console.print(f"FAILED: {problem}", markup=False)
    return 1 if problems else 0


def _go_inside() -> None:
    """Become this program again where /etc/resolv.conf and loopback are our own, if that can be."""
    unshare = ("unshare", "--mount", "--net")
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    if subprocess.run([*unshare, "true"], check=False).returncode:  # noqa: S603 - in a container
        return
    again = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:], _INSIDE]
    os.execvp("unshare", [*unshare, *again])  # noqa: S606, S607


def _settle_in() -> None:
    """Inside: bring loopback up, and ask ourselves for names."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # noqa: S607
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write("nameserver 127.0.0.1\n")
    Path(file.name).chmod(0o644)
    libc = ctypes.CDLL(None, use_errno=True)
    bind = 4096  # MS_BIND
    if libc.mount(file.name.encode(), b"/etc/resolv.conf", None, bind, None):
        raise OSError(ctypes.get_errno(), "cannot bind /etc/resolv.conf")
    with suppress(OSError):
        Path(file.name).unlink()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Let everything outside of linegate fail.")
    parser.add_argument("--seconds", type=float, default=60, help="how long a fault lasts (60)")
    parser.add_argument("--minutes", type=float, default=10, help="of LINE answering 500 (10)")
    parser.add_argument("--calm", type=float, default=20, help="seconds before each fault (20)")
    parser.add_argument("--patience", type=float, default=120, help="seconds to drain (120)")
    parser.add_argument("--rate", type=float, default=100, help="steady messages a second (100)")
    parser.add_argument("--troubled", type=int, default=50, help="the other's a second (50)")
    parser.add_argument("--resend-after", type=float, default=20, help="seconds (20; product: 120)")
    parser.add_argument("--waiting", type=int, default=0, help="reports of 100 more dead endpoints")
    parser.add_argument("--keeps", type=float, default=0.95, help="of its rate, steady's (0.95)")
    parser.add_argument(
        "--may-wait", type=float, default=1, help="seconds more on the way to LINE (1)"
    )
    names = [scene.name for scene in SCENES]
    parser.add_argument("--only", action="append", choices=names, help="this scene, and others so")
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run and print; 1 if something was not as it must be."""
    options = _options()
    if options.inside:
        _settle_in()
    elif any(scene.own_names for scene in wanted(options)):
        _go_inside()
    return uvloop.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
