"""Queries of `linegate doctor`."""

from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "ConnectionRoom",
    "FailingEndpoint",
    "SenderNamed",
    "all_senders",
    "connection_room",
    "failing_endpoints",
    "oldest_transaction",
    "rolled_up_to",
    "server_clock",
]


class FailingEndpoint(NamedTuple):
    """An endpoint that does not take reports."""

    account: str
    url: str
    failures: int
    last_error: str


class SenderNamed(NamedTuple):
    """A sender and whose it is."""

    name: str
    account: str
    account_id: int


class ConnectionRoom(NamedTuple):
    """How many connections the server allows who is no superuser, and how many are open now."""

    allowed: int
    used: int


async def connection_room(conn: Connection) -> ConnectionRoom:
    """The server's connections; a pooler in between has limits of its own, which are not seen."""
    (row,) = await bundled().connection_room.many(conn)
    return ConnectionRoom(*row)


async def oldest_transaction(conn: Connection, *, now: datetime) -> float:
    """Seconds that the oldest open transaction has lasted."""
    return float(await bundled().oldest_transaction.value(conn, now=now))


async def server_clock(conn: Connection) -> datetime:
    """What the server takes for now."""
    at: datetime = await bundled().server_clock.value(conn)
    return at


async def failing_endpoints(conn: Connection, *, limit: int) -> list[FailingEndpoint]:
    """Endpoints that fail, the longest failing first."""
    return [
        FailingEndpoint(*row) for row in await bundled().failing_endpoints.many(conn, limit=limit)
    ]


async def all_senders(conn: Connection) -> list[SenderNamed]:
    """Every sender."""
    return [SenderNamed(*row) for row in await bundled().all_senders.many(conn)]


async def rolled_up_to(conn: Connection) -> datetime | None:
    """Up to when workers have added up; None: never."""
    at: datetime | None = await bundled().rolled_up_to.value(conn)
    return at
