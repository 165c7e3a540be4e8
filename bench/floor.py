"""`make bench-floor`: what a message costs at the least with the parts that linegate is made of.

CPU microseconds, measured one part after the other on the same machine:

- HTTP in: uvicorn with an application that reads each request and answers at once.
- HTTP out: pyreqwest posting a LINE message of the usual size to a bare socket that says `{}`.
- the statements of one life: accept, claim, settle, deliver, report; in batches of 100 and of 25,
  over asyncpg to a real database, with the code that makes their rows and nothing around it.

What `make bench` shows above the sum of these is what linegate itself adds.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import uvloop
from load import Job, Result, body_of
from processes import cpu_seconds, working_in
from pyreqwest.client import Client, ClientBuilder
from rich.console import Console
from rich.table import Table

from linegate.accept.accept_bulk import Acceptor
from linegate.accept.accepted import Accepted
from linegate.cli.accounts import create_account
from linegate.cli.senders import create_sender
from linegate.clock import SystemClock
from linegate.dispatch.settle import Decided, settle
from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.decide import Patience, after_attempt
from linegate.domain.ids import IdMaker
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.logs import set_up
from linegate.postgres.dispatching import Arrived, Tried, claim_due, deliver
from linegate.postgres.posts import Post, reports_taken
from linegate.postgres.reporting import due_reports
from linegate.postgres.store import Store, open_store
from linegate.report.drain import START

_SINGLES, _BULKS, _PER_BULK = 8000, 40, 1000
_POSTS, _AT_ONCE = 20_000, 64
_LIVES = 20_000
_ANY = "x"  # nothing is sent to LINE
_ACCEPTED = Outcome(OutcomeKind.ACCEPTED, code=200, request_id="f" * 32)
_console = Console(width=100, highlight=False)

Done = TypeVar("Done")
Row = tuple[str, dict[str, float]]
"""What was measured: its name, and CPU microseconds by process."""


async def http_in() -> list[Row]:
    """Requests of one destination, of a thousand, and events, on the bare application."""
    async with _program("bare_server.py") as (server, url):
        where = urlsplit(url.strip())
        rows = []
        for name, requests, each in (
            ("a request of one destination", _SINGLES, 1),
            ("a request of 1,000, a message", _BULKS, _PER_BULK),
        ):
            job = Job(
                where.hostname or "", where.port or 0, _ANY, ["S"], requests, each, connections=16
            )
            used = _used({"uvicorn": lambda: cpu_seconds(server.pid)})
            await _load(job)
            rows.append((f"HTTP in: {name}", _since(used, requests * each)))
        return rows


async def http_out() -> list[Row]:
    """Posts of a LINE message, a fixed number at once."""
    async with _program("receiver.py") as (_, ports):
        url = f"http://127.0.0.1:{json.loads(ports)['takes']}/bot/pnp/push"
        body = body_of(1, "S", ["819012345678"], by_sms=False)
        client = ClientBuilder().http1_only().no_proxy().max_connections(_AT_ONCE).build()
        async with client:
            await _post(client, url, body, _AT_ONCE)
            used = _used({"pyreqwest": time.process_time})
            await asyncio.gather(
                *(_post(client, url, body, _POSTS // _AT_ONCE) for _ in range(_AT_ONCE))
            )
            return [("HTTP out: a push", _since(used, _POSTS))]


async def _post(client: Client, url: str, body: bytes, count: int) -> None:
    for _ in range(count):
        request = client.post(url).bearer_auth("t" * 170).header("X-Line-Delivery-Tag", "t" * 20)
        await request.body_bytes(body).streamed_read_buffer_limit(0).build().send()


class Lives:
    """Messages that go through every statement and nothing else."""

    def __init__(
        self, store: Store, account: int, sender: int, endpoint: int, acceptor: Acceptor
    ) -> None:
        self._store = store
        self._account, self._sender, self._endpoint = account, sender, endpoint
        self._acceptor = acceptor
        self._now = SystemClock().now

    async def accept(self, count: int, per_request: int) -> None:
        """Take so many messages, in requests of so many."""
        object_ = MessageObject(
            sender_id=self._sender,
            line_message=body_of(1, "S", [], by_sms=False).decode(),
            destinations=["819012345678"] * per_request,
            validity=timedelta(hours=1),
            client_ids=[None] * per_request,
            endpoint_id=self._endpoint,
        )
        answers = await asyncio.gather(
            *(
                self._acceptor.accept(Bulk(self._account, [object_], self._now(), None))
                for _ in range(count // per_request)
            )
        )
        assert all(isinstance(answer, Accepted) for answer in answers)

    async def claim(self, batch: int) -> list[Decided]:
        """Claim a batch, and decide as if LINE had taken all."""
        now, pool = self._now(), self._store.pool
        async with pool.acquire() as conn:
            found = await claim_due(
                conn,
                wanted={self._sender: batch},
                limit=batch,
                burst=timedelta(seconds=10),
                lease_until=now + timedelta(seconds=15),
                horizon=now,
                stale=now,
                now=now,
            )
        if len(found) != batch:
            raise RuntimeError(f"claimed {len(found)}, not {batch}")
        return [
            Decided(
                each.unfinished,
                after_attempt(each.unfinished, _ACCEPTED, now, Patience(), 0.0),
                Tried(each.unfinished.id, each.unfinished.attempt, now, now, _ACCEPTED),
            )
            for each in found
        ]

    async def settle(self, decided: Sequence[Decided]) -> None:
        """Write that LINE has them."""
        await settle(self._store.pool, decided, self._now())

    async def deliver(self, decided: Sequence[Decided]) -> None:
        """Write LINE's events."""
        now = self._now()
        events = [
            Arrived(each.message.id, each.message.attempt, self._sender, now) for each in decided
        ]
        async with self._store.pool.acquire() as conn:
            await deliver(conn, events, now=now)

    async def report(self, batch: int) -> None:
        """Read a batch of reports and write that they were taken."""
        now = self._now()
        async with self._store.pool.acquire() as conn:
            found = await due_reports(
                conn, self._endpoint, after=START, in_hand=[], limit=batch, now=now
            )
            reports = [(each.message.id, each.number) for each in found]
            await reports_taken(conn, _posted(self._endpoint, reports, now), now=now)
        if len(found) != batch:
            raise RuntimeError(f"{len(found)} reports, not {batch}")


