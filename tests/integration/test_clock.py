"""One time for all processes, though the clock of the database's machine jumps."""

from datetime import UTC, datetime, timedelta

import pytest

from linegate.clock import SteadyClock
from linegate.postgres.clock import TimeKeeper, installation_time
from linegate.postgres.pool import Connection, Pool

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Machine:
    """Time that passes, and a clock on its wall that somebody sets."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.set_by = timedelta(0)

    def seconds(self) -> float:
        return self.passed

    async def wall(self, conn: Connection) -> datetime:
        return NOON + timedelta(seconds=self.passed) + self.set_by


class Process:
    """A process on that machine, whose own clock may be wrong when it starts."""

    def __init__(self, pool: Pool, machine: Machine, *, wrong_by: timedelta = SECOND) -> None:
        self.clock = SteadyClock(NOON + wrong_by, machine.seconds)
        self.keeper = TimeKeeper(pool, self.clock, machine.wall)


async def pass_time(machine: Machine, seconds: float, *processes: Process) -> None:
    """Time passes, and everybody looks every five seconds."""
    for _ in range(int(seconds // 5)):
        machine.passed += 5
        for process in processes:
            await process.keeper.look()


async def test_processes_begin_with_the_database_s_time_whatever_theirs_is(pool: Pool) -> None:
    machine = Machine()
    one = Process(pool, machine, wrong_by=HOUR)
    other = Process(pool, machine, wrong_by=-HOUR)
    for process in (one, other):
        await process.keeper.look()
    assert one.clock.now() == other.clock.now() == NOON


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_jump_either_way_is_seen_by_no_process(pool: Pool, jump: timedelta) -> None:
    machine = Machine()
    one, other = Process(pool, machine), Process(pool, machine)
    await pass_time(machine, 20, one, other)
    before = one.clock.now()
    machine.set_by = jump
    await pass_time(machine, 10, one, other)
    assert abs(one.clock.now() - (before + 10 * SECOND)) < SECOND
    assert abs(other.clock.now() - one.clock.now()) < SECOND


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_process_that_starts_after_the_jump_has_the_others_time(
    pool: Pool, jump: timedelta
) -> None:
    machine = Machine()
    old = Process(pool, machine)
    await pass_time(machine, 20, old)
    machine.set_by = jump
    await pass_time(machine, 10, old)
    young = Process(pool, machine, wrong_by=jump)
    await young.keeper.look()
    assert abs(young.clock.now() - old.clock.now()) < SECOND


async def test_a_process_that_starts_in_the_gap_comes_over(pool: Pool) -> None:
    machine = Machine()
    old = Process(pool, machine)
    await pass_time(machine, 20, old)
    machine.set_by = HOUR
    young = Process(pool, machine, wrong_by=HOUR)
    await young.keeper.look()
    await pass_time(machine, 10, old, young)
    await pass_time(machine, 10, old, young)
    assert abs(young.clock.now() - old.clock.now()) < SECOND


async def test_a_difference_that_stays_is_worn_off_without_a_step(pool: Pool) -> None:
    machine = Machine()
    one = Process(pool, machine)
    await pass_time(machine, 20, one)
    machine.set_by = 60 * SECOND
    told = one.clock.now()
    for _ in range(400):
        await pass_time(machine, 5, one)
        now = one.clock.now()
        assert timedelta(0) <= now - told < 6 * SECOND
        told = now
    assert abs(told - await machine.wall(None)) < SECOND


async def test_when_all_were_down_the_database_s_time_counts(pool: Pool) -> None:
    machine = Machine()
    one = Process(pool, machine)
    await pass_time(machine, 20, one)
    machine.set_by = HOUR
    await pass_time(machine, 10, one)
    machine.passed += 600  # nobody runs
    fresh = Process(pool, machine)
    await fresh.keeper.look()
    assert fresh.clock.now() == await machine.wall(None)


async def test_commands_have_the_installation_s_time(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute("UPDATE installation_time SET ahead = interval '1 hour'")
        database = await conn.fetchval("SELECT clock_timestamp()")
        assert abs(await installation_time(conn) - database - HOUR) < SECOND
