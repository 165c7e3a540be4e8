"""GET /line/1/reports over HTTP: formats, limits, and that looking is not taking."""

from collections.abc import AsyncIterator

import pytest

from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.postgres.identities import KeyRules
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, running_api
from support.reports import Scene


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    rules = KeyRules(scopes=frozenset({"message:send"}))
    return "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)


@pytest.fixture
async def scene(gateway: Gateway) -> Scene:
    async with gateway.store.pool.acquire() as conn:
        account = await account_id_of(conn, ACCOUNT)
        sender = await conn.fetchval("SELECT id FROM sender WHERE name = $1", SENDER)
    return Scene(gateway.store.pool, account, sender)


async def reports(gateway: Gateway, key: str, query: str = "", **headers: str) -> Answer:
    return await gateway.call("GET", f"/line/1/reports{query}", authorization=key, headers=headers)


async def test_the_format_follows_what_the_client_wants(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    await scene.finished(2, now=clock.now())
    as_xml = await reports(gateway, key, "?limit=1", Accept="application/xml")
    assert as_xml.headers["Content-Type"] == "application/xml"
    assert as_xml.body.count(b"<result>") == 1
    as_json = await reports(gateway, key)
    assert len(as_json.json["results"]) == 1
    assert (await reports(gateway, key)).json == {"results": []}


async def test_fifty_unless_the_client_says_otherwise(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    await scene.finished(60, now=clock.now())
    assert len((await reports(gateway, key)).json["results"]) == 50


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=-1", "?limit=ten", "?limit="])
async def test_a_wrong_limit_takes_nothing(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock, query: str
) -> None:
    await scene.finished(1, now=clock.now())
    answer = await reports(gateway, key, query)
    assert answer.status == 400
    assert answer.json["violations"][0]["property"] == "limit"
    assert len((await reports(gateway, key)).json["results"]) == 1


async def test_a_head_request_takes_no_reports(
    gateway: Gateway, key: str, scene: Scene, clock: FakeClock
) -> None:
    await scene.finished(1, now=clock.now())
    answer = await gateway.call("HEAD", "/line/1/reports", authorization=key)
    assert answer.status == 405
    assert len((await reports(gateway, key)).json["results"]) == 1
