"""The SQL of `sql/*.sql`, loaded by name, with named parameters turned into `$1, $2, ...`.

A query is a header line, at least one comment line that says what it is for, and one statement:

    -- name: claim_due :many
    -- Lease the oldest due messages so that no other dispatcher sends them.
    SELECT ... WHERE due_at <= :now LIMIT :limit

Kinds: `:many` rows, `:one` row or none, `:value` one column of one row or none, `:exec` the number
of rows touched. This file knows no table and no statement.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

__all__ = ["Queries", "Query", "QueryError", "bundled", "load"]

SQL_FOLDER = Path(__file__).with_name("sql")

_HEADER = re.compile(r"^--[ \t]*name:[ \t]*(.*)$", re.MULTILINE)
_TITLE = re.compile(r"([a-z][a-z0-9_]*)[ \t]+:(many|one|value|exec)")

# The order matters: what is quoted or commented is passed over before a colon is looked at.
_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<string>\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<cast>::|:=)
    | (?P<positional>\$\d+)
    | (?P<name>(?<![\w\])'":]):[a-z_][a-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)


class QueryError(Exception):
    """A statement of `sql/*.sql` breaks the rules of this file or does not fit the schema."""


class Query:
    """One statement. Parameters are keyword-only; a missing or unknown one is a TypeError."""

    __slots__ = ("_count", "kind", "name", "params", "sql")

    def __init__(self, name: str, kind: str, sql: str, params: tuple[str, ...]) -> None:
        self.name = name
        self.kind = kind
        self.sql = sql
        self.params = params
        self._count = len(params)

    async def many(self, conn: asyncpg.Connection, /, **values: object) -> list[asyncpg.Record]:
        """All rows. Only for a `:many` query."""
        rows: list[asyncpg.Record] = await conn.fetch(self.sql, *self._bind("many", values))
        return rows

    async def one(self, conn: asyncpg.Connection, /, **values: object) -> asyncpg.Record | None:
        """The first row, or None if there is none. Only for a `:one` query."""
        return await conn.fetchrow(self.sql, *self._bind("one", values))

    async def value(self, conn: asyncpg.Connection, /, **values: object) -> Any:
        """The first column of the first row, or None if there is none. Only for `:value`."""
        return await conn.fetchval(self.sql, *self._bind("value", values))

    async def exec(self, conn: asyncpg.Connection, /, **values: object) -> int:
        """How many rows the statement touched. Only for an `:exec` query."""
        # The server answers with a tag such as "UPDATE 3"; a few commands carry no number.
        tag: str = await conn.execute(self.sql, *self._bind("exec", values))
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def _bind(self, kind: str, values: dict[str, object]) -> list[object]:
        if kind != self.kind:
            raise TypeError(f"{self.name} is a :{self.kind} query, called as .{kind}()")
        if len(values) == self._count:
            try:
                return [values[name] for name in self.params]
            except KeyError:
                pass  # the names are wrong: the message below says which
        missing = sorted(set(self.params) - values.keys())
        unknown = sorted(values.keys() - set(self.params))
        raise TypeError(f"{self.name}: missing {missing}, unknown {unknown}")

    def __repr__(self) -> str:
        return f"<Query {self.name} :{self.kind} ({', '.join(self.params)})>"


class Queries:
    """Queries by name: `queries.claim_due`. An unknown name is an AttributeError."""

    def __init__(self, by_name: Mapping[str, Query]) -> None:
        self._by_name = dict(by_name)
        # Plain attributes, so that a look-up per call costs what any attribute costs.
        self.__dict__.update(self._by_name)

    def __getattr__(self, name: str) -> Query:
        raise AttributeError(f"no query is named {name!r} in the loaded .sql files")

    def __iter__(self) -> Iterator[Query]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    async def check(self, conn: asyncpg.Connection) -> None:
        """Prepare every statement against the schema that `conn` sees.

        Raises: QueryError naming every query that does not fit, with the server's words.
        """
        failures = []
        for query in self:
            try:
                await conn.prepare(query.sql)
            except asyncpg.PostgresError as error:
                failures.append(f"{query.name}: {error}")
        if failures:
            raise QueryError("statements that do not fit the schema:\n  " + "\n  ".join(failures))


@cache
def bundled() -> Queries:
    """The package's own queries, read from `sql/*.sql` once in a process."""
    return load(SQL_FOLDER)


def load(folder: Path) -> Queries:
    """The queries of all `*.sql` files directly in `folder`.

    Raises: QueryError for a name used twice, a missing purpose, an empty or double statement, a
            `$1` by hand, or a statement that reads the server's clock (`:now` is an argument).
    """
    found: dict[str, Query] = {}
    for path in sorted(folder.glob("*.sql")):
        for query in _read(path.name, path.read_text(encoding="utf-8")):
            if query.name in found:
                raise QueryError(f"{path.name}: {query.name} is already the name of a query")
            found[query.name] = query
    return Queries(found)


def _read(file: str, text: str) -> Iterator[Query]:
    headers = list(_HEADER.finditer(text))
    before = text[: headers[0].start()] if headers else text
    if _code_of(before).strip():
        raise QueryError(f"{file}: a statement stands before the first '-- name:' line")
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        end = following.start() if following else len(text)
        yield _parse(file, header.group(1).strip(), text[header.end() : end])


def _parse(file: str, title: str, body: str) -> Query:
    match = _TITLE.fullmatch(title)
    if match is None:
        raise QueryError(f"{file}: {title!r} is not 'name :many|:one|:value|:exec'")
    name, kind = match.groups()
    where = f"{file}: {name}"
    if name.startswith("_") or hasattr(Queries, name):
        raise QueryError(f"{where} is a name that Queries itself needs")
    if not re.match(r"\s*--[ \t]*\S", body):
        raise QueryError(f"{where} has no comment line that says what it is for")
    statement = body.strip().removesuffix(";").rstrip()
    code = _code_of(statement)
    if not code.strip():
        raise QueryError(f"{where} has no statement")
    if ";" in code:
        raise QueryError(f"{where} holds more than one statement")
    if clock := _CLOCK.search(code):
        raise QueryError(f"{where} reads the server's clock ({clock.group()}): pass :now")
    sql, params = _number(where, statement)
    return Query(name, kind, sql, params)


def _number(where: str, statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with `:name` as `$n`, and the names in the order of their numbers."""
    order: dict[str, int] = {}

    def numbered(token: re.Match[str]) -> str:
        if token["positional"]:
            raise QueryError(f"{where} numbers a parameter by hand ({token.group()})")
        if token["string"] and token.group().lower() == "'now'":
            raise QueryError(f"{where} reads the server's clock ('now'): pass :now")
        if token["comment"]:
            return " "  # not sent to the server: the file keeps it for the reader
        if not token["name"]:
            return token.group()
        return f"${order.setdefault(token.group()[1:], len(order) + 1)}"

    sql = _TOKEN.sub(numbered, statement)
    lines = (line.rstrip() for line in sql.splitlines())
    return "\n".join(line for line in lines if line), tuple(order)


def _code_of(statement: str) -> str:
    """The statement with comments and everything quoted left out."""

    def kept(token: re.Match[str]) -> str:
        return token.group() if token["name"] or token["cast"] or token["positional"] else " "

    return _TOKEN.sub(kept, statement)
