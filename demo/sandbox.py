"""`linegate up --sandbox` in a temporary folder, for as long as a block lasts."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DemoError", "Sandbox", "sandbox"]

_STARTS_WITHIN = 150  # seconds; making a database takes a few, on a slow machine more
_STOPS_WITHIN = 30


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What runs. url: of the API; key: of the sandbox account; folder: its data and logs."""

    url: str
    key: str
    folder: Path


@asynccontextmanager
async def sandbox() -> AsyncIterator[Sandbox]:
    """Start everything on free ports in a new folder; stop it and remove the folder at the end.

    Raises: DemoError, with the end of the log.
    """
    with _temporary_folder() as folder:
        try:
            async with _up(folder, _free_port()) as url:
                yield Sandbox(url, _key(folder), folder)
        except DemoError as error:
            raise DemoError(f"{error}\n{_end_of_log(folder)}") from error


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="linegate-demo-") as name:
        folder = Path(name)
        # Started by root, the database runs as another user, who must be able to pass.
        folder.chmod(0o711)
        yield folder


@asynccontextmanager
async def _up(folder: Path, port: int) -> AsyncIterator[str]:
    with (folder / "up.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "linegate", "up", "--sandbox", "--port", str(port)),
            env=_environment(folder / "home"),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours: we stop it in order
        )
    try:
        yield await _told_url(child)
    finally:
        await _stop(child)


async def _told_url(child: Process) -> str:
    """The URL in the first line of the banner, which comes when everything runs."""
    line = b""
    if child.stdout is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTS_WITHIN):
                line = await child.stdout.readline()
    url = line.decode().rstrip().rpartition(" ")[2]
    if not url.startswith("http"):
        raise DemoError("linegate did not start")
    return url


async def _stop(child: Process) -> None:
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOPS_WITHIN):
            await child.wait()
    if child.returncode is None:
        child.kill()
        await child.wait()


def _environment(home: Path) -> dict[str, str]:
    """Ours without the settings of another linegate, and with less patience than in earnest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEGATE_")}
    return {
        **kept,
        "LINEGATE_HOME": str(home),
        "LINEGATE_RESEND_UNKNOWN_AFTER": "3s",  # 120 s by default: nobody watches that long
    }


def _key(folder: Path) -> str:
    return (folder / "home" / "sandbox.key").read_text(encoding="ascii").strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_of_log(folder: Path) -> str:
    log = folder / "up.log"
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
