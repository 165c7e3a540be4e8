"""A real primary and a real replica: who is written to, and that a primary of old never is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from linegate.clock import SystemClock
from linegate.postgres.pool import AWAY, Pool, follow_primary, open_pool
from linegate.postgres.primary import Primary, hosts_of
from support.replication import Server, a_primary, a_replica_of, url_of
from support.waiting import until

SECOND = timedelta(seconds=1)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Server, Server]]:
    """A commit is one when the replica has it."""
    async with a_primary() as primary, a_replica_of(primary) as replica:
        await primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await primary.ask("SELECT pg_reload_conf()")
        await primary.ask("CREATE TABLE note (words text)")
        await primary.ask("GRANT ALL ON note TO linegate")
        yield primary, replica


async def write(pool: Pool, words: str) -> int:
    """Write over the pool; the port of the server that took it."""
    port: int = await pool.fetchval(
        "INSERT INTO note VALUES ($1) RETURNING inet_server_port()", words
    )
    return port


async def nobody_takes(pool: Pool, words: str) -> None:
    """All connections of the pool find out, each for itself, that the primary is away."""
    for _ in range(6):
        with pytest.raises(AWAY):
            await write(pool, words)


async def test_after_a_promotion_the_replica_is_written_to_and_the_old_primary_never(
    pair: tuple[Server, Server],
) -> None:
    primary, replica = pair
    url = url_of(primary, replica)
    pool = await open_pool(url, size=3, smallest=3)
    assert await write(pool, "before") == primary.port

    await primary.stop("immediate")
    await nobody_takes(pool, "meanwhile")
    await replica.promote()
    assert await write(pool, "after") == replica.port

    # The old one comes back as what it was, and stands first in the URL.
    await primary.start(synchronous_standby_names="")
    await pool.expire_connections()
    for _ in range(5):
        assert await write(pool, "later") == replica.port
    # Nor does a process find it that has never seen either.
    stranger = await Primary(hosts_of(url)).connect(url)
    assert stranger.get_settings() is not None
    assert await stranger.fetchval("SELECT inet_server_port()") == replica.port
    await stranger.close()
    # And while the new one is away, nobody writes to the old one.
    await replica.stop("immediate")
    await nobody_takes(pool, "never")
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched, match="no longer the primary"):
        await write(pool, "never")
    pool.terminate()
    assert await primary.ask("SELECT words FROM note") == [("before",)]


async def test_connections_to_a_primary_that_was_replaced_are_given_up(
    pair: tuple[Server, Server],
) -> None:
    """It is cut off from its replica only: its connections live on."""
    primary, replica = pair
    url = url_of(primary, replica)
    pool = await open_pool(url, size=2, smallest=2)
    async with follow_primary(url, SystemClock()):
        assert await write(pool, "before") == primary.port
        await replica.promote()

        async def is_followed() -> bool:
            async with asyncio.timeout(10):
                return int(await pool.fetchval("SELECT inet_server_port()")) == replica.port

        await until(is_followed, within=30, every=0.2)
        assert await write(pool, "after") == replica.port
    pool.terminate()


async def test_what_was_committed_survives_when_commits_wait_for_the_replica(
    pair: tuple[Server, Server],
) -> None:
    primary, replica = pair
    pool = await open_pool(url_of(primary, replica), size=4)
    taken: list[str] = []

    async def go_on(name: str) -> None:
        for at in range(10_000):
            await write(pool, f"{name} {at}")
            taken.append(f"{name} {at}")

    writers = [asyncio.create_task(go_on(name)) for name in "abcd"]
    await until(lambda: _is_enough(taken), within=30)
    await primary.stop("immediate")
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(end, AWAY) for end in ends)
    await replica.promote()
    kept = {words for (words,) in await replica.ask("SELECT words FROM note")}
    assert set(taken) <= kept
    pool.terminate()


async def _is_enough(taken: list[str]) -> bool:
    return len(taken) > 300


async def test_a_commit_that_no_replica_confirms_is_not_told_as_done(
    pair: tuple[Server, Server],
) -> None:
    primary, replica = pair
    pool = await open_pool(url_of(primary, replica), size=2)
    await write(pool, "confirmed")
    await replica.stop("immediate")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await write(pool, "unconfirmed")
    pool.terminate()


async def test_a_server_that_does_not_answer_keeps_nobody_waiting() -> None:
    """Its machine is gone: what is sent there is never answered."""
    async with a_primary() as primary:
        mute = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
        port = mute.sockets[0].getsockname()[1]
        url = f"postgresql://linegate@127.0.0.1:{port},127.0.0.1:{primary.port}/linegate"
        async with asyncio.timeout(9):
            pool = await open_pool(url, size=1)
        async with asyncio.timeout(1):  # it is known by now who answers
            assert await pool.fetchval("SELECT inet_server_port()") == primary.port
        await pool.close()
        mute.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
