"""Loop: messages whose patience or validity is over, and those whose worker died."""

from datetime import timedelta

from linegate.clock import Clock
from linegate.dispatch.settle import write_steps
from linegate.domain.decide import (
    FailOver,
    Patience,
    State,
    Step,
    TryAgain,
    after_deadline,
    after_patience,
)
from linegate.low_water import LowWater
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.sweeping import take_impatient, take_overdue

__all__ = ["Sweeper"]

_AT_ONCE = 1000


class Sweeper:
    """Ends or re-tries what nobody else will. Any number may run: rows are locked while decided."""

    name = "sweeper"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock, patience: Patience, metrics: Metrics) -> None:
        """Sweep over `pool` with the owner's patience."""
        self._pool = pool
        self._clock = clock
        self._patience = patience
        self._metrics = metrics
        self._impatient: LowWater[None] = LowWater()
        self._overdue: LowWater[None] = LowWater()

    async def run_once(self) -> int:
        """Decide about everything whose time has come, up to 2,000; gives how many."""
        return await self._sweep_impatient() + await self._sweep_overdue()

    async def _sweep_impatient(self) -> int:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            look = self._impatient.look(self._clock.now())
            taken = await take_impatient(conn, limit=_AT_ONCE, since=look.since(None), now=now)
            look.ended(self._clock.now())
            steps = [
                (message, after_patience(message, state, now, self._patience))
                for message, state in taken
            ]
            await write_steps(conn, steps, now)
        if len(taken) < _AT_ONCE:
            self._impatient.reached(None, now)
        for (_, state), (_, step) in zip(taken, steps, strict=True):
            self._metrics.patience_over.labels(state.value, type(step).__name__).inc()
            self._count(step)
            if state is State.SENDING:
                self._metrics.leases_lost.labels("LINE").inc()
            elif isinstance(step, TryAgain):
                self._metrics.resends.labels("LINE").inc()
        return len(taken)

    async def _sweep_overdue(self) -> int:
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            look = self._overdue.look(self._clock.now())
            taken = await take_overdue(conn, limit=_AT_ONCE, since=look.since(None), now=now)
            look.ended(self._clock.now())
            steps = [(message, after_deadline(message)) for message, _ in taken]
            await write_steps(conn, steps, now)
        if len(taken) < _AT_ONCE:
            self._overdue.reached(None, now)
        self._metrics.expired_due.inc(len(taken))
        for _, step in steps:
            self._count(step)
        return len(taken)

    def _count(self, step: Step) -> None:
        if isinstance(step, FailOver):
            self._metrics.failovers.labels("silence").inc()
