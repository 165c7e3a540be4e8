"""Notifications ring bells, and a lost connection is made anew."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from linegate.postgres.pool import Pool, transaction
from linegate.postgres.wakeup import Wakeup, notify
from support.clock import FakeClock

PATIENCE = timedelta(seconds=10)


@pytest.fixture
def wakeup(database_url: str, clock: FakeClock) -> Wakeup:
    return Wakeup(database_url, clock=clock)


async def test_a_notification_rings_the_bells_of_its_channel_after_the_commit(
    wakeup: Wakeup, pool: Pool
) -> None:
    due, again, report = wakeup.bell("due"), wakeup.bell("due"), wakeup.bell("report")
    running = asyncio.create_task(wakeup.run())
    await wakeup.until_listening()
    for bell in (due, again, report):
        assert await bell.wait(timedelta(0))  # what came before we listened
    async with transaction(pool) as tx:
        await notify(tx, "due")
    assert await due.wait(PATIENCE)
    assert await again.wait(PATIENCE)
    async with transaction(pool) as tx:
        await notify(tx, "report")
    assert await report.wait(PATIENCE)
    assert not await due.wait(timedelta(0))
    running.cancel()


async def test_after_a_lost_connection_it_listens_again_and_rings_everyone(
    wakeup: Wakeup, pool: Pool, clock: FakeClock
) -> None:
    due = wakeup.bell("due")
    with capture_logs() as logs:
        running = asyncio.create_task(wakeup.run())
        await wakeup.until_listening()
        await due.wait(PATIENCE)
        await pool.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'linegate wakeup' AND datname = current_database()"
        )
        await clock.until_somebody_sleeps()
        assert not await due.wait(timedelta(0))
        await clock.advance(timedelta(seconds=1))
        await wakeup.until_listening()
    assert await due.wait(PATIENCE)
    assert [entry["event"] for entry in logs] == ["database.lost"]
    async with transaction(pool) as tx:
        await notify(tx, "due")
    assert await due.wait(PATIENCE)
    running.cancel()
