"""Connections that bear no long silence: the options that the kernel is given.

That it acts on them is seen where packets vanish: tests/acceptance/test_cluster.py.
"""

import socket

import pytest

from linegate.postgres.pool import Pool
from linegate.silence import bear_silence


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
