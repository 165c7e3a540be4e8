"""Each migration applies to a database with data in it, while others hold it open."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from linegate.domain.ids import IdMaker
from linegate.postgres.migrate import MIGRATIONS_FOLDER, migrate, migrations_in
from linegate.postgres.partitions import PARTITIONED
from linegate.postgres.queries import bundled

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
FIRST = ("bulk", "message_object", "message", "attempt", "final", "late_event")
VERSIONS = range(1, len(migrations_in()))


def first_migrations(folder: Path, count: int) -> Path:
    """The folder, with the first so many migrations in it."""
    for path in sorted(MIGRATIONS_FOLDER.glob("*.sql"))[:count]:
        shutil.copy(path, folder)
    return folder


async def put_a_message(conn: asyncpg.Connection) -> int:
    """A message that was delivered, as the first version wrote it."""
    bulk, object_, message = IdMaker(1).block(3, NOW)
    for table in FIRST:
        await conn.execute(f"CREATE TABLE {table}_all PARTITION OF {table} DEFAULT")
    await conn.execute(
        "INSERT INTO account (name, webhook_secret, created_at) VALUES ('acme', '', now());"
        "INSERT INTO sender (account_id, name, channel_id, channel_secret, created_at)"
        " VALUES (1, 'ACME', '1', '', now());"
        "INSERT INTO endpoint (account_id, url, created_at) VALUES (1, 'https://a.example', now());"
        f"INSERT INTO bulk VALUES ({bulk}, 1, 'b', now(), 1, {message});"
        "INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message,"
        f" validity) VALUES ({object_}, {bulk}, 1, 1, false, '{{}}', '1 hour');"
        f"INSERT INTO message (id, object_id, destination) VALUES ({message}, {object_}, '8190');"
        "INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)"
        f" VALUES ({message}, 1, {object_}, 5, 0, now(), now());"
        f"INSERT INTO push (message_id, endpoint_id, due_at) VALUES ({message}, 1, now())"
    )
    return message


@pytest.mark.parametrize("version", VERSIONS)
async def test_data_of_every_earlier_version_is_kept(
    empty_database_url: str, tmp_path: Path, version: int
) -> None:
    old = await asyncpg.connect(empty_database_url)
    new = await asyncpg.connect(empty_database_url)
    try:
        (tmp_path / "first").mkdir()
        (tmp_path / "upto").mkdir()
        await migrate(old, now=NOW, folder=first_migrations(tmp_path / "first", 1))
        message = await put_a_message(old)
        await migrate(old, now=NOW, folder=first_migrations(tmp_path / "upto", version))
        still = await old.prepare("SELECT status FROM final WHERE message_id = $1")
        assert await still.fetchval(message) == 5
        await migrate(new, now=NOW)
        await bundled().check(new)
        # The old version goes on: its statements and its inserts still work.
        assert await still.fetchval(message) == 5
        await old.execute("UPDATE push SET tries = tries + 1 WHERE message_id = $1", message)
        assert await new.fetchval("SELECT tries FROM push WHERE message_id = $1", message) == 1
        assert set(FIRST) <= set(PARTITIONED)
    finally:
        await old.close()
        await new.close()
