"""Workers are exchanged one after the other under load: nothing is lost and nothing goes twice."""

import asyncio
import base64
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from support.program import Program, environment_of, free_port, home_folder, until_status
from support.shop import Shop, simulated_line

KEY = base64.b64encode(bytes(range(32))).decode()
ROUNDS = 2
A_REQUEST = 10
PAUSE = 0.05  # seconds: some 200 messages a second
SLOW = [f"81901000{at:02d}86" for at in range(20)]  # LINE takes three seconds to answer
STOPS_WITHIN = 45.0  # what deploy/ gives a process before it is killed


@dataclass(slots=True)
class Fleet:
    """Roles in processes of their own, as on several machines."""

    home: Path
    settings: dict[str, str]
    running: list[Process] = field(default_factory=list)

    async def start(self, *arguments: str, probes: int, **settings: str) -> Process:
        """Start a role; returns when it is ready."""
        with (self.home.parent / f"{arguments[0]}-{probes}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "linegate", *arguments),
                env=environment_of(self.home, {**self.settings, **settings}),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=log,
            )
        self.running.append(process)
        await until_status(f"http://127.0.0.1:{probes}/health/ready", 200, within=60)
        return process

    async def worker(self, port: int) -> Process:
        return await self.start("worker", probes=port, metrics_port=str(port))

    async def stop(self, process: Process) -> int:
        """SIGTERM; the exit code."""
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOPS_WITHIN):
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


async def send_on(shop: Shop, api: Program, stopping: asyncio.Event) -> list[str]:
    """One small request after the other until it is told to stop; all message ids."""
    sent: list[str] = []
    for at in count():
        numbers = [f"8190{100_000 + at}{digits:02d}" for digits in range(A_REQUEST)]
        sent += await shop.send(api, *numbers, seconds=120)
        try:
            async with asyncio.timeout(PAUSE):
                await stopping.wait()
        except TimeoutError:
            continue
        return sent
    raise AssertionError("never")


async def test_two_workers_restarted_in_turn_lose_nothing_and_send_nothing_twice(
    database_url: str,
) -> None:
    port, ports = free_port(), [free_port(), free_port()]
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                process = await roles.start("api", "--port", str(port), probes=port)
                api = Program(f"http://127.0.0.1:{port}", process, home, [])
                workers = [await roles.worker(each) for each in ports]
                shop = await Shop.open(home, line, **settings)
                stopping = asyncio.Event()
                sending = asyncio.create_task(send_on(shop, api, stopping))
                for _ in range(ROUNDS):
                    for at, probes in enumerate(ports):
                        before = await shop.asked()
                        assert await roles.stop(workers[at]) == 0
                        await shop.has_asked(before + A_REQUEST)  # the other one goes on
                        workers[at] = await roles.worker(probes)
                stopping.set()
                sent = await sending
                assert len(set(sent)) == len(sent) > 4 * A_REQUEST
                told = await shop.is_told(len(sent), within=60)
                pulled = await shop.pull(api)

                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(sent)}
                assert told["duplicates"] == 0
                assert set(pulled) == set(sent)
                assert set(pulled.values()) == {1}
                assert await shop.asked() == len(sent)  # no attempt was made twice
                assert await shop.shown_twice() == 0
                for worker in workers:
                    assert await roles.stop(worker) == 0
                assert await roles.stop(process) == 0


async def test_a_worker_stopped_while_line_answers_slowly_settles_what_it_was_asking(
    database_url: str,
) -> None:
    """The stop waits for LINE's answer: an attempt that is cut off would be unknown."""
    port, probes = free_port(), free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                process = await roles.start("api", "--port", str(port), probes=port)
                api = Program(f"http://127.0.0.1:{port}", process, home, [])
                worker = await roles.worker(probes)
                shop = await Shop.open(home, line, **settings)
                sent = await shop.send(api, *SLOW, seconds=60)
                await shop.has_asked(len(SLOW))
                assert await roles.stop(worker) == 0
                await roles.worker(probes)
                told = await shop.is_told(len(sent), within=60)
                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(sent)}
                assert await shop.asked() == len(sent)
