"""Loop: SMS legs whose worker died or whose time is over; receipts that crossed their answers."""

from datetime import timedelta

from linegate.clock import Clock
from linegate.dispatch.failover import write_failovers
from linegate.dispatch.sms_dispatcher import SmsDispatcher
from linegate.dispatch.sms_receipts import take_crossed
from linegate.domain.decide import FailOver, Finish, after_broken
from linegate.domain.decide_sms import (
    SmsAgain,
    SmsStep,
    SmsUnfinished,
    after_lost_lease,
    after_silence,
    after_sms_deadline,
)
from linegate.low_water import LowWater
from linegate.metrics import Metrics
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.sms import SmsEnd, finish_sms, move_sms
from linegate.postgres.sms_receipts import forget_early, forget_parts
from linegate.postgres.sms_sweeping import take_broken, take_impatient_sms, take_overdue_sms

__all__ = ["SmsKeeper", "SmsSweeper"]

_AT_ONCE = 1000
_EARLY_FOR = timedelta(minutes=10)
_LATE_FOR = timedelta(days=2)  # the longest an SMS may be valid
_BROKEN_FOR = timedelta(minutes=5)


class SmsSweeper:
    """Any number may run: rows are locked while decided."""

    name = "sms sweeper"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics, *, resends: int) -> None:
        """Sweep over `pool`; an unanswered submit is repeated `resends` times."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._resends = resends
        self._impatient: LowWater[None] = LowWater()
        self._overdue: LowWater[None] = LowWater()

    async def run_once(self) -> int:
        """Decide about everything whose time has come; gives how many."""
        swept = await self._sweep_impatient() + await self._sweep_overdue()
        return swept + await self._sweep_broken() + await self._sweep_early()

    async def _sweep_impatient(self) -> int:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            look = self._impatient.look(self._clock.now())
            taken = await take_impatient_sms(conn, limit=_AT_ONCE, since=look.since(None), now=now)
            look.ended(self._clock.now())
            steps: list[tuple[SmsUnfinished, SmsStep]] = [
                (
                    leg,
                    after_lost_lease(leg, now, resends=self._resends)
                    if step == "sending"
                    else after_silence(),
                )
                for leg, step in taken
            ]
            await self._write(conn, steps)
        self._metrics.leases_lost.labels("SMS").inc(sum(step == "sending" for _, step in taken))
        again = sum(isinstance(step, SmsAgain) for _, step in steps)
        self._metrics.resends.labels("SMS").inc(again)
        if len(taken) < _AT_ONCE:
            self._impatient.reached(None, now)
        return len(taken)

    async def _sweep_overdue(self) -> int:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            look = self._overdue.look(self._clock.now())
            taken = await take_overdue_sms(conn, limit=_AT_ONCE, since=look.since(None), now=now)
            look.ended(self._clock.now())
            await self._write(conn, [(leg, after_sms_deadline(leg)) for leg in taken])
        if len(taken) < _AT_ONCE:
            self._overdue.reached(None, now)
        return len(taken)

    async def _sweep_broken(self) -> int:
        """Messages of senders that LINE has refused for five minutes go by SMS (decision 7)."""
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            taken = await take_broken(conn, before=now - _BROKEN_FOR, limit=_AT_ONCE)
            steps = [(message, after_broken(message)) for message in taken]
            failovers = [(m, step) for m, step in steps if isinstance(step, FailOver)]
            if failovers:
                await write_failovers(conn, failovers, now)
        self._metrics.failovers.labels("broken").inc(len(failovers))
        return len(taken)

    async def _sweep_early(self) -> int:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            crossed = await take_crossed(conn, now, limit=_AT_ONCE)
        async with self._pool.acquire() as conn:
            await forget_early(conn, before=now - _EARLY_FOR)
            await forget_parts(conn, before=now - _LATE_FOR)
        return crossed

    async def _write(self, conn: Connection, steps: list[tuple[SmsUnfinished, SmsStep]]) -> None:
        ends = [SmsEnd(leg.id, leg.attempt, s) for leg, s in steps if isinstance(s, Finish)]
        moves = [(leg, step, 1) for leg, step in steps if not isinstance(step, Finish)]
        if moves:
            await move_sms(conn, moves)
        if ends:
            await finish_sms(conn, ends, now=self._clock.now())


class SmsKeeper:
    """Loop: what is still being handed over keeps its lease."""

    name = "sms lease keeper"
    interval = timedelta(seconds=5)

    def __init__(self, dispatcher: SmsDispatcher) -> None:
        """Renew the leases of `dispatcher`."""
        self._dispatcher = dispatcher

    async def run_once(self) -> int:
        """Renew; gives 0, as there is never more to do at once."""
        return await self._dispatcher.renew()
