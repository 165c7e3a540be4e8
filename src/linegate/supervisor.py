"""Runs the loops of a process: each again and again, resting when there was nothing to do.

A loop is an object with a name, an interval and `run_once`. It is rung awake by a `Waker`, or runs
when its interval is over or its own `next_at` has come. A loop that crashes is logged once with
its traceback and tried again after a growing pause, and the others never notice. This file knows
no stage and no database.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import structlog

from linegate.clock import Clock
from linegate.metrics import Metrics

__all__ = [
    "Bell",
    "Draining",
    "Loop",
    "LoopHealth",
    "Planned",
    "Supervisor",
    "Waker",
    "failing_loops",
]

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)
_FAILING_AFTER = 3  # crashes in a row: a connection that broke once is no failure yet
_log = structlog.get_logger()


class Loop(Protocol):
    """What the supervisor runs. Cancelled only if it outlasts the grace period of a stop."""

    @property
    def name(self) -> str:
        """Unique in the process; stands in logs and health."""
        ...

    @property
    def interval(self) -> timedelta:
        """Longest rest when there was nothing to do: how late a lost wake-up may be noticed."""
        ...

    async def run_once(self) -> int:
        """Do one batch of work and return the number moved; 0 means rest."""
        ...


@runtime_checkable
class Planned(Protocol):
    """A loop that knows when its next work is due."""

    def next_at(self) -> datetime | None:
        """The instant (aware, UTC) to run at, if it is before the interval's end."""
        ...


@runtime_checkable
class Draining(Protocol):
    """A loop that has something to finish or to give back when the process stops."""

    async def aclose(self) -> None:
        """Finish within the grace period; called once, after the last `run_once`."""
        ...


class Waker(Protocol):
    """What can end a rest early. A hint: missing one costs at most the interval."""

    async def wait(self) -> object:
        """Return when there may be work."""
        ...


class Bell:
    """A waker inside the process. Rings are not counted: one wait takes all of them."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """End the present wait, or the next one if nobody waits."""
        self._event.set()

    async def wait(self, timeout: timedelta | None = None) -> bool:  # noqa: ASYNC109 - a rest
        """Whether it rang within `timeout` (None: wait for ever)."""
        try:
            async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


@dataclass(slots=True)
class LoopHealth:
    """How one loop is doing. crashes: in a row, 0 after a run that succeeded."""

    name: str
    last_success: datetime | None = None
    crashes: int = 0
    last_error: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether the last run crashed."""
        return self.crashes > 0


def failing_loops(health: Sequence[LoopHealth]) -> list[str]:
    """The names of the loops that have crashed three times in a row: they do not work."""
    return [each.name for each in health if each.crashes >= _FAILING_AFTER]


@dataclass(slots=True)
class _Kept:
    loop: Loop
    waker: Waker | None
    health: LoopHealth = field(init=False)

    def __post_init__(self) -> None:
        self.health = LoopHealth(self.loop.name)


class Supervisor:
    """Keeps loops running until it is cancelled.

    grace:   how long a stop waits for the runs under way, and then again for each `aclose`.
    metrics: where the loops' health is shown; None: nowhere.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        grace: timedelta = timedelta(seconds=15),
        metrics: Metrics | None = None,
    ) -> None:
        self._clock = clock
        self._grace = grace
        self._metrics = metrics
        self._kept: list[_Kept] = []
        self._stopping = asyncio.Event()

    def add(self, loop: Loop, *, waker: Waker | None = None) -> None:
        """Keep this loop too; before `run`. Raises: ValueError for a name already taken."""
        if any(kept.loop.name == loop.name for kept in self._kept):
            raise ValueError(f"two loops are named {loop.name}")
        kept = _Kept(loop, waker)
        self._kept.append(kept)
        if self._metrics is not None:
            self._metrics.loop_interval.labels(loop.name).set(loop.interval.total_seconds())
            self._show(kept.health, self._clock.now())

    def health(self) -> Sequence[LoopHealth]:
        """Every loop's health, in the order they were added."""
        return [kept.health for kept in self._kept]

    async def run(self) -> None:
        """Run all loops until cancelled; resting loops end at once, working ones get the grace.

        A second cancellation during the grace period ends it.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._keep(kept), name=kept.loop.name) for kept in self._kept
            ]
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._stopping.set()
                if tasks:
                    await asyncio.wait(tasks, timeout=self._grace.total_seconds())

    async def _keep(self, kept: _Kept) -> None:
        async with AsyncExitStack() as stack:
            if isinstance(kept.loop, Draining):
                stack.push_async_callback(self._drain, kept.loop, kept.loop.name)
            while not self._stopping.is_set():
                rest_until = await self._turn(kept)
                if rest_until is None:
                    await asyncio.sleep(0)  # a loop that is always busy lets the others in
                else:
                    await self._rest(rest_until, None if kept.health.is_failing else kept.waker)

    async def _turn(self, kept: _Kept) -> datetime | None:
        """One run; the instant to rest until, or None if there may be more to do now."""
        health = kept.health
        try:
            moved = await kept.loop.run_once()
            now = self._clock.now()
            rest_until = None if moved else self._next(kept.loop, now)
        except Exception as error:  # noqa: BLE001 - the one place that outlives a crashed loop
            health.crashes += 1
            health.last_error = f"{type(error).__name__}: {error}"[:300]
            doubled: int = 2 ** min(health.crashes - 1, 10)
            pause = min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)
            _log.exception(
                "loop.crashed", loop=kept.loop.name, crashes=health.crashes, pause_s=pause.seconds
            )
            if self._metrics is not None:
                self._metrics.loop_crashes.labels(health.name).inc()
            self._show(health, health.last_success)
            return self._clock.now() + pause
        health.last_success = now
        health.crashes = 0
        health.last_error = ""
        self._show(health, now)
        return rest_until

    def _show(self, health: LoopHealth, succeeded: datetime | None) -> None:
        if self._metrics is None:
            return
        self._metrics.loop_failing.labels(health.name).set(health.is_failing)
        if succeeded is not None:
            self._metrics.loop_success.labels(health.name).set(succeeded.timestamp())

    def _next(self, loop: Loop, now: datetime) -> datetime:
        planned = loop.next_at() if isinstance(loop, Planned) else None
        latest = now + loop.interval
        return latest if planned is None else min(latest, planned)

    async def _rest(self, until: datetime, waker: Waker | None) -> None:
        """Return when `until` has come, the waker rang or the process stops."""
        reasons: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._clock.sleep_until(until)),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        if waker is not None:
            reasons.append(asyncio.ensure_future(waker.wait()))
        try:
            done, _ = await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            for reason in done:
                reason.result()  # a waker that broke is a bug: it must not pass unseen
        finally:
            for reason in reasons:
                reason.cancel()
            await asyncio.wait(reasons)

    async def _drain(self, loop: Draining, name: str) -> None:
        try:
            async with asyncio.timeout(self._grace.total_seconds()):
                await loop.aclose()
        except TimeoutError:
            _log.warning("loop.cut_off", loop=name, grace_s=self._grace.seconds)
