"""Loop: the routes this process holds, each with its open transport.

A route's connection is held by one process at a time, under a lease: operators count binds, and a
window or a throughput limit means something only where all submits pass.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.domain.transport import OnReceipts, Transport
from linegate.postgres.pool import Pool
from linegate.postgres.sms_routes import (
    RouteRow,
    hold_routes,
    release_routes,
    reroute,
    tell_routes,
)

__all__ = ["HeldRoute", "OpenTransport", "SmsRoutes"]

_log = structlog.get_logger()
_LEASE = timedelta(seconds=15)
_DOWN_FOR = timedelta(seconds=10)  # before what waits goes by another route
_AT_ONCE = 1000

OpenTransport = Callable[[RouteRow, OnReceipts], Transport]
"""Makes a route's transport, closed. Raises: ValueError for a URL that cannot be used."""


@dataclass(slots=True)
class HeldRoute:
    """A route that this process holds. waiting: claimed and not yet in the transport's hands.

    under_way: claimed and not settled.
    """

    row: RouteRow
    transport: Transport
    running: asyncio.Task[None]
    waiting: int = 0
    under_way: int = 0

    def places(self) -> int:
        """How many more may be claimed for it now."""
        return max(0, self.transport.places() - self.waiting)


class SmsRoutes:
    """Holds routes and tells how they do. `held` is what may be sent through now."""

    name = "sms routes"
    interval = timedelta(seconds=1)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        process: int,
        opened: OpenTransport,
        taker: Callable[[int], OnReceipts],
    ) -> None:
        """Hold as `process`; receipts of route N go to `taker(N)`."""
        self._pool = pool
        self._clock = clock
        self._process = process
        self._opened = opened
        self._taker = taker
        self._by_id: dict[int, HeldRoute] = {}
        self._held_until: datetime | None = None
        self._is_closed = False

    def held(self, now: datetime) -> Mapping[int, HeldRoute]:
        """The routes that are surely ours now."""
        is_ours = self._held_until is not None and now < self._held_until
        return self._by_id if is_ours else {}

    def get(self, route_id: int) -> HeldRoute | None:
        """A route that is open here."""
        return self._by_id.get(route_id)

    async def run_once(self) -> int:
        """Renew the lease, open and close, tell how routes do, move on what is stuck."""
        if self._is_closed:
            return 0
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            rows = await hold_routes(conn, self._process, leased_until=now + _LEASE, now=now)
        self._held_until = now + _LEASE / 2
        wanted = {row.id: row for row in rows}
        for id_ in [id_ for id_, held in self._by_id.items() if wanted.get(id_) != held.row]:
            await self._close(id_)
        for id_, row in wanted.items():
            if id_ not in self._by_id:
                self._open(row)
        told = [
            (id_, held.transport.is_up, held.transport.trouble[:200])
            for id_, held in self._by_id.items()
            if held.transport.is_up or held.transport.trouble
        ]
        async with self._pool.acquire() as conn:
            if told:
                await tell_routes(conn, self._process, told, now=now)
            moved = await reroute(conn, before=now - _DOWN_FOR, limit=_AT_ONCE)
        if moved:
            _log.info("sms.rerouted", messages=moved)
        self._reap()
        return 0

    async def close(self) -> None:
        """Close every connection and let others hold the routes.

        For who sends through them to call, once nothing is under way.
        """
        self._is_closed = True
        for id_ in list(self._by_id):
            await self._close(id_)
        async with self._pool.acquire() as conn:
            await release_routes(conn, self._process)

    def _open(self, row: RouteRow) -> None:
        try:
            transport = self._opened(row, self._taker(row.id))
        except ValueError as error:
            _log.error("sms_route.unusable", route=row.name, reason=str(error))
            return
        running = asyncio.create_task(transport.run())
        self._by_id[row.id] = HeldRoute(row, transport, running)

    async def _close(self, id_: int) -> None:
        held = self._by_id.pop(id_)
        held.running.cancel()
        await asyncio.gather(held.running, return_exceptions=True)

    def _reap(self) -> None:
        """Raise what ended a transport, for the supervisor to tell; it is opened again."""
        ended = [id_ for id_, held in self._by_id.items() if held.running.done()]
        errors = [
            error
            for id_ in ended
            if (error := self._by_id.pop(id_).running.exception()) is not None
        ]
        if errors:
            raise BaseExceptionGroup("a route's transport ended", errors)
