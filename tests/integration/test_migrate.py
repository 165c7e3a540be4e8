"""Migrations run once, in order, all or nothing, and notice what does not fit."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from linegate.postgres.migrate import MigrationError, migrate, pending
from linegate.postgres.pool import Connection, connect

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[Connection]:
    opened = await connect(empty_database_url)
    yield opened
    await opened.close()


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql)


async def test_migrations_are_applied_in_order_and_only_once(
    connection: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0002_fill.sql", "INSERT INTO colour VALUES ('red');")
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name text);")

    first = await migrate(connection, now=NOW, folder=tmp_path)
    again = await migrate(connection, now=NOW, folder=tmp_path)

    assert [migration.version for migration in first] == [1, 2]
    assert again == []
    assert await connection.fetchval("SELECT count(*) FROM colour") == 1
    assert await connection.fetchval("SELECT min(applied_at) FROM schema_migration") == NOW


async def test_a_failing_migration_leaves_no_trace_and_keeps_the_earlier_ones(
    connection: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name text);")
    write(tmp_path, "0002_broken.sql", "CREATE TABLE shape (name text); SELECT 1/0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection, now=NOW, folder=tmp_path)

    assert await connection.fetchval("SELECT to_regclass('shape')") is None
    assert [left.version for left in await pending(connection, folder=tmp_path)] == [2]


async def test_an_applied_file_must_not_change(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name text);")
    await migrate(connection, now=NOW, folder=tmp_path)
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name varchar);")
    write(tmp_path, "0002_more.sql", "CREATE TABLE shape (name text);")

    with pytest.raises(MigrationError, match="0001_colours is not the one"):
        await migrate(connection, now=NOW, folder=tmp_path)

    assert await connection.fetchval("SELECT to_regclass('shape')") is None


async def test_a_database_of_a_newer_linegate_is_refused(
    connection: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name text);")
    write(tmp_path, "0002_more.sql", "CREATE TABLE shape (name text);")
    await migrate(connection, now=NOW, folder=tmp_path)
    (tmp_path / "0002_more.sql").unlink()

    with pytest.raises(MigrationError, match="newer"):
        await migrate(connection, now=NOW, folder=tmp_path)
    with pytest.raises(MigrationError, match="newer"):
        await pending(connection, folder=tmp_path)


async def test_a_gap_or_a_strange_name_is_refused(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, "0002_more.sql", "SELECT 1;")
    with pytest.raises(MigrationError, match="expected migration 0001"):
        await migrate(connection, now=NOW, folder=tmp_path)
    write(tmp_path, "first.sql", "SELECT 1;")
    with pytest.raises(MigrationError, match=r"0001_initial\.sql"):
        await migrate(connection, now=NOW, folder=tmp_path)


async def test_two_starts_at_once_apply_each_migration_once(
    connection: Connection, empty_database_url: str, tmp_path: Path
) -> None:
    write(tmp_path, "0001_colours.sql", "CREATE TABLE colour (name text);")
    other = await connect(empty_database_url)
    try:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(migrate(connection, now=NOW, folder=tmp_path))
            second = group.create_task(migrate(other, now=NOW, folder=tmp_path))
        assert len(first.result()) + len(second.result()) == 1
    finally:
        await other.close()


async def test_a_start_that_stands_still_between_two_statements_gives_the_lock_up(
    connection: Connection, tmp_path: Path
) -> None:
    await migrate(connection, now=NOW, folder=tmp_path)
    assert await connection.fetchval("SHOW idle_session_timeout") == "1min"
    assert await connection.fetchval("SHOW lock_timeout") == "0"


async def test_the_packaged_migrations_leave_nothing_to_do(database_url: str) -> None:
    connection = await connect(database_url)
    try:
        assert await pending(connection) == []
    finally:
        await connection.close()
