"""One installation in a folder of its own: database, API and worker in processes that may die.

Whatever dies is started again at once, as a service manager does it.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import aiohttp

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.cli.senders import create_sender
from linegate.cli.sms_routes import RouteAsked, ensure_route
from linegate.clock import SystemClock
from linegate.domain.keys import ALL_SCOPES, KNOWN_SCOPES
from linegate.postgres.embedded import EmbeddedServer, start
from linegate.postgres.identities import KeyRules
from linegate.postgres.pool import Pool
from linegate.postgres.store import Store, open_store
from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.crash.board import Board
from support.crash.outside import Outside, outside
from support.program import environment_of, free_port, home_folder
from support.waiting import until

__all__ = ["ACCOUNT", "SENDER", "Role", "Town", "a_town"]

ACCOUNT = "acme"
SENDER = "ACME"
SECRET = "8c570fa6dd201bb328f1c1eac23a96d8"
_STARTING = 10.0  # seconds
PAUSE = 0.2  # seconds before what died is started again, for a process that dies as it starts


@dataclass(slots=True)
class Forked:
    """A process of the program. ended: its exit code, below zero for the signal that ended it."""

    pid: int
    ended: asyncio.Future[int]
    began: float

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Zygote:
    """Starts processes of the program; see zygote.py."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._numbers = count(1)
        self._pids: dict[str, asyncio.Future[int]] = {}
        self._ends: dict[str, asyncio.Future[int]] = {}
        self._process: Process | None = None

    async def fork(self, role: "Role", *arguments: str) -> Forked:
        """A process with these arguments, which dies where the role's board says."""
        assert self._process is not None
        assert self._process.stdin is not None
        loop = asyncio.get_running_loop()
        id_ = f"{role.name}-{next(self._numbers)}"
        self._pids[id_], self._ends[id_] = loop.create_future(), loop.create_future()
        log = str(self._folder / f"{role.name}.log")
        order = {"id": id_, "arguments": arguments, "board": str(role.board.path), "log": log}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return Forked(await self._pids[id_], self._ends[id_], time.monotonic())

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Ready to fork while the block lasts; what it forked does not outlive it."""
        with (self._folder / "zygote.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "support.crash.zygote"),
                env=self._environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,
            )
        listening = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()
            await listening

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            waiting, value = (
                (self._pids, told["pid"]) if "pid" in told else (self._ends, told["code"])
            )
            future = waiting.pop(told["id"])
            if not future.done():
                future.set_result(value)


@dataclass(slots=True)
class Role:
    """A process that is kept running; one without arguments is run when it is needed."""

    name: str
    arguments: Sequence[str]
    board: Board
    process: Forked | None = None
    starts: int = 0
    fallen: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None:
            self.process.signal(number)


@dataclass(slots=True)
class Town:
    """An installation and its surroundings.

    kills: how many processes were killed so far; deaths that nobody ordered stand in `accidents`.
    """

    folder: Path
    server: EmbeddedServer
    store: Store
    line: RunningSimulator
    outside: Outside
    zygote: Zygote
    roles: dict[str, Role]
    session: aiohttp.ClientSession
    key: str = ""
    operator: str = ""
    days_ahead: int = 0
    database_died_at: float = 0.0
    kills: int = 0
    accidents: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    @property
    def pool(self) -> Pool:
        """The examiner's own connections."""
        return self.store.pool

    @property
    def home(self) -> Path:
        return self.folder / "home"

    async def keep(self, role: Role) -> None:
        """Start a role again whenever it ends, until cancelled; then kill it."""
        while True:
            role.process = await self.zygote.fork(role, *role.arguments)
            role.starts += 1
            try:
                code = await asyncio.shield(role.process.ended)
            except asyncio.CancelledError:
                role.signal(signal.SIGKILL)
                await role.process.ended
                raise
            self._died(role, code, role.name)
            await asyncio.sleep(PAUSE)

    async def command(self, *arguments: str) -> None:
        """A command of the operator, who gives it again when it was killed."""
        role, code = self.roles["command"], -signal.SIGKILL
        while code == -signal.SIGKILL:
            role.process = await self.zygote.fork(role, *arguments)
            code = await role.process.ended
            self._died(role, code, " ".join(arguments))

    def _died(self, role: Role, code: int, what: str) -> None:
        if code == -signal.SIGKILL:
            self.disarm()
            self.kills += 1
            role.fallen.set()
        elif code != 0 and not self._began_as_the_database_died(role):
            log = (self.folder / f"{role.name}.log").read_text(errors="replace")
            last = log.rstrip().rpartition("\n")[2]
            self.accidents.append(f"{what} ended with {code}: {last}")

    def _began_as_the_database_died(self, role: Role) -> bool:
        """A process that finds no database as it starts says so and ends, to be started again."""
        began = role.process.began if role.process else 0.0
        return time.monotonic() - began < _STARTING and self.database_died_at > began - _STARTING

    def arm(self, point: str, time: int = 1) -> None:
        """The first process that comes to the point for the `time`th time dies there."""
        for role in self.roles.values():
            role.fallen.clear()
            role.board.arm(point, time)

    def disarm(self) -> None:
        for role in self.roles.values():
            role.board.disarm()

    async def fell(self, within: float) -> bool:
        """Whether some process died of the point that was armed; disarms."""
        fallen = [asyncio.ensure_future(role.fallen.wait()) for role in self.roles.values()]
        try:
            done, _ = await asyncio.wait(
                fallen, timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
            return bool(done)
        finally:
            self.disarm()
            for each in fallen:
                each.cancel()
            await asyncio.gather(*fallen, return_exceptions=True)

    async def restart(self, name: str) -> None:
        """Stop a role in order; it is started again."""
        role = self.roles[name]
        before = role.starts
        role.signal(signal.SIGTERM)

        async def again() -> bool:
            return role.starts > before

        await until(again, within=60)

    async def days_go_by(self, days: int) -> None:
        """The installation's time is days later; what looks seldom looks as it starts again.

        Nobody runs meanwhile, or it would tell the old time. They start again by themselves.
        """
        stopped = [self.roles[name] for name in ("worker1", "api")]
        starts = [role.starts for role in stopped]
        for role in stopped:
            role.signal(signal.SIGTERM)
        await asyncio.gather(*(asyncio.shield(r.process.ended) for r in stopped if r.process))
        await self.pool.execute(
            "UPDATE installation_time SET ahead = ahead + $1, told_at = told_at + $1",
            timedelta(days=days),
        )
        self.days_ahead += days

        async def again() -> bool:
            return all(r.starts > before for r, before in zip(stopped, starts, strict=True))

        await until(again, within=60)

    async def kill_database(self) -> None:
        """`kill -9` of PostgreSQL's first process, and start it again as `up` does."""
        pid = self._database()
        os.kill(pid, signal.SIGKILL)
        self.database_died_at = time.monotonic()
        self.kills += 1

        async def another() -> bool:
            await self.server.ensure_running()  # unless a process that starts was quicker
            return self._database() not in (0, pid)

        await until(another, within=120, every=0.1)

    def _database(self) -> int:
        """The id of PostgreSQL's first process; 0 without one."""
        file = self.server.data / "postmaster.pid"
        return int(file.read_text().split("\n", 1)[0] or 0) if file.exists() else 0

    def passed(self) -> set[str]:
        """Every point that any process came to."""
        return {point for role in self.roles.values() for point in role.board.passed()}

    def ends_of_logs(self) -> str:
        """What an examiner reads first."""
        parts = []
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            parts += [f"--- {log.name}", *lines]
        return "\n".join(parts)


@asynccontextmanager
async def a_town(workers: int = 1) -> AsyncIterator[Town]:
    """A running town, set up: an account with sender, keys, SMS routes and limits."""
    async with AsyncExitStack() as stack:
        home = stack.enter_context(home_folder())
        port = free_port()
        out = await stack.enter_async_context(outside(f"http://127.0.0.1:{port}"))
        smpp = socket.create_server(("127.0.0.1", 0))
        line = await stack.enter_async_context(running(_line_settings(out, smpp)))
        out.listen_to(line)
        server = await start(home, clock=SystemClock())
        stack.push_async_callback(server.stop)
        store = await stack.enter_async_context(
            open_store(home=home, database_url=None, secret_key=None, clock=SystemClock())
        )
        roles = _roles(home.parent, port, workers)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        )
        zygote = Zygote(home.parent, _environment(home, line.url, out.api_url))
        await stack.enter_async_context(zygote.living())
        town = Town(home.parent, server, store, line, out, zygote, roles, session)
        await _set_up(town, smpp.getsockname()[1])
        keeping = [
            asyncio.create_task(town.keep(role)) for role in roles.values() if role.arguments
        ]
        try:
            yield town
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


