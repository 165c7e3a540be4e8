"""The supervisor runs loops, outlives their crashes and stops them gently."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from linegate.supervisor import Bell, Loop, Supervisor, Waker
from support.clock import FakeClock

MINUTE = timedelta(minutes=1)


class Counting:
    """Moves what it is told to, one figure a run, then nothing."""

    interval = MINUTE

    def __init__(self, *moved: int | Exception, name: str = "counting") -> None:
        self.name = name
        self.moved = list(moved)
        self.runs = 0

    async def run_once(self) -> int:
        self.runs += 1
        moved = self.moved.pop(0) if self.moved else 0
        if isinstance(moved, Exception):
            raise moved
        return moved


@asynccontextmanager
async def running(
    clock: FakeClock, *loops: Loop, waker: Waker | None = None
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(clock, grace=timedelta(seconds=30))
    for loop in loops:
        supervisor.add(loop, waker=waker)
    task = asyncio.create_task(supervisor.run())
    await clock.settle()
    try:
        yield supervisor
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_a_loop_runs_again_at_once_while_it_moves_something(clock: FakeClock) -> None:
    loop = Counting(5, 5)
    async with running(clock, loop):
        assert loop.runs == 3


async def test_an_idle_loop_runs_once_an_interval(clock: FakeClock) -> None:
    loop = Counting()
    async with running(clock, loop):
        await clock.advance(MINUTE - timedelta(microseconds=1))
        assert loop.runs == 1
        await clock.advance(3 * MINUTE)
        assert loop.runs == 4


async def test_a_ring_ends_the_rest(clock: FakeClock) -> None:
    loop, bell = Counting(), Bell()
    async with running(clock, loop, waker=bell):
        bell.ring()
        bell.ring()
        await clock.settle()
        assert loop.runs == 2
        await clock.settle()
        assert loop.runs == 2


async def test_a_ring_during_a_run_is_not_lost(clock: FakeClock) -> None:
    bell = Bell()

    class RungMeanwhile(Counting):
        async def run_once(self) -> int:
            if not self.runs:
                bell.ring()
            return await super().run_once()

    loop = RungMeanwhile()
    async with running(clock, loop, waker=bell):
        assert loop.runs == 2


async def test_a_loop_that_knows_its_next_work_is_run_then(clock: FakeClock) -> None:
    due = clock.now() + timedelta(seconds=7)

    class Planning(Counting):
        def next_at(self) -> datetime | None:
            return due if self.runs == 1 else None

    loop = Planning()
    async with running(clock, loop):
        await clock.advance(timedelta(seconds=6))
        assert loop.runs == 1
        await clock.advance(timedelta(seconds=1))
        assert loop.runs == 2
        await clock.advance(MINUTE - timedelta(seconds=1))
        assert loop.runs == 2


async def test_a_crash_is_logged_once_and_tried_again_after_a_growing_pause(
    clock: FakeClock,
) -> None:
    loop, other = Counting(*[OSError("gone")] * 3, name="crashing"), Counting(name="other")
    with capture_logs() as logs:
        async with running(clock, loop, other) as supervisor:
            for pause, runs in ((1, 2), (2, 3), (4, 4)):
                await clock.advance(timedelta(seconds=pause) - timedelta(microseconds=1))
                assert loop.runs == runs - 1
                assert supervisor.health()[0].is_failing
                await clock.advance(timedelta(microseconds=1))
                assert loop.runs == runs
            health, healthy = supervisor.health()
            assert not health.is_failing
            assert health.last_success == clock.now()
            assert healthy.crashes == 0
    crashes = [entry for entry in logs if entry["event"] == "loop.crashed"]
    assert [(entry["loop"], entry["pause_s"]) for entry in crashes] == [
        ("crashing", 1),
        ("crashing", 2),
        ("crashing", 4),
    ]


async def test_the_pause_after_crashes_never_exceeds_a_minute(clock: FakeClock) -> None:
    loop = Counting(*[OSError("gone")] * 20)
    with capture_logs() as logs:
        async with running(clock, loop):
            await clock.advance(timedelta(minutes=30))
    assert max(entry["pause_s"] for entry in logs) == 60
    assert loop.moved == []


async def test_a_crashed_loop_is_not_rung_out_of_its_pause(clock: FakeClock) -> None:
    loop, bell = Counting(OSError("gone")), Bell()
    with capture_logs():
        async with running(clock, loop, waker=bell):
            bell.ring()
            await clock.settle()
            assert loop.runs == 1


async def test_a_stop_lets_the_run_under_way_finish_and_then_drains(clock: FakeClock) -> None:
    story: list[str] = []
    go_on = asyncio.Event()

    class Working(Counting):
        async def run_once(self) -> int:
            story.append("run begins")
            await go_on.wait()
            story.append("run ends")
            return 1

        async def aclose(self) -> None:
            story.append("drained")

    supervisor = Supervisor(clock)
    supervisor.add(Working())
    task = asyncio.create_task(supervisor.run())
    await clock.settle()
    task.cancel()
    await clock.settle()
    assert story == ["run begins"]
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert story == ["run begins", "run ends", "drained"]


async def test_a_run_that_outlasts_the_grace_is_cancelled_and_still_drained(
    clock: FakeClock,
) -> None:
    story: list[str] = []

    class Stuck(Counting):
        async def run_once(self) -> int:
            try:
                await asyncio.Event().wait()
            finally:
                story.append("cancelled")
            return 0

        async def aclose(self) -> None:
            story.append("drained")

    supervisor = Supervisor(clock, grace=timedelta(0))
    supervisor.add(Stuck())
    task = asyncio.create_task(supervisor.run())
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert story[0] == "cancelled"


async def test_two_loops_of_one_name_are_refused(clock: FakeClock) -> None:
    supervisor = Supervisor(clock)
    supervisor.add(Counting())
    with pytest.raises(ValueError, match="two loops are named counting"):
        supervisor.add(Counting())


async def test_a_bell_nobody_rings_ends_its_wait_in_time() -> None:
    bell = Bell()
    assert not await bell.wait(timedelta(0))
    bell.ring()
    assert await bell.wait(timedelta(seconds=5))
    assert not await bell.wait(timedelta(0))
