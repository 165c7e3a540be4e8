"""Connections to PostgreSQL: one pool per process, the session set-up, `transaction()`.

The same code serves the embedded server and any external one: the DSN says which, and a DSN with
several hosts finds the one that takes writes (primary.py). Knows no table.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg

from linegate.clock import Clock
from linegate.postgres.primary import primary_of, watched
from linegate.silence import bear_silence

__all__ = [
    "AWAY",
    "Connection",
    "Pool",
    "connect",
    "connect_with_retry",
    "follow_primary",
    "named_days",
    "open_pool",
    "transaction",
]

# asyncpg hands out a proxy of Connection; both take the same calls.
Connection: TypeAlias = asyncpg.Connection
Pool: TypeAlias = asyncpg.Pool

# A forgotten transaction holds back the clean-up of the queue tables, so
# none may stay open. `transaction_timeout` exists from PostgreSQL 17 on and is set apart.
_SESSION = {
    "timezone": "UTC",
    "jit": "off",
    # Every statement goes from a few known rows to others by their keys. Plans that follow the
    # statistics of tables which fill and empty all day are wrong some of the time, and joins in
    # the order of the arrays are what keeps two writers from locking in a circle.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    # None of them reads so much that workers of their own would pay.
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    # A process that stands still, or whose network is cut, in the middle of a transaction keeps
    # rows locked. Shorter than lock_timeout: who waits for them gets them; and than a lease.
    "idle_in_transaction_session_timeout": "8s",
    # How the server notices that nobody is there any more: by default after two hours, and its
    # connections are numbered. On a Unix socket it does not care for the first four.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
    "client_connection_check_interval": "5s",
}
_TRANSACTION_TIMEOUT = "60s"
_SILENCE = 10.0  # seconds after which a server that says nothing has vanished
_STATEMENTS_KEPT = 500  # prepared statements a connection keeps: more than we have

# What a server says or does while it starts, recovers or fails over.
_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.exceptions.TargetServerAttributeNotMatched,
)

# What a statement meets while the server is away, ends, starts, fails over or is full: whether
# the last commit happened may be unknown, and the same work may be done again later.
AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver lost count when the connection broke under it
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # this one is no primary any more
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
)


async def open_pool(
    dsn: str, *, size: int = 10, smallest: int = 1, application: str = "linegate"
) -> Pool:
    """A pool of at most `size` connections to `dsn`; `smallest` are opened at once.

    Raises: OSError, TimeoutError or asyncpg.PostgresError if the server cannot be reached now.
    """
    primary = primary_of(dsn)
    pool: Pool = await asyncpg.create_pool(
        connect=asyncpg.connect if primary is None else primary.connect,
        min_size=min(smallest, size),
        max_size=size,
        max_inactive_connection_lifetime=300.0,
        init=_set_up,
        reset=_give_back,
        **_options(dsn, application),
    )
    if primary is not None:
        primary.watch(pool)
    return pool


async def connect_with_retry(
    dsn: str,
    *,
    clock: Clock,
    patience: timedelta = timedelta(seconds=60),
    size: int = 10,
    application: str = "linegate",
) -> Pool:
    """A pool, as `open_pool` gives; a server that is not up yet is asked again for `patience`.

    Waits 0.1 s, then twice as long each time up to 5 s. Raises what the last try raised.
    """
    last_try = clock.now() + patience
    pause = timedelta(milliseconds=100)
    while True:
        try:
            return await open_pool(dsn, size=size, application=application)
        except _NOT_YET:
            if clock.now() + pause > last_try:
                raise
        await clock.sleep_until(clock.now() + pause)
        pause = min(pause * 2, timedelta(seconds=5))


async def connect(dsn: str, *, application: str = "linegate") -> Connection:
    """One connection outside any pool, with the same session set-up; the caller closes it."""
    primary = primary_of(dsn)
    options = _options(dsn, application)
    connection = await (asyncpg.connect if primary is None else primary.connect)(**options)
    await _set_up(connection)
    return connection


def follow_primary(dsn: str, clock: Clock) -> AbstractAsyncContextManager[None]:
    """While the block lasts, see every few seconds whether another of the servers was promoted."""
    options = _options(dsn, "linegate watch")
    return watched(options.pop("dsn"), clock, **options)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction: committed at the end of the block, else rolled back.

    Never keep it open across a network call: hold a lease instead.
    """
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def named_days(conn: Connection) -> AsyncIterator[None]:
    """Plan the statements of the block anew each time, for the days that their values name.

    A plan for all values has every day that is kept in it: a year takes a tenth of a second to
    plan, megabytes to keep and milliseconds to begin. For a few days all of that is a millisecond.
    """
    async with conn.transaction():
        await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        yield


def _options(dsn: str, application: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "dsn": dsn,
        "timeout": 10.0,
        "command_timeout": 60.0,
        "statement_cache_size": _STATEMENTS_KEPT,
        "max_cached_statement_lifetime": 0,
        "server_settings": {**_SESSION, "application_name": application},
    }
    if "target_session_attrs" not in dsn:
        # Of several hosts only the primary will do; after a fail-over that is another one.
        options["target_session_attrs"] = "read-write"
    return options


async def _set_up(connection: Connection) -> None:
    # asyncpg has no option for it.
    bear_silence(connection._transport.get_extra_info("socket"), _SILENCE)
    if connection.get_server_version().major >= 17:
        await connection.execute(f"SET transaction_timeout = '{_TRANSACTION_TIMEOUT}'")


async def _give_back(connection: Connection) -> None:
    """Leave the session as it is: nobody changes it, and the usual reset costs a round trip."""
    if connection.is_in_transaction():
        await connection.reset()
        await _set_up(connection)
