"""Servers of PostgreSQL on TCP: a primary, and a replica that follows it and can be promoted."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from linegate.postgres.embedded_host import Account, account_for, programs_for, run
from support.program import free_port
from support.waiting import until

__all__ = ["Server", "a_primary", "a_replica_of", "url_of"]

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # what is killed is the server, not the machine
    "max_connections": "80",
    "wal_keep_size": "256MB",
    "wal_level": "replica",
    "timezone": "UTC",
}


@dataclass(slots=True)
class Server:
    """One server. data: its folder; port: on 127.0.0.1."""

    account: Account
    programs: Path
    data: Path
    port: int

    async def program(self, name: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs; what it said. The test fails if it does."""
        command = [str(self.programs / name), *arguments]
        answer = await asyncio.to_thread(run, self.account, command, timeout=120.0)
        assert answer.returncode == 0, answer.stderr + answer.stdout
        return answer.stdout

    async def start(self, **settings: str) -> None:
        """Start and wait until it answers."""
        given = {**_SETTINGS, "port": str(self.port), **settings}
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        log = ("-l", str(self.data.with_suffix(".log")))
        await self.program("pg_ctl", "start", "-w", "-s", "-D", str(self.data), *log, "-o", options)

    async def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is what `kill -9` of all its processes would be."""
        await self.program("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", str(self.data))

    async def promote(self) -> None:
        """Make a replica the primary."""
        await self.program("pg_ctl", "promote", "-w", "-s", "-D", str(self.data))

    async def runs(self) -> bool:
        command = [str(self.programs / "pg_ctl"), "status", "-D", str(self.data)]
        return (await asyncio.to_thread(run, self.account, command)).returncode == 0

    async def ask(self, statement: str, database: str = "linegate") -> list[Any]:
        """Rows of a statement, as superuser."""
        dsn = f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


@asynccontextmanager
async def a_primary(data: Path | None = None, **settings: str) -> AsyncIterator[Server]:
    """A running primary with the database and role `linegate`; removed at the end.

    data: a folder for it that exists and is empty, on a disk of its own perhaps.
    """
    with _folder() as folder:
        server = _server_in(data or folder / "primary")
        await _made(server)
        await server.start(**settings)
        try:
            await server.ask("CREATE ROLE linegate LOGIN", "postgres")
            await server.ask("CREATE DATABASE linegate OWNER linegate", "postgres")
            yield server
        finally:
            if await server.runs():
                await server.stop("immediate")


@asynccontextmanager
async def a_replica_of(primary: Server, **settings: str) -> AsyncIterator[Server]:
    """A running replica, made by a base backup of the primary and streaming from it."""
    with _folder() as folder:
        server = _server_in(folder / "replica")
        source = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
        options = ("-R", "-X", "stream", "-c", "fast", "-D", str(server.data))
        await server.program("pg_basebackup", *source, *options)
        await server.start(**settings)
        try:
            await until(lambda: _is_followed(primary), within=60, every=0.1)
            yield server
        finally:
            if await server.runs():
                await server.stop("immediate")


def url_of(*servers: Server) -> str:
    """The URL of an installation on these, whichever is the primary."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://linegate@{hosts}/linegate?target_session_attrs=read-write"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="linegate-servers-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


async def _is_followed(primary: Server) -> bool:
    states = await primary.ask("SELECT state FROM pg_stat_replication", "postgres")
    return ("streaming",) in states


def _server_in(data: Path) -> Server:
    account = account_for(data.parent / "none")
    if account.switch:
        shutil.chown(data.parent, account.uid, account.gid)
    return Server(account, programs_for(account, data.parent), data, free_port())


async def _made(server: Server) -> None:
    await server.program(
        "initdb",
        f"--pgdata={server.data}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=trust",  # on a loopback port of a throw-away server
        "--no-sync",
        "--no-instructions",
    )
