"""What `up` knows of its workers."""

from datetime import timedelta
from pathlib import Path

from linegate.cli.heartbeat import Heartbeat, Workers
from linegate.supervisor import LoopHealth, failing_loops
from support.clock import FakeClock


def test_a_loop_fails_from_its_third_crash_in_a_row_on() -> None:
    health = [LoopHealth("once", crashes=1), LoopHealth("ill", crashes=3), LoopHealth("well")]
    assert failing_loops(health) == ["ill"]


async def test_workers_that_tell_of_no_failing_loop_are_ready(
    tmp_path: Path, clock: FakeClock
) -> None:
    workers = Workers(tmp_path, 2, clock)
    for name in ("worker 1", "worker 2"):
        await Heartbeat(workers.file_of(name), lambda: [LoopHealth("sweeper")], clock).run_once()
    assert workers.failing() == []


async def test_a_failing_loop_is_named_with_its_worker(tmp_path: Path, clock: FakeClock) -> None:
    workers = Workers(tmp_path, 1, clock)
    health = [LoopHealth("sweeper", crashes=4), LoopHealth("shaper")]
    await Heartbeat(workers.file_of("worker 1"), lambda: health, clock).run_once()
    assert workers.failing() == ["worker 1: sweeper"]


async def test_a_worker_that_has_not_begun_or_has_ended_is_not_running(
    tmp_path: Path, clock: FakeClock
) -> None:
    workers = Workers(tmp_path, 1, clock)
    assert workers.failing() == ["worker 1 is not running"]
    await Heartbeat(workers.file_of("worker 1"), list, clock).run_once()
    assert workers.failing() == []
    workers.forget("worker 1")
    assert workers.failing() == ["worker 1 is not running"]


async def test_a_worker_that_hangs_does_not_answer(tmp_path: Path, clock: FakeClock) -> None:
    workers = Workers(tmp_path, 1, clock)
    await Heartbeat(workers.file_of("worker 1"), list, clock).run_once()
    await clock.advance(timedelta(seconds=16))
    assert workers.failing() == ["worker 1 does not answer"]
