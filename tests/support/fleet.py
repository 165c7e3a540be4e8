"""Roles of the real program in processes of their own, as on several machines, and load on them."""

import asyncio
import base64
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from support.program import Program, environment_of, free_port, home_folder, until_status
from support.shop import Shop, simulated_line

__all__ = ["A_REQUEST", "Fleet", "Site", "a_site", "send_on"]

A_REQUEST = 10
_KEY = base64.b64encode(bytes(range(32))).decode()
_PAUSE = 0.05  # seconds: some 200 messages a second
_STOPS_WITHIN = 45.0  # what deploy/ gives a process before it is killed


@dataclass(slots=True)
class Fleet:
    """Roles in processes of their own, as on several machines."""

    home: Path
    settings: dict[str, str]
    running: list[Process] = field(default_factory=list)

    async def start(
        self, *arguments: str, probes: int, source: Path | None = None, **settings: str
    ) -> Process:
        """Start a role; returns when it is ready. source: of another version of the program."""
        environment = environment_of(self.home, {**self.settings, **settings})
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        with (self.home.parent / f"{arguments[0]}-{probes}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "linegate", *arguments),
                env=environment,
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=log,
            )
        self.running.append(process)
        await until_status(f"http://127.0.0.1:{probes}/health/ready", 200, within=120)
        return process

    async def api(self, port: int, source: Path | None = None) -> Program:
        process = await self.start("api", "--port", str(port), probes=port, source=source)
        return Program(f"http://127.0.0.1:{port}", process, self.home, [])

    async def worker(self, port: int, source: Path | None = None) -> Process:
        return await self.start("worker", probes=port, source=source, metrics_port=str(port))

    async def stop(self, process: Process) -> int:
        """SIGTERM; the exit code."""
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOPS_WITHIN):
            return await process.wait()


@asynccontextmanager
async def fleet(home: Path, **settings: str) -> AsyncIterator[Fleet]:
    made = Fleet(home, settings)
    try:
        yield made
    finally:
        for process in made.running:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(frozen=True, slots=True)
class Site:
    """Machines on one database: an API with its customer, and whatever is started besides."""

    roles: Fleet
    api: Program
    shop: Shop


@asynccontextmanager
async def a_site(database_url: str) -> AsyncIterator[Site]:
    """An API over a simulated LINE; its workers are started by the test."""
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": _KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                api = await roles.api(port)
                yield Site(roles, api, await Shop.open(home, line, **settings))


async def send_on(shop: Shop, apis: Sequence[Program], stopping: asyncio.Event) -> list[str]:
    """One small request after the other, to each API in turn, until it is told to stop; all ids."""
    sent: list[str] = []
    for at in count():
        numbers = [f"8190{100_000 + at}{digits:02d}" for digits in range(A_REQUEST)]
        sent += await shop.send(apis[at % len(apis)], *numbers, seconds=120)
        try:
            async with asyncio.timeout(_PAUSE):
                await stopping.wait()
        except TimeoutError:
            continue
        return sent
    raise AssertionError("never")
