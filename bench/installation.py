"""A linegate of its own in a temporary folder, with a simulated LINE beside it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from processes import Group, children_of, working_in

from linegate.postgres.embedded_running import running_server

__all__ = [
    "BenchError",
    "Installation",
    "command",
    "environment",
    "free_port",
    "installed",
    "listening",
    "stop",
    "stoppable",
    "temporary_folder",
]

Result = TypeVar("Result")

_ACCOUNT = "bench"
_STARTS_WITHIN = 600  # seconds; the first start makes a database, maybe on a busy machine
_STOPS_WITHIN = 30
_WINDOW = 100  # submits under way on the SMPP session


class BenchError(Exception):
    """Something could not be started or did not answer; the text says what."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs. url, line_url: base URLs; key: of the account; up, simulator: their processes;
    env: what a command line of this installation needs; smpp_port: of the simulated SMSC.
    """

    url: str
    line_url: str
    key: str
    senders: tuple[str, ...]
    data: Path
    up: Process
    simulator: Process
    env: Mapping[str, str]
    smpp_port: int

    def groups(self) -> dict[str, Group]:
        """The processes by what they do."""
        return {
            "api": lambda: [self.up.pid],
            "workers": lambda: children_of(self.up.pid, "worker"),
            "postgres": lambda: working_in(self.data),
            "simulator": lambda: [self.simulator.pid],
        }

    def database(self) -> str:
        """Where its database is reached. Raises: BenchError when it does not run."""
        running = running_server(self.data)
        if running is None:
            raise BenchError("the database does not run")
        return f"postgresql://postgres@/linegate?host={quote(str(running.socket_folder))}"


@asynccontextmanager
async def installed(
    *,
    workers: int,
    senders: int,
    events_per_call: int,
    rate_limit: float,
    reports: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Installation]:
    """Start everything in a new folder; stop it and remove the folder at the end.

    rate_limit: requests a second that the simulated LINE allows one channel.
    reports:    where delivery reports go; None: to the simulator.
    settings:   linegate's environment besides; in LINEGATE_LINE_API_URL, {port} is the simulator's.
    Raises:     BenchError, with the end of the logs.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        try:
            env = {**environment(folder / "home"), **(settings or {})}
            yield await _start(
                stack, folder, env, workers, senders, events_per_call, rate_limit, reports
            )
        except BenchError as error:
            raise BenchError(f"{error}\n{_ends_of_logs(folder)}") from error


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of our own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="linegate-bench-") as name:
        folder = Path(name)
        # Started by root, the database runs as another user, who must be able to pass.
        folder.chmod(0o711)
        yield folder


async def _start(
    stack: AsyncExitStack,
    folder: Path,
    env: dict[str, str],
    workers: int,
    senders: int,
    events_per_call: int,
    rate_limit: float,
    reports: str | None,
) -> Installation:
    names = tuple(f"BENCH{number}" for number in range(1, senders + 1))
    smpp = str(free_port())
    limits = [
        "--smpp-port",
        smpp,
        "--events-per-call",
        str(events_per_call),
        "--rate-limit",
        str(rate_limit),
    ]
    simulator, line_url = await stack.enter_async_context(
        listening(["simulate", "--port", "0", *limits], env, folder / "simulator.log")
    )
    named = env.get("LINEGATE_LINE_API_URL", "http://127.0.0.1:{port}")
    env["LINEGATE_LINE_API_URL"] = named.format(port=urlsplit(line_url).port)
    up_arguments = ["up", "--port", str(free_port()), "--workers", str(workers)]
    up, url = await stack.enter_async_context(listening(up_arguments, env, folder / "up.log"))
    key = await _set_up(env, names, url, line_url, reports or f"{line_url}/subscriber/reports")
    await command(
        {**env, "LINEGATE_SMS_URL": f"smpp://bench:bench@127.0.0.1:{smpp}?window={_WINDOW}"},
        *("sms-route", "create", "--account", _ACCOUNT, "--name", "smsc"),
        *("--default-sender", "Bench"),
    )
    data = folder / "home" / "postgres" / "data"
    return Installation(url, line_url, key, names, data, up, simulator, env, int(smpp))


async def _set_up(
    env: Mapping[str, str], names: Sequence[str], url: str, line_url: str, reports: str
) -> str:
    """Account, key, report endpoint, senders and their channels; gives the key."""
    await command(env, "account", "create", _ACCOUNT)
    key = (await command(env, "key", "create", "--account", _ACCOUNT))["key"]
    await command(env, "webhook", "set", "--account", _ACCOUNT, "--url", reports)
    for number, name in enumerate(names, start=1):
        await command(
            {**env, "LINEGATE_CHANNEL_SECRET": f"secret of channel {number}"},
            *("sender", "create", "--account", _ACCOUNT),
            *("--sender", name, "--channel-id", f"200000000{number}"),
        )
    async with aiohttp.ClientSession() as session:
        for number, name in enumerate(names, start=1):
            channel = {
                "channelId": f"200000000{number}",
                "channelSecret": f"secret of channel {number}",
                "webhookUrl": f"{url}/line/webhook/{name}",
            }
            async with session.post(f"{line_url}/simulator/channels", json=channel) as answer:
                answer.raise_for_status()
    return key


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """Ours without the settings of another linegate."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEGATE_")}
    return {**kept, "LINEGATE_HOME": str(home), "LINEGATE_WEBHOOK_ALLOW_PRIVATE": "1"}


async def command(env: Mapping[str, str], *arguments: str) -> dict[str, str]:
    """Run a command to its end; gives its answer. Raises: BenchError."""
    line = [sys.executable, "-m", "linegate", *arguments, "--json"]
    child = await asyncio.create_subprocess_exec(*line, env=env, stdout=PIPE, stderr=PIPE)
    out, err = await child.communicate()
    if child.returncode:
        raise BenchError(f"linegate {' '.join(arguments[:2])} failed: {err.decode().strip()}")
    answer: dict[str, str] = json.loads(out)
    return answer


@asynccontextmanager
async def listening(
    arguments: Sequence[str], env: Mapping[str, str], log: Path
) -> AsyncIterator[tuple[Process, str]]:
    """A command that says where it listens, while the block runs; gives it and its base URL."""
    with log.open("wb") as errors:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "linegate", *arguments),
            env=env,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is ours: we stop it in order
        )
    try:
        yield child, await _told_url(child, arguments[0])
    finally:
        await stop(child)


async def _told_url(child: Process, name: str) -> str:
    """The URL in the first line that the process prints."""
    if child.stdout is None:
        raise BenchError(f"linegate {name} has no output")
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            line = (await child.stdout.readline()).decode()
    except TimeoutError:
        raise BenchError(f"linegate {name} did not start within {_STARTS_WITHIN} s") from None
    url = next((word.rstrip(";") for word in line.split() if word.startswith("http")), None)
    if url is None:
        raise BenchError(f"linegate {name} did not start")
    return url


async def stop(child: Process) -> None:
    """End a process in order; by force when it takes too long."""
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOPS_WITHIN):
            await child.wait()
    if child.returncode is None:
        child.kill()
        await child.wait()


async def stoppable(work: Coroutine[None, None, Result]) -> Result:
    """The work's result; also when we are told to end, what it started is stopped.

    Raises: asyncio.CancelledError when we were told.
    """
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _ends_of_logs(folder: Path) -> str:
    parts = []
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        parts += [f"--- the end of {log.name}", *lines]
    return "\n".join(parts)
