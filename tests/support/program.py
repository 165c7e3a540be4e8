"""The real program in processes of its own: started, asked, ended gently or with `kill -9`."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from support.waiting import until

__all__ = ["Program", "Ran", "command", "environment_of", "free_port", "home_folder", "program"]

_STARTS_WITHIN = 120.0
_STOPS_WITHIN = 40.0


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.rstrip().rpartition("\n")[2]


@dataclass(slots=True)
class Program:
    """A running `linegate up`."""

    url: str
    process: Process
    log: Path
    banner: list[str]

    async def call(
        self,
        method: str,
        path: str,
        key: str,
        body: object = None,
        more: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """One request with an API key, and more headers; its status and JSON."""
        headers = {"Authorization": f"App {key}", **(more or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, headers=headers, json=body) as answer,
        ):
            return answer.status, await answer.json()

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOPS_WITHIN):
            return await self.process.wait()

    async def kill(self, *others: int) -> None:
        """`kill -9` of it and all its children at once, and of `others`."""
        for pid in [*_tree(self.process.pid), *others]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()

    def kill_children(self) -> None:
        """`kill -9` of what it has started: the workers."""
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)

    def children(self) -> list[int]:
        """What it has started: the workers."""
        return list(_tree(self.process.pid)[1:])

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def home_folder() -> Iterator[Path]:
    """A home that is not made yet, in a folder that the database's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="linegate-acceptance-"))
    folder.chmod(0o711)
    try:
        yield folder / "home"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def program(
    home: Path, *arguments: str, port: int | None = None, **settings: str
) -> AsyncIterator[Program]:
    """`linegate up` while the block lasts; `settings` are options of the configuration."""
    port = port or free_port()
    log = home.parent / f"up-{port}.log"
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "linegate", "up", "--port", str(port), *arguments),
            env=environment_of(home, settings),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=written,
            start_new_session=True,
        )
    try:
        banner = await _banner(process, log)
        yield Program(banner[0].rpartition(" ")[2], process, log, banner)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPS_WITHIN):
                await process.wait()
        except TimeoutError:
            for pid in _tree(process.pid):
                os.kill(pid, signal.SIGKILL)
            await process.wait()
            raise


async def command(home: Path, *arguments: str, **settings: str) -> Ran:
    """Run one command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linegate", *arguments),
        env=environment_of(home, settings),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(_STARTS_WITHIN):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _banner(process: Process, log: Path) -> list[str]:
    """What it prints when everything runs: the lines up to the first pause."""
    assert process.stdout is not None
    async with asyncio.timeout(_STARTS_WITHIN):
        first = (await process.stdout.readline()).decode().rstrip()
    if "http" not in first:
        raise AssertionError(f"linegate did not start:\n{_end_of(log)}")
    lines = [first]
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                line = await process.stdout.readline()
            if not line:
                break
            lines.append(line.decode().rstrip())
    return lines


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def environment_of(home: Path, settings: dict[str, str]) -> dict[str, str]:
    """The environment of a process of this installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEGATE_")}
    given = {f"LINEGATE_{name.upper()}": value for name, value in settings.items()}
    return {**kept, "LINEGATE_HOME": str(home), "LINEGATE_LOG_FORMAT": "json", **given}


def _tree(root: int) -> Sequence[int]:
    """A process and all that came from it, as long as they have not been adopted."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    found, new = [root], [root]
    while new:
        new = [child for parent in new for child in parents.get(parent, [])]
        found += new
    return found


async def until_status(url: str, status: int, within: float = 30.0) -> None:
    """Wait until a GET is answered with this status."""

    async def asked() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status == status
        except aiohttp.ClientError:
            return False

    await until(asked, within=within, every=0.1)


def as_json(ran: Ran) -> Any:
    """The answer of a command that was asked for JSON."""
    assert ran.code == 0, ran.err
    return json.loads(ran.out)
