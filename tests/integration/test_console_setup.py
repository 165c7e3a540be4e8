"""What can be set up and looked up in the console: over HTTP, as a browser without pictures."""

from collections.abc import AsyncIterator

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.domain.keys import ALL_SCOPES
from linegate.postgres.identities import KeyRules
from support.clock import FakeClock
from support.console import Visitor, a_user
from support.gateway import ACCOUNT, Gateway, a_request, running_api


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def alice(gateway: Gateway, clock: FakeClock) -> Visitor:
    return await logged_in(gateway, clock, "alice", ACCOUNT)


@pytest.fixture
async def mallory(gateway: Gateway, clock: FakeClock) -> Visitor:
    await create_account(gateway.store, "other")
    return await logged_in(gateway, clock, "mallory", "other")


async def logged_in(
    gateway: Gateway, clock: FakeClock, name: str, account: str, *, is_operator: bool = False
) -> Visitor:
    await a_user(gateway, clock, name, account=account, is_operator=is_operator)
    visitor = Visitor(gateway)
    await visitor.login(name)
    return visitor


# Bulks --------------------------------------------------------------------------------------------


async def a_bulk(gateway: Gateway) -> str:
    """The id of a bulk of ACCOUNT that goes out at once."""
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    key = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    body = a_request("819010000001", "819010000002")
    answer = await gateway.call("POST", "/line/1/messages", authorization=key, json=body)
    return str(answer.json["bulkId"])


async def test_a_bulk_that_went_out_at_once_is_listed_for_its_account_alone(
    gateway: Gateway, alice: Visitor, mallory: Visitor
) -> None:
    name = await a_bulk(gateway)
    mine, theirs = await alice.get("/console/bulks"), await mallory.get("/console/bulks")
    assert b"Sent at once" in mine.body
    assert mine.body.count(name.encode()) == 2  # the link and its words
    assert b"Sent at once" not in theirs.body
    assert name.encode() not in theirs.body


async def test_a_bulk_that_was_steered_is_not_listed_twice(
    gateway: Gateway, alice: Visitor
) -> None:
    name = await a_bulk(gateway)
    async with gateway.store.pool.acquire() as conn:
        account_id = await conn.fetchval("SELECT id FROM account WHERE name = $1", ACCOUNT)
    await alice.post(f"/console/bulks/{account_id}/{name}/steer", word="pause")
    listed = await alice.get("/console/bulks")
    assert b"Sent at once" not in listed.body
    assert listed.body.count(name.encode()) == 2
