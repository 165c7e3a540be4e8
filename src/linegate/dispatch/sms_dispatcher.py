"""Loop: claim due SMS, hand them over, settle what became of them.

As `dispatcher.py` does for LINE. No more is claimed of a route than it has places for at once, so a
claim is followed by its hand-over: an event of LINE that finds the leg still due stops the SMS.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.dispatch.attempt_log import AttemptLog, Logged
from linegate.dispatch.failover import opens_at
from linegate.dispatch.sms_content import read_sms
from linegate.dispatch.sms_routes import HeldRoute, SmsRoutes
from linegate.dispatch.sms_settle import SettledSms, settle_sms
from linegate.domain.decide_sms import SmsAgain, after_submit, when_sms_closed, when_sms_late
from linegate.domain.pace import begin_by
from linegate.domain.share import room_of
from linegate.domain.transport import Submission
from linegate.group_commit import GroupCommit
from linegate.low_water import Look, LowWater
from linegate.metrics import Metrics
from linegate.postgres.insist import insist
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.sms import (
    DueSms,
    SmsContent,
    SmsTried,
    claim_sms,
    lowest_sms,
    next_sms_at,
    renew_sms,
    sms_contents,
)

__all__ = ["SmsDispatcher"]

_IN_FLIGHT = 256
_LEASE = timedelta(seconds=15)
_LINGER = timedelta(milliseconds=4)
_SOON = timedelta(milliseconds=5)
_FEW = 16  # free places worth a round trip


class SmsDispatcher:
    """Sends SMS through the routes this process holds."""

    name = "sms dispatcher"
    interval = timedelta(milliseconds=500)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        routes: SmsRoutes,
        metrics: Metrics,
        *,
        resends: int,
        attempt_log: AttemptLog | None = None,
    ) -> None:
        """Send through `routes`; an unanswered submit is repeated `resends` times.

        attempt_log: where attempts are told; None: nowhere.
        """
        self._attempt_log = attempt_log
        self._pool = pool
        self._clock = clock
        self._routes = routes
        self._metrics = metrics
        self._resends = resends
        self._held: dict[int, int] = {}  # message id -> attempt, from claim to settle
        self._sends: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []
        self._next_at: datetime | None = None
        self._claim_took = timedelta(0)
        self._low: LowWater[int] = LowWater()
        self._settling: GroupCommit[SettledSms, None] = GroupCommit(
            self._settle, max_items=_IN_FLIGHT, capacity=_IN_FLIGHT, linger=_LINGER, writers=2
        )

    async def run_once(self) -> int:
        """Claim what there are places for and start handing it over; gives how many."""
        if self._failed:
            failed, self._failed = self._failed, []
            raise BaseExceptionGroup("sending ended", failed)
        now = self._clock.now()
        wanted = self._places(now)
        if not wanted:
            return 0
        async with self._pool.acquire() as conn:
            look = self._low.nearby(self._clock.now())
            claimed = await claim_sms(
                conn, wanted=wanted, lease_until=now + _LEASE, now=now, look=look
            )
            if look.ended(self._clock.now()):
                await self._mark(conn, list(wanted), look)
            objects = sorted({sms.object_id for sms in claimed})
            contents = await sms_contents(conn, objects) if objects else {}
            self._next_at = None if claimed else await next_sms_at(conn, list(wanted), now=now)
            took = self._clock.now() - now
        until = begin_by(None, asked_at=now, usual=self._claim_took, lease_until=now + _LEASE)
        if claimed:
            self._claim_took = took
        self._start(claimed, contents, until)
        await self._sweep()
        return len(claimed)

    async def _sweep(self) -> None:
        """Look through everything if it is time, as Claims do."""
        if self._low.is_cheap:
            return
        look = self._low.look(self._clock.now())
        if look.is_full:
            async with self._pool.acquire() as conn:
                await self._mark(conn, self._low.parts(), look)
            look.ended(self._clock.now())

    async def _mark(self, conn: Connection, route_ids: Sequence[int], look: Look[int]) -> None:
        now = self._clock.now()
        self._low.learn(await lowest_sms(conn, route_ids, look=look), now)

    @property
    def under_way(self) -> int:
        """How many are claimed and not settled."""
        return len(self._held)

    def next_at(self) -> datetime | None:
        """When to look again: at the next SMS that is not due yet, soon if places become free."""
        return self._clock.now() + _SOON if self._held else self._next_at

    async def renew(self) -> int:
        """Keep the leases of what is still being handed over."""
        held = list(self._held.items())
        if held:
            async with self._pool.acquire() as conn:
                await renew_sms(conn, held, lease_until=self._clock.now() + _LEASE)
        return 0

    async def aclose(self) -> None:
        """Wait for what is under way, settle it, and give the routes back."""
        while self._sends:
            await asyncio.wait(self._sends)
        await self._settling.aclose()
        await self._routes.close()

    def _places(self, now: datetime) -> dict[int, int]:
        """Places to fill, by route. A claim costs a round trip, so a busy route waits for a few.

        No route takes more than its share: a provider that does not answer keeps nobody else's
        waiting.
        """
        left = _IN_FLIGHT - len(self._held)
        wanted: dict[int, int] = {}
        for id_, held in self._routes.held(now).items():
            places = min(held.places(), left, room_of(left, held.under_way))
            if places > 0 and places >= min(_FEW, held.under_way // 3):
                wanted[id_] = places
                left -= places
        return wanted

    def _start(
        self, claimed: Sequence[DueSms], contents: Mapping[int, SmsContent], until: datetime
    ) -> None:
        for sms in claimed:
            held = self._routes.get(sms.leg.route_id or 0)
            self._held[sms.leg.id] = sms.leg.attempt
            if held is not None:
                held.waiting += 1
                held.under_way += 1
            task = asyncio.create_task(self._send(sms, contents[sms.object_id], held, until))
            self._sends.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)

    async def _send(
        self, sms: DueSms, content: SmsContent, held: HeldRoute | None, until: datetime
    ) -> None:
        """From claim to settle. Without its route the lease runs out, and somebody else has it."""
        if held is not None:
            held.waiting -= 1  # from here on without a pause into the transport's hands
        try:
            if held is not None:
                await self._settling.submit(await self._hand_over(sms, content, held, until))
        finally:
            del self._held[sms.leg.id]
            if held is not None:
                held.under_way -= 1

    async def _hand_over(
        self, sms: DueSms, content: SmsContent, held: HeldRoute, until: datetime
    ) -> SettledSms:
        started = self._clock.now()
        if started > until:  # the process stood still: another may hold the route by now
            self._metrics.unbegun.labels("SMS").inc()
            return SettledSms(sms, when_sms_late(sms.leg, started), None)
        opens = opens_at(content.window, sms.destination, started)
        if opens is not None:
            return SettledSms(sms, when_sms_closed(sms.leg, opens), None)
        text = read_sms(content.failover)
        sender = sms.sender or held.row.default_sender or ""
        submitted = await held.transport.submit(
            Submission(
                sms.leg.id,
                sender,
                sms.destination,
                text.text,
                sms.leg.deadline_at - started,
                text.regional,
            )
        )
        ended = self._clock.now()
        self._metrics.sms_seconds.observe((ended - started).total_seconds())
        spread = random.uniform(-1, 1)  # noqa: S311 - spreads retries, guards nothing
        step = after_submit(sms.leg, submitted, ended, resends=self._resends, spread=spread)
        tried = SmsTried(sms.leg.id, sms.leg.attempt, started, ended, held.row.id, submitted)
        told = sender if content.intermediate else None
        return SettledSms(sms, step, tried, told, content.trace_id)

    async def _settle(self, group: Sequence[SettledSms]) -> list[None]:
        now = self._clock.now()
        written = await insist(lambda: settle_sms(self._pool, group, now), clock=self._clock)
        if written < len(group):
            self._metrics.fenced.inc(len(group) - written)
        for settled in group:
            if settled.tried is not None:
                self._tell(settled.tried, settled.trace_id)
            step = settled.step
            if isinstance(step, SmsAgain) and step.unknowns > settled.sms.leg.unknowns:
                self._metrics.resends.labels("SMS").inc()
        return [None] * len(group)

    def _tell(self, tried: SmsTried, trace_id: str) -> None:
        """Count a submission that is written, and log it."""
        outcome = tried.submitted.outcome
        self._metrics.sms_attempts.labels(outcome.kind.value).inc()
        if self._attempt_log is not None:
            self._attempt_log.tell(Logged("SMS", *tried[:4], outcome, trace_id))