def _line_settings(out: Outside, smpp: socket.socket) -> SimulatorSettings:
    channel = ChannelSettings(
        "1", SECRET, webhook_url=f"{out.url}/events/{SENDER}", redelivery=True
    )
    return SimulatorSettings(
        channels=(channel,), smpp=smpp, delay_factor=0.3, counts_at_once=True, linger=0.005
    )


def _roles(folder: Path, port: int, workers: int) -> dict[str, Role]:
    def role(name: str, *arguments: str) -> Role:
        return Role(name, arguments, Board(folder / f"{name}.board"))

    made = [role("api", "api", "--port", str(port)), role("command")]
    made += [role(f"worker{number}", "worker") for number in range(1, workers + 1)]
    return {each.name: each for each in made}


def _environment(home: Path, line_url: str, api_url: str) -> dict[str, str]:
    settings = {
        "line_api_url": line_url,
        "public_url": api_url,
        "webhook_allow_private": "1",
        "lease_for": "2s",
        "line_timeout": "1500ms",
        "resend_unknown_after": "2s",
        "retention_days": "1",
        "log_attempts": "1000",
    }
    made = environment_of(home, settings)
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**made, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


async def _set_up(town: Town, smpp_port: int) -> None:
    store, out = town.store, town.outside
    await create_account(store, ACCOUNT)
    await create_sender(store, ACCOUNT, SENDER, channel_id="1", channel_secret=SECRET, token=None)
    town.key = await create_key(store, ACCOUNT, name="client")
    rules = KeyRules(frozenset((*ALL_SCOPES, *KNOWN_SCOPES)))
    await create_account(store, "operator")  # one that is not suspended with its account
    town.operator = await create_key(store, "operator", name="operator", rules=rules)
    smsc = f"smpp://user:pass@127.0.0.1:{smpp_port}?window=50&response_timeout=2"
    await ensure_route(store, ACCOUNT, RouteAsked("smsc", smsc, default_sender="Shop"))
    provider = out.url.replace("http://", "infobip://KEY@")
    await ensure_route(
        store, ACCOUNT, RouteAsked("provider", provider, ("668",), default_sender="Shop")
    )
    await town.pool.execute(
        "UPDATE account SET messages_per_day = 100000000, messages_waiting = 1000000"
    )
    await town.pool.execute("UPDATE sender SET relay_url = $1", f"{out.url}/bot")
