"""The client of `steady.py` as who starts it sees it: told what to do, read window by window."""

import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from installation import BenchError
from steady import Books, Told, Window

__all__ = ["Client", "client"]


class Client:
    """A running client. reports: the URL where it takes delivery reports."""

    def __init__(self, process: Process, reports: str) -> None:
        """Talk to it over its standard input and output."""
        self.reports = reports
        self._process = process

    def tell(self, told: Told) -> None:
        """Do this from now on."""
        if self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(told) + b"\n")

    async def window(self) -> Window:
        """The next window's figures. Raises: BenchError if it has ended."""
        return msgspec.json.decode(await _said(self._process), type=Window)

    async def books(self) -> Books:
        """Let it end; gives what it counted. Raises: BenchError if it does not say."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        while b'"lost"' not in (line := await _said(self._process)):
            pass  # the last windows
        return msgspec.json.decode(line, type=Books)


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client that lasts as long as the block."""
    process = await create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("steady.py")), stdin=PIPE, stdout=PIPE
    )
    try:
        told: dict[str, str] = msgspec.json.decode(await _said(process))
        yield Client(process, told["reports"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _said(process: Process) -> bytes:
    line = b"" if process.stdout is None else await process.stdout.readline()
    if not line:
        raise BenchError("the client ended too early: what it said last stands above")
    return line
