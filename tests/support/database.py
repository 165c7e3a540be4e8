"""Databases to throw away, on the embedded server, the engine that production runs on.

One server for all test sessions of this user and machine, kept between them in the folder for
temporary files; one template database per state of the migrations; one clone per test.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from linegate.postgres.embedded import EmbeddedServer, start
from linegate.postgres.migrate import migrate, migrations_in
from linegate.postgres.partitions import ensure_partitions

__all__ = ["TestServer", "blocking"]

Result = TypeVar("Result")

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "max_wal_size": "1GB",
    "log_min_messages": "fatal",
}
_MIGRATED_AT = datetime(2026, 1, 15, tzinfo=UTC)  # the day on which the tests' clock begins
_TEMPLATE_LOCK = 7_301_401


def blocking(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine to its end in a thread and loop of its own, inside or outside a test."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


class TestServer:
    """The server, and what it takes to get a fresh migrated database from it."""

    __test__ = False

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._numbers = count(1)
        self._template = ""

    @classmethod
    def begin(cls) -> "TestServer":
        """Start or join the server, drop what killed sessions left, migrate the template."""
        server = blocking(lambda: start(_home(), settings=_SETTINGS))
        tests = cls(server)
        tests._template = blocking(tests._prepare)
        return tests

    def end(self) -> None:
        """Leave the server; the last session stops it."""
        blocking(self._server.stop)

    def new_database(self) -> str:
        """The DSN of a fresh, migrated database; its owner is connected as in production."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        # Without fsync a copy of the files is twice as quick as a copy through the log.
        source = f"TEMPLATE {self._template} STRATEGY file_copy"
        blocking(lambda: self._admin(f"CREATE DATABASE {name} OWNER linegate {source}"))
        return self._dsn(name)

    def empty_database(self) -> str:
        """The DSN of a database without any table of ours."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        blocking(lambda: self._admin(f"CREATE DATABASE {name} OWNER linegate TEMPLATE template0"))
        return self._dsn(name)

    def drop(self, dsn: str) -> None:
        """Drop a database given out before, closing what is still connected to it."""
        name = dsn.partition("@/")[2].partition("?")[0]
        blocking(lambda: self._admin(f"DROP DATABASE {name} WITH (FORCE)"))

    def _dsn(self, name: str) -> str:
        return self._server.dsn.replace("@/linegate?", f"@/{name}?")

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _prepare(self) -> str:
        connection = await asyncpg.connect(self._server.admin_dsn)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
            await _drop_leftovers(connection)
            return await self._make_template(connection)
        finally:
            await connection.close()

    async def _make_template(self, connection: Any) -> str:
        checksums = "".join(migration.checksum for migration in migrations_in())
        state = f"{_MIGRATED_AT}{checksums}"
        name = f"template_{hashlib.sha256(state.encode()).hexdigest()[:16]}"
        ready: bool | None = await connection.fetchval(
            "SELECT datistemplate FROM pg_database WHERE datname = $1", name
        )
        if ready:
            return name
        if ready is not None:  # a session was killed while it migrated
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} OWNER linegate TEMPLATE template0")
        owner = await asyncpg.connect(self._dsn(name))
        try:
            await migrate(owner, now=_MIGRATED_AT)
            await ensure_partitions(owner, now=_MIGRATED_AT)  # half a second that no test spends
        finally:
            await owner.close()
        await connection.execute(f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")
        return name


async def _drop_leftovers(connection: Any) -> None:
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")
    for row in rows:
        process = int(row["datname"].split("_")[1])
        if not _is_alive(process):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _home() -> Path:
    """A folder that later sessions find again, unless somebody else took its name."""
    home = Path(tempfile.gettempdir()) / f"linegate-tests-{os.geteuid()}"
    if home.exists() and home.stat().st_uid != os.geteuid():
        return Path(tempfile.mkdtemp(prefix="linegate-tests-")) / "home"
    return home