def _posted(endpoint_id: int, reports: Sequence[tuple[int, int]], now: datetime) -> Post:
    """A request with these reports that was taken, as it is kept."""
    url, kind = "http://127.0.0.1/reports", "application/json"
    size, digest = 400 * len(reports), bytes(32)
    return Post(endpoint_id, now, 1, url, kind, (), size, digest, 200, "", "", reports)


async def statements(batch: int) -> list[Row]:
    """All statements of a life in batches of one size, each kind measured by itself."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linegate-bench-")))
        folder.chmod(0o711)  # noqa: ASYNC240 - once, at the start
        store = await stack.enter_async_context(
            open_store(
                home=folder / "home",
                database_url=None,
                secret_key=None,
                clock=SystemClock(),
                connections=2,
            )
        )
        lives = await _installation(store)
        servers = folder / "home" / "postgres" / "data"
        clocks = {
            "ours": time.process_time,
            "postgres": lambda: sum(map(cpu_seconds, working_in(servers))),
        }
        total: dict[str, dict[str, float]] = {}

        async def measured(name: str, work: Callable[[], Awaitable[Done]]) -> Done:
            used = _used(clocks)
            done = await work()
            for group, spent in _since(used, _LIVES).items():
                kind = total.setdefault(name, {})
                kind[group] = kind.get(group, 0.0) + spent
            return done

        await measured("accept", lambda: lives.accept(_LIVES, batch))
        groups = await measured("claim", lambda: _each(lives.claim, batch))
        await measured("settle", lambda: _through(lives.settle, groups))
        await measured("deliver", lambda: _through(lives.deliver, groups))
        await measured("report", lambda: _each(lives.report, batch))
        whole = {
            group: sum(kind[group] for kind in total.values()) for group in ("ours", "postgres")
        }
        named = [*total.items(), ("all five", whole)]
        return [(f"batches of {batch}: {name}", spent) for name, spent in named]


async def _each(work: Callable[[int], Awaitable[Done]], batch: int) -> list[Done]:
    return [await work(batch) for _ in range(_LIVES // batch)]


async def _through(
    work: Callable[[list[Decided]], Awaitable[None]], groups: list[list[Decided]]
) -> None:
    for group in groups:
        await work(group)


async def _installation(store: Store) -> Lives:
    account = await create_account(store, "bench")
    sender = await create_sender(
        store, "bench", "BENCH", channel_id="1", channel_secret=_ANY, token=_ANY
    )
    async with store.pool.acquire() as conn:
        await conn.execute("UPDATE sender_pace SET per_second = 1000000")
        endpoint = await conn.fetchval(
            "INSERT INTO endpoint (account_id, url, created_at) VALUES ($1, 'http://x', now())"
            " RETURNING id",
            account,
        )
    acceptor = Acceptor(store.pool, IdMaker(1), linger=timedelta(milliseconds=1))
    return Lives(store, account, sender, endpoint, acceptor)


def _used(clocks: dict[str, Callable[[], float]]) -> dict[str, tuple[Callable[[], float], float]]:
    return {name: (clock, clock()) for name, clock in clocks.items()}


def _since(used: dict[str, tuple[Callable[[], float], float]], count: int) -> dict[str, float]:
    return {name: (clock() - before) / count * 1e6 for name, (clock, before) in used.items()}


async def _load(job: Job) -> Result:
    async with _program("load.py", msgspec.json.encode(job) + b"\n") as (client, _):
        if client.stdin is None or client.stdout is None:
            raise RuntimeError("the client has no pipes")
        client.stdin.write(b"go\n")
        return msgspec.json.decode(await client.stdout.readline(), type=Result)


@asynccontextmanager
async def _program(name: str, told: bytes = b"") -> AsyncIterator[tuple[Process, str]]:
    """One of our small programs while the block lasts, with the first line that it prints."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name(name)), stdin=PIPE, stdout=PIPE
    )
    if child.stdin is None or child.stdout is None:
        raise RuntimeError(f"{name} has no pipes")
    try:
        child.stdin.write(told)
        yield child, (await child.stdout.readline()).decode()
    finally:
        child.stdin.close()
        await child.wait()


async def main() -> None:
    """Measure and print."""
    set_up(level="warning", form="console")
    table = Table("CPU us a message", "ours", "PostgreSQL", title="The floor")
    found = [*await http_in(), *await http_out(), *await statements(100), *await statements(25)]
    for name, spent in found:
        ours = sum(value for group, value in spent.items() if group != "postgres")
        theirs = f"{spent['postgres']:.1f}" if "postgres" in spent else ""
        table.add_row(name, f"{ours:.1f}", theirs)
    _console.print(table)


if __name__ == "__main__":
    argparse.ArgumentParser(description="Measure the parts that linegate is made of.").parse_args()
    uvloop.run(main())
