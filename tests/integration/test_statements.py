"""The packaged statements fit the packaged schema, and a misfit is named."""

from pathlib import Path

import pytest

from linegate.postgres.pool import Pool
from linegate.postgres.queries import QueryError, bundled, load


async def test_every_packaged_statement_fits_the_schema(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await bundled().check(connection)


async def test_every_statement_that_does_not_fit_is_named(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "some.sql").write_text(
        "-- name: fits :value\n-- p\nSELECT :n::bigint;\n"
        "-- name: no_table :many\n-- p\nSELECT * FROM nowhere;\n"
        "-- name: no_type :many\n-- p\nSELECT :a = :b;\n"
        "-- name: misspelt :many\n-- p\nSELEC 1;\n"
    )
    queries = load(tmp_path)
    async with pool.acquire() as connection:
        with pytest.raises(QueryError) as caught:
            await queries.check(connection)
        assert await queries.fits.value(connection, n=2**40) == 2**40
    assert "no_table" in str(caught.value)
    assert "misspelt" in str(caught.value)
    assert "fits:" not in str(caught.value)


async def test_exec_counts_the_rows_it_touched(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "some.sql").write_text(
        "-- name: make :exec\n-- p\nCREATE TEMPORARY TABLE colour (name text);\n"
        "-- name: fill :exec\n-- p\nINSERT INTO colour SELECT unnest(:names::text[]);\n"
        "-- name: paint :exec\n-- p\nUPDATE colour SET name = :name WHERE name <> :name;\n"
    )
    queries = load(tmp_path)
    async with pool.acquire() as connection:
        assert await queries.make.exec(connection) == 0
        assert await queries.fill.exec(connection, names=["red", "green", "blue"]) == 3
        assert await queries.paint.exec(connection, name="red") == 2


async def test_a_session_of_the_pool_is_in_utc_and_bounds_what_it_holds(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW statement_timeout") == "30s"
        assert await connection.fetchval("SHOW transaction_timeout") == "1min"
