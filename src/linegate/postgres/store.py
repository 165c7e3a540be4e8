"""The database of this installation: embedded or external, migrated, with a pool.

Every process opens it the same way: the first one starts the embedded server, the others join it;
the first one migrates, the others wait for the lock.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from linegate.clock import Clock
from linegate.postgres import embedded
from linegate.postgres.directory import read_installation, write_installation
from linegate.postgres.embedded_settings import room_for
from linegate.postgres.migrate import migrate
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import Pool, connect, connect_with_retry, follow_primary
from linegate.postgres.queries import bundled
from linegate.vault import Vault, VaultError, kept_key

__all__ = ["Store", "open_store"]

_FINGERPRINT = "secret_key_fingerprint"


@dataclass(frozen=True, slots=True)
class Store:
    """An open database, and the vault whose key it knows. server: the embedded one, or None."""

    dsn: str
    pool: Pool
    vault: Vault
    server: embedded.EmbeddedServer | None = None


@asynccontextmanager
async def open_store(
    *,
    home: Path,
    runtime_folder: Path | None = None,
    database_url: str | None,
    secret_key: str | None,
    clock: Clock,
    connections: int = 10,
    connections_of_all: int = 0,
    application: str = "linegate",
) -> AsyncIterator[Store]:
    """The database while the block lasts.

    connections:        most of this process.
    connections_of_all: most of all processes together: an embedded server that we start has room
                        for them.
    Raises: VaultError if the secret key is missing or not this installation's; what migrations and
            the server raise.
    """
    if database_url:
        if not secret_key:
            raise VaultError("an external database needs LINEGATE_SECRET_KEY, the same everywhere")
        async with _opened(database_url, secret_key, clock, connections, application) as store:
            yield store
        return
    server = await embedded.start(
        home, clock=clock, runtime_folder=runtime_folder, settings=room_for(connections_of_all)
    )
    try:
        key = secret_key or kept_key(home)
        async with _opened(server.dsn, key, clock, connections, application) as store:
            yield replace(store, server=server)
    finally:
        await server.stop()


@asynccontextmanager
async def _opened(
    dsn: str, secret_key: str, clock: Clock, connections: int, application: str
) -> AsyncIterator[Store]:
    vault = Vault(secret_key)
    pool = await connect_with_retry(dsn, clock=clock, size=connections, application=application)
    try:
        await _prepare(dsn, vault, clock)
        async with follow_primary(dsn, clock):
            yield Store(dsn, pool, vault)
    finally:
        await pool.close()


async def _prepare(dsn: str, vault: Vault, clock: Clock) -> None:
    """Migrate, make partitions, and make sure that the key is this installation's."""
    conn = await connect(dsn, application="linegate migrate")
    try:
        await migrate(conn, now=clock.now())
        await ensure_partitions(conn, now=clock.now())
        await bundled().check(conn)
        await write_installation(conn, _FINGERPRINT, vault.fingerprint())
        known = await read_installation(conn, _FINGERPRINT)
        if known is None or not vault.recognises(known):
            raise VaultError("LINEGATE_SECRET_KEY is not the key this database was set up with")
    finally:
        await conn.close()
