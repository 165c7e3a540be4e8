"""Connections that bear no long silence: the options that the kernel is given.

That it acts on them is seen where packets vanish: tests/acceptance/test_cluster.py.
"""

import socket

import pytest

from linegate.postgres.pool import AWAY, Pool, connect, transaction
from linegate.silence import bear_silence
from support.database import blocking
from support.waiting import until


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    return ours, theirs


@pytest.mark.parametrize(("seconds", "options"), [(10.0, (5, 1, 10_000)), (1.0, (1, 1, 1000))])
def test_a_tcp_connection_is_given_up_after_so_much_silence(
    seconds: float, options: tuple[int, int, int]
) -> None:
    ours, theirs = connected()
    with ours, theirs:
        bear_silence(ours, seconds)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
        assert tuple(ours.getsockopt(socket.IPPROTO_TCP, name) for name in names) == options


def test_another_kind_of_connection_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        bear_silence(ours, 10)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


async def test_a_session_that_holds_locks_ends_before_those_who_wait_give_up(pool: Pool) -> None:
    settings = ("idle_in_transaction_session_timeout", "lock_timeout")
    idle, waiting = [
        await pool.fetchval("SELECT setting::integer FROM pg_settings WHERE name = $1", name)
        for name in settings
    ]
    assert 0 < idle < waiting
    assert await pool.fetchval("SHOW client_connection_check_interval") == "5s"


async def test_a_transaction_that_the_server_ended_counts_as_a_database_that_is_away(
    pool: Pool, database_url: str
) -> None:
    """What a process meets that stood still in the middle of one: its work is done again."""

    async def stand_still() -> None:
        async with transaction(pool) as conn:
            await conn.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            pid = conn.get_server_pid()
            blocking(lambda: until_ended(database_url, pid))  # our event loop does not turn
            await conn.execute("SELECT 1")

    with pytest.raises(AWAY):
        await stand_still()


async def until_ended(database_url: str, pid: int) -> None:
    conn = await connect(database_url)

    async def has_ended() -> bool:
        alive = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
        return bool(await conn.fetchval(alive, pid))

    await until(has_ended)
    await conn.close()
