"""A proxy before PostgreSQL that knows which statement is on its way and cuts there.

It reads the client's side of the protocol: `Parse` brings a statement's text, `Bind` uses it.
Source: PostgreSQL documentation, "Frontend/Backend Protocol", "Message Formats".
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qs, urlsplit

from linegate.postgres.queries import bundled

__all__ = ["Cut", "Cutter", "cutting"]


class Cut(Enum):
    """Where the connection breaks.

    BEFORE: the server never sees the statement. AFTER: it has carried it out, and nobody hears.
    COMMIT: it has committed the transaction that the statement was in, and nobody hears.
    """

    BEFORE = "before"
    AFTER = "after"
    COMMIT = "commit"


@dataclass(slots=True)
class Cutter:
    """What to cut next, and what went through. dsn: the way to the database through the proxy."""

    dsn: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    in_transactions: set[str] = field(default_factory=set)
    cuts: int = 0
    _armed: tuple[str, Cut] | None = None

    def arm(self, name: str, cut: Cut) -> None:
        """Cut the next connection on which this statement comes."""
        self._armed = (name, cut)

    def disarm(self) -> bool:
        """Cut nothing any more; whether there was still something to cut."""
        was_armed, self._armed = self.is_armed, None
        return was_armed

    @property
    def is_armed(self) -> bool:
        return self._armed is not None

    def take(self, name: str, *, in_transaction: bool) -> Cut | None:
        """Note that a statement comes; how to cut it, once."""
        self.seen[name] += 1
        if in_transaction:
            self.in_transactions.add(name)
        if self._armed is None or self._armed[0] != name:
            return None
        _, cut = self._armed
        self._armed = None
        self.cuts += 1
        return cut


@asynccontextmanager
async def cutting(dsn: str) -> AsyncIterator[Cutter]:
    """A proxy on 127.0.0.1 before the server of this DSN, which listens on a Unix socket."""
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query)["host"][0]
    names = {query.sql: query.name for query in bundled()}
    cutter = Cutter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await _Wire(cutter, names, (reader, writer), server).run()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.partition("@")[0]
    cutter.dsn = f"postgresql://{user}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield cutter
    finally:
        server.close()


_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Wire:
    """One connection through the proxy."""

    def __init__(self, cutter: Cutter, names: dict[str, str], client: _Pair, server: _Pair) -> None:
        self._cutter = cutter
        self._names = names
        self._client = client
        self._server = server
        self._statements: dict[bytes, str] = {}
        self._in_transaction = False
        self._cut_at_commit = False
        self._swallowing = False

    async def run(self) -> None:
        """Carry both ways until one side ends or the connection is cut."""
        sides = [asyncio.create_task(self._forth()), asyncio.create_task(self._back())]
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for side in sides:
            side.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
        for _, writer in (self._client, self._server):
            writer.close()

    async def _forth(self) -> None:
        reader, _ = self._client
        (size,) = struct.unpack("!i", await reader.readexactly(4))  # the first one has no type
        await self._send(struct.pack("!i", size) + await reader.readexactly(size - 4))
        while True:
            head = await reader.readexactly(5)
            kind, size = head[:1], struct.unpack("!i", head[1:])[0]
            body = await reader.readexactly(size - 4)
            if self._is_cut(kind, body):
                return
            await self._send(head + body)

    async def _send(self, data: bytes) -> None:
        self._server[1].write(data)
        await self._server[1].drain()

    def _is_cut(self, kind: bytes, body: bytes) -> bool:
        if kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            self._statements[name] = self._names.get(sql.decode(), "")
        elif kind == b"B":
            return self._binds(body.split(b"\0", 2)[1])
        elif kind == b"Q":
            self._commands(body.rstrip(b"\0").upper())
        return False

    def _binds(self, statement: bytes) -> bool:
        name = self._statements.get(statement, "")
        if not name:
            return False
        cut = self._cutter.take(name, in_transaction=self._in_transaction)
        self._swallowing = self._swallowing or cut is Cut.AFTER
        self._cut_at_commit = self._cut_at_commit or cut is Cut.COMMIT
        return cut is Cut.BEFORE

    def _commands(self, words: bytes) -> None:
        if words.startswith(b"BEGIN"):
            self._in_transaction = True
        elif words.startswith((b"COMMIT", b"ROLLBACK")):
            self._in_transaction = False
            self._swallowing = self._swallowing or self._cut_at_commit

    async def _back(self) -> None:
        """The server's side; from where it is swallowed on, to the end of the answer."""
        reader, _ = self._server
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
            if self._swallowing:
                if head[:1] == b"Z":  # ready for the next: it is done
                    return
                continue
            self._client[1].write(head + body)
            await self._client[1].drain()
