"""The loader of named SQL: what it understands, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from linegate.postgres.queries import QueryError, load


def load_text(folder: Path, text: str) -> Any:
    (folder / "some.sql").write_text(text)
    return load(folder)


def statement(folder: Path, sql: str) -> Any:
    return load_text(folder, f"-- name: it :many\n-- A purpose.\n{sql}").it


class Recorder:
    """Stands where a connection does and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def fetch(self, *asked: object) -> list[str]:
        self.asked.append(asked)
        return ["row"]

    async def fetchrow(self, *asked: object) -> str:
        self.asked.append(asked)
        return "row"

    async def fetchval(self, *asked: object) -> str:
        self.asked.append(asked)
        return "value"

    async def execute(self, *asked: object) -> str:
        self.asked.append(asked)
        return "UPDATE 3"


@pytest.mark.parametrize(
    ("sql", "expected", "params"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::int, b::text", "SELECT $1::int, b::text", ("a",)),
        ("SELECT ':a', \":b\", :c", "SELECT ':a', \":b\", $1", ("c",)),
        ("SELECT 'it''s :a' || :b", "SELECT 'it''s :a' || $1", ("b",)),
        (r"SELECT E'\':a' || :b", r"SELECT E'\':a' || $1", ("b",)),
        ("SELECT $$ :a $$, $q$ :b $$ $q$, :c", "SELECT $$ :a $$, $q$ :b $$ $q$, $1", ("c",)),
        ("SELECT xs[1:2], xs[lo:hi], :a", "SELECT xs[1:2], xs[lo:hi], $1", ("a",)),
        ("SELECT xs[f(1):hi], xs[y[1]:hi]", "SELECT xs[f(1):hi], xs[y[1]:hi]", ()),
        ("SELECT f(x := :a), f(y => :b)", "SELECT f(x := $1), f(y => $2)", ("a", "b")),
        ("SELECT 1 -- :a it's\n, :b", "SELECT 1\n, $1", ("b",)),
        ("SELECT /* :a ' */ :b", "SELECT   $1", ("b",)),
        ("SELECT unnest(:ids::bigint[]);", "SELECT unnest($1::bigint[])", ("ids",)),
    ],
)
def test_named_parameters_become_numbers_outside_of_quotes_casts_and_slices(
    tmp_path: Path, sql: str, expected: str, params: tuple[str, ...]
) -> None:
    query = statement(tmp_path, sql)
    assert (query.sql, query.params) == (expected, params)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a :many\nSELECT 1", "no comment line"),
        ("-- name: a :many\n--\nSELECT 1", "no comment line"),
        ("-- name: a\n-- p\nSELECT 1", "is not 'name"),
        ("-- name: a :all\n-- p\nSELECT 1", "is not 'name"),
        ("-- name: A :many\n-- p\nSELECT 1", "is not 'name"),
        ("-- name: check :many\n-- p\nSELECT 1", "Queries itself needs"),
        ("-- name: a :many\n-- p\n", "no statement"),
        ("-- name: a :many\n-- p\nSELECT 1; SELECT 2", "more than one"),
        ("-- name: a :many\n-- p\nSELECT $1", "by hand"),
        ("-- name: a :many\n-- p\nSELECT NOW()", "server's clock"),
        ("-- name: a :many\n-- p\nSELECT current_timestamp", "server's clock"),
        ("-- name: a :many\n-- p\nSELECT clock_timestamp ()", "server's clock"),
        ("-- name: a :many\n-- p\nSELECT 'now'::timestamptz", "server's clock"),
        ("SELECT 1;\n-- name: a :many\n-- p\nSELECT 1", "before the first"),
        ("-- name: a :many\n-- p\nSELECT 1;\n-- name: a :one\n-- p\nSELECT 2", "already"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        load_text(tmp_path, text)


def test_a_name_is_unique_over_all_files(tmp_path: Path) -> None:
    for file in ("one.sql", "two.sql"):
        (tmp_path / file).write_text("-- name: a :many\n-- p\nSELECT 1")
    with pytest.raises(QueryError, match=r"two\.sql: a is already"):
        load(tmp_path)


def test_words_that_look_like_the_clock_are_allowed_where_they_are_not(tmp_path: Path) -> None:
    text = "-- now() is passed\nSELECT 'now() is :x', renow(1), \"now\" FROM t WHERE at <= :now"
    assert statement(tmp_path, text).params == ("now",)


async def test_each_kind_gives_its_own_shape(tmp_path: Path) -> None:
    text = "".join(
        f"-- name: {kind}_it :{kind}\n-- p\nSELECT :b, :a;\n"
        for kind in ("many", "one", "value", "exec")
    )
    queries = load_text(tmp_path, text)
    connection = Recorder()
    assert await queries.many_it.many(connection, a=1, b=2) == ["row"]
    assert await queries.one_it.one(connection, a=1, b=2) == "row"
    assert await queries.value_it.value(connection, a=1, b=2) == "value"
    assert await queries.exec_it.exec(connection, a=1, b=2) == 3
    assert connection.asked == [("SELECT $1, $2", 2, 1)] * 4


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}])
async def test_a_missing_or_unknown_parameter_is_a_type_error(
    tmp_path: Path, values: dict[str, int]
) -> None:
    query = statement(tmp_path, "SELECT :a, :b")
    connection = Recorder()
    with pytest.raises(TypeError, match="missing"):
        await query.many(connection, **values)
    assert connection.asked == []


async def test_a_query_called_as_another_kind_is_a_type_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="is a :many query"):
        await statement(tmp_path, "SELECT 1").one(Recorder())


def test_an_unknown_name_is_an_attribute_error(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="no query is named 'other'"):
        _ = load(tmp_path).other
