"""Queries of the metrics: what waits, how long, and what is broken, each with a bound."""

from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["COUNTED_TO", "Due", "Ended", "Observed", "Route", "SenderSeen", "Timer", "observe"]

COUNTED_TO = 10_000
"""Where a count stops: a gauge that shows it means that or more."""
_SENDERS = 500
_ROUTES = 200
_ENDPOINTS = 2000


class Due(NamedTuple):
    """Released messages of one sender and step; due_at: of the oldest, None without any."""

    sender: str
    step: str
    messages: int
    due_at: datetime | None


class Timer(NamedTuple):
    """Messages of a leg that are being sent or wait for an answer; due_at: the first to end."""

    leg: str
    step: str
    messages: int
    due_at: datetime


class SenderSeen(NamedTuple):
    """A sender; hold: why nothing of it goes, None if it goes."""

    sender: str
    hold: str | None
    is_deaf: bool


class Route(NamedTuple):
    """An SMS route that is switched on; is_up None: nobody has tried it yet."""

    account: str
    route: str
    is_up: bool | None
    messages: int
    due_at: datetime | None


class Reports(NamedTuple):
    """Endpoints of one state that have reports waiting, and when the oldest one fell due."""

    state: str
    endpoints: int
    due_at: datetime


class Ended(NamedTuple):
    """Messages that ended so. bucket: see domain/pulse.py."""

    status: int
    bucket: int
    messages: int


class Whole(NamedTuple):
    """What there is one of. Instants are None where there is nothing to be behind with."""

    unfinished: int
    rolled_up_at: datetime | None
    shaping_at: datetime | None
    transaction_at: datetime | None


class Observed(NamedTuple):
    """Everything that a scrape shows of the database."""

    due: list[Due]
    timers: list[Timer]
    stopped: dict[str, int]
    bulks: dict[str, int]
    senders: list[SenderSeen]
    routes: list[Route]
    reports: list[Reports]
    ends: list[Ended]
    whole: Whole


async def observe(conn: Connection, *, most: int = COUNTED_TO) -> Observed:
    """Look at everything once; counts stop at `most`."""
    whole = await bundled().observe_whole.one(conn)
    assert whole is not None  # it has no FROM
    return Observed(
        [Due(*row) for row in await bundled().observe_due.many(conn, senders=_SENDERS, most=most)],
        [Timer(*row) for row in await bundled().observe_timers.many(conn, most=most)],
        {
            row["step"]: row["messages"]
            for row in await bundled().observe_stopped.many(conn, most=most)
        },
        {
            row["status"]: row["bulks"]
            for row in await bundled().observe_bulks.many(conn, most=most)
        },
        [SenderSeen(*row) for row in await bundled().observe_senders.many(conn, senders=_SENDERS)],
        [
            Route(*row)
            for row in await bundled().observe_routes.many(conn, routes=_ROUTES, most=most)
        ],
        [
            Reports(*row)
            for row in await bundled().observe_endpoints.many(conn, endpoints=_ENDPOINTS)
        ],
        [Ended(*row) for row in await bundled().observe_ends.many(conn)],
        Whole(*whole),
    )
