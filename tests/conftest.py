"""Fixtures of every test: the test's own clock, and a database that nobody else touches."""

from collections.abc import AsyncIterator, Iterator

import pytest

from linegate.postgres.pool import Pool, open_pool
from support.clock import FakeClock
from support.database import TestServer
from support.world import World, a_world


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at 15 January 2026, 09:00 UTC, until the test advances it."""
    return FakeClock()


@pytest.fixture(scope="session")
def test_server() -> Iterator[TestServer]:
    """The PostgreSQL server of this test session, with its migrated template."""
    server = TestServer.begin()
    yield server
    server.end()


@pytest.fixture
def database_url(test_server: TestServer) -> Iterator[str]:
    """The DSN of a fresh database with all migrations applied."""
    dsn = test_server.new_database()
    yield dsn
    test_server.drop(dsn)


@pytest.fixture
def empty_database_url(test_server: TestServer) -> Iterator[str]:
    """The DSN of a fresh database without any table."""
    dsn = test_server.empty_database()
    yield dsn
    test_server.drop(dsn)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of five connections to the fresh database."""
    opened = await open_pool(database_url, size=5)
    yield opened
    await opened.close()


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, database_url: str) -> AsyncIterator[World]:
    """An account with a sender on the fresh database, at the test's own time."""
    made = await a_world(pool, clock, database_url)
    yield made
    await made.acceptor.aclose()
