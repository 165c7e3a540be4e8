"""The database fails under the running program: restarted, promoted, locked, full, rewritten.

Requests get 503 until it is back, the program goes on by itself, and what was answered with 200
ends in one report.
"""

import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from support.gateway import a_request
from support.program import Program, free_port, home_folder, program
from support.replication import a_primary, a_replica_of, url_of
from support.shop import Books, Shop, simulated_line
from support.waiting import until

KEY = base64.b64encode(bytes(range(32))).decode()
SETTINGS = {
    "secret_key": KEY,
    "resend_unknown_after": "2s",
    "lease_for": "4s",
    "line_timeout": "3s",
    "webhook_allow_private": "1",
}
VALID = 40  # seconds: an event that was answered with 503 does not come again


@dataclass
class Client:
    """Sends one request after the other, each until it is answered with 200."""

    up: Program
    shop: Shop
    taken: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    retry_after: set[str | None] = field(default_factory=set)
    _sent: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Send until told to stop, and then to the end of what was begun."""
        async with aiohttp.ClientSession() as session:
            while not self._stopping.is_set():
                await self._send(session)
                await asyncio.sleep(0.02)
        self._stopped.set()

    async def books(self) -> Books:
        """What became of everything, after it has gone on by itself for a while and then ended."""
        await self.has_taken(50)
        self._stopping.set()
        await self._stopped.wait()
        return await self.shop.books(self.up, len(self.taken), within=VALID + 60)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        self._sent += 1
        numbers = [f"8190100{self._sent % 1000:03d}{at:02d}" for at in range(5)]
        body = a_request(
            *numbers, options={"validityPeriod": {"amount": VALID, "timeUnit": "SECONDS"}}
        )
        headers = {
            "Authorization": f"App {self.shop.key}",
            "Idempotency-Key": f"request {self._sent}",
        }
        while True:
            url = f"{self.up.url}/line/1/messages"
            async with session.post(url, json=body, headers=headers) as answer:
                self.answers[answer.status] += 1
                if answer.status == 200:
                    told = await answer.json()
                    self.taken += [each["messageId"] for each in told["messages"]]
                    return
                assert answer.status == 503, await answer.text()
                self.retry_after.add(answer.headers.get("Retry-After"))
            await asyncio.sleep(0.2)

    async def has_taken(self, more: int, within: float = 90) -> None:
        """Return when so many more messages have been answered with 200."""
        wanted = len(self.taken) + more

        async def enough() -> bool:
            return len(self.taken) >= wanted

        await until(enough, within=within, every=0.05)

    async def has_seen(self, status: int, times: int = 1, within: float = 60) -> None:
        """Return when so many requests are answered with this status, from now on."""
        before = self.answers[status]

        async def enough() -> bool:
            return self.answers[status] >= before + times

        await until(enough, within=within, every=0.05)


@asynccontextmanager
async def at_work(url: str) -> AsyncIterator[Client]:
    """The program on this database, with a client that sends until its books are asked for."""
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {**SETTINGS, "line_api_url": line.url, "database_url": url}
            async with program(home, port=port, **settings) as up, asyncio.TaskGroup() as tasks:
                client = Client(up, await Shop.open(home, line, **settings))
                sending = tasks.create_task(client.run())
                await client.has_taken(50)
                yield client
                sending.cancel()


async def amiss(client: Client) -> list[str]:
    """What is not as it must be in the end: one report for each message answered with 200."""
    books = await client.books()
    found = [] if books.are_whole(client.taken) else [f"{books}, taken: {client.taken}"]
    if books.ends.get("EXPIRED_EXPIRED", 0) > books.events_lost:
        found.append(f"more expired than events were lost: {books.ends}, {books.events_lost}")
    if not client.retry_after <= {"2"}:
        found.append(f"a refusal said to come again after {client.retry_after}")
    code = await client.up.end()
    return found if code == 0 else [*found, f"the program ended with {code}"]


async def test_a_promoted_replica_is_gone_on_with_and_the_old_primary_is_left_alone() -> None:
    async with a_primary() as primary, a_replica_of(primary) as replica:
        await primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await primary.ask("SELECT pg_reload_conf()")
        async with at_work(url_of(primary, replica)) as client:
            await primary.stop("immediate")
            await client.has_seen(503)
            await replica.promote()
            await client.has_taken(50)
            await primary.start(synchronous_standby_names="")  # it comes back, and takes writes
            before = await primary.ask("SELECT count(*) FROM message")
            await replica.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'linegate'"
            )  # so that all connect anew
            await client.has_taken(50)
            assert await primary.ask("SELECT count(*) FROM message") == before
            assert await amiss(client) == []


@pytest.mark.long
async def test_a_primary_that_is_restarted_is_waited_for() -> None:
    async with a_primary() as primary, at_work(url_of(primary)) as client:
        for mode in ("fast", "immediate"):
            await primary.stop(mode)
            await client.has_seen(503, times=5)
            await primary.start()
            await client.has_taken(20)
        assert await amiss(client) == []


@pytest.mark.long
async def test_a_table_that_is_locked_is_waited_for() -> None:
    async with a_primary() as primary, at_work(url_of(primary)) as client:
        for table in ("message", "queue", "push", "final", "sender", "endpoint", "bulk_run"):
            dsn = f"postgresql://postgres@127.0.0.1:{primary.port}/linegate"
            holder = await asyncpg.connect(dsn)
            async with holder.transaction():
                await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                # Longer than anything of ours waits for a lock.
                await holder.execute("SELECT pg_sleep(14)")
            await holder.close()
            await client.has_taken(20)
        assert await amiss(client) == []


@pytest.mark.long
async def test_tables_may_be_rewritten_while_all_goes_on() -> None:
    async with a_primary() as primary, at_work(url_of(primary)) as client:
        for _ in range(10):
            for table in ("queue", "push", "final", "message", "sender_pace"):
                await primary.ask(f"VACUUM (FULL, ANALYZE) {table}")
            await client.has_taken(20)
        assert await amiss(client) == []


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own wants root")
async def test_a_disk_that_is_full_stops_nothing_for_good() -> None:
    with a_small_disk("900m") as disk:
        async with (
            a_primary(disk / "data", max_wal_size="64MB", wal_keep_size="0") as primary,
            at_work(url_of(primary)) as client,
        ):
            ballast = disk / "ballast"
            await asyncio.to_thread(_fill, ballast)
            await client.has_seen(503, times=5, within=120)
            ballast.unlink()
            if not await primary.runs():  # without room for its log it ends
                await primary.start()
            await client.has_taken(50)
            assert await amiss(client) == []


@contextmanager
def a_small_disk(size: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="linegate-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            return
