"""Applies `migrations/NNNN_what.sql`, forward only, in order, each once and in one transaction.

What was applied stands in `schema_migration` with a checksum, so that a file that changed after it
was applied, or a database newer than this program, stops the start. Knows no table of the product.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

__all__ = ["Migration", "MigrationError", "migrate", "migrations_in", "pending"]

MIGRATIONS_FOLDER = Path(__file__).with_name("migrations")

# Any constant will do, as long as every linegate process uses the same one.
_LOCK = 0x6C696E6567617465  # "linegate" in ASCII

_PATIENCE = 86_400.0  # seconds; the driver's own time-out, which the server's does not lift

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL
)
"""


class MigrationError(Exception):
    """The migrations and the database do not fit together; nothing was changed by this step."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. version: from 1, without gaps; checksum: SHA-256 hex of the file's text."""

    version: int
    name: str
    sql: str
    checksum: str


def migrations_in(folder: Path = MIGRATIONS_FOLDER) -> list[Migration]:
    """The migrations of `folder`, by version.

    Raises: MigrationError for a `.sql` file that is not named `NNNN_what.sql`, or a gap.
    """
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise MigrationError(f"{folder}: expected migration {expected:04} before {migration}")
    return found


async def migrate(
    connection: asyncpg.Connection, *, now: datetime, folder: Path = MIGRATIONS_FOLDER
) -> list[Migration]:
    """Bring the database up to date and return what was applied, in order.

    connection: one of its own, outside a transaction; its time-outs are lifted and stay lifted,
                and it ends when nobody uses it for a minute.
    Raises:     MigrationError before anything is applied if a file changed or the database is
                newer; a statement's own error leaves the earlier migrations applied.
    """
    wanted = migrations_in(folder)
    await _lift_timeouts(connection)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=_PATIENCE)
    try:
        await connection.execute(_LEDGER)
        todo = await _missing(connection, wanted)
        for migration in todo:
            await _apply(connection, migration, now)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return todo


async def pending(
    connection: asyncpg.Connection, *, folder: Path = MIGRATIONS_FOLDER
) -> list[Migration]:
    """The migrations that `migrate` would apply; changes nothing. Raises as `migrate` does."""
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return migrations_in(folder)
    return await _missing(connection, migrations_in(folder))


def _read(path: Path) -> Migration:
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise MigrationError(f"{path}: a migration is named like 0001_initial.sql")
    sql = path.read_text(encoding="utf-8")
    checksum = hashlib.sha256(sql.encode()).hexdigest()
    return Migration(int(match.group(1)), match.group(2), sql, checksum)


async def _missing(connection: asyncpg.Connection, wanted: list[Migration]) -> list[Migration]:
    """Those of `wanted` that the ledger lacks, once it is sure that the ledger fits them."""
    rows = await connection.fetch("SELECT version, name, checksum FROM schema_migration")
    applied = {row["version"]: row for row in rows}
    if unknown := sorted(applied.keys() - {migration.version for migration in wanted}):
        raise MigrationError(
            f"the database has migrations {unknown} that this version of linegate does not know:"
            " it was used by a newer one; upgrade linegate"
        )
    for migration in wanted:
        row = applied.get(migration.version)
        if row is not None and row["checksum"] != migration.checksum:
            raise MigrationError(
                f"migration {migration.version:04}_{migration.name} is not the one that was applied"
                f" ({row['name']}): an applied file must never change; add a new one"
            )
    todo = [migration for migration in wanted if migration.version not in applied]
    if todo and applied and todo[0].version < max(applied):
        raise MigrationError(f"migration {todo[0].version:04} was left out when later ones ran")
    return todo


async def _apply(connection: asyncpg.Connection, migration: Migration, now: datetime) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql, timeout=_PATIENCE)
        await connection.execute(
            "INSERT INTO schema_migration (version, name, checksum, applied_at)"
            " VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            now,
        )


async def _lift_timeouts(connection: asyncpg.Connection) -> None:
    """A rewrite of a large table may take longer than any ordinary statement."""
    names = ["statement_timeout", "lock_timeout"]
    if connection.get_server_version().major >= 17:
        names.append("transaction_timeout")
    for name in names:
        await connection.execute(f"SET {name} = 0")
    # Every start waits for the lock: one that stands still between two statements gives it up.
    await connection.execute("SET idle_session_timeout = '60s'")
