"""Whoever looks after a sender is told when none of LINE's events reaches us."""

from collections.abc import AsyncIterator

import pytest

from linegate.cli.sender_words import shown_sender
from linegate.postgres.directory import find_account
from linegate.postgres.senders import list_senders
from support.clock import FakeClock
from support.console import Visitor, a_user
from support.gateway import ACCOUNT, SENDER, Gateway, running_api


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        await running.store.pool.execute(
            "INSERT INTO sender_ear SELECT id, 200, $1, $1 FROM sender WHERE name = $2",
            clock.now(),
            SENDER,
        )
        yield running


async def shown(gateway: Gateway) -> dict[str, object]:
    async with gateway.store.pool.acquire() as conn:
        account = await find_account(conn, ACCOUNT)
        assert account is not None
        [sender] = await list_senders(conn, account)
    return shown_sender(sender)


async def test_a_deaf_sender_is_listed_as_deaf(gateway: Gateway, clock: FakeClock) -> None:
    listed = await shown(gateway)
    assert listed["deafSince"] == clock.now().isoformat(timespec="seconds")
    assert listed["hold"] is None
    assert "none of LINE's events reaches us" in str(listed["words"])


async def test_the_console_shows_a_deaf_sender_and_resumes_it(
    gateway: Gateway, clock: FakeClock
) -> None:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    visitor = Visitor(gateway)
    await visitor.login("alice")
    path = f"/console/senders/{(await shown(gateway))['id']}"
    for page in ("/console/", "/console/senders", path):
        assert b"deaf" in (await visitor.get(page)).body.lower(), page
    assert (await visitor.post(f"{path}/resume")).status == 303
    assert (await shown(gateway))["deafSince"] is None
    assert b"Deaf since" not in (await visitor.get(path)).body
