"""Applications and entities over the wire, on first use, and what they set for messages."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from linegate.admin.callers import change_key
from linegate.admin.desired import KeySettings
from linegate.admin.notes import Hands, Notes, Place
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.domain.policy import Limits
from linegate.postgres.directory import ensure_endpoint
from linegate.postgres.divisions import Kind, set_account, set_division
from linegate.postgres.identities import KeyRules, list_keys
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, a_request, running_api

APPLICATIONS = "/provisioning/1/applications"
ENTITIES = "/provisioning/1/entities"


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="all")


async def send(gateway: Gateway, key: str, **more: Any) -> Answer:
    request = a_request(**more)
    for message in request["messages"]:
        if message["sender"] is None:
            del message["sender"]
    return await gateway.call("POST", "/line/1/messages", authorization=key, json=request)


async def set_up_division(
    gateway: Gateway, clock: FakeClock, kind: Kind, id_: str, **settings: Any
) -> None:
    usual = {
        "default_sender": None,
        "endpoint_id": None,
        "templates": None,
        "messages_per_day": None,
    }
    async with gateway.store.pool.acquire() as conn:
        account_id = await account_id_of(conn, ACCOUNT)
        assert await set_division(conn, account_id, kind, id_, **{**usual, **settings})
    await clock.advance(timedelta(seconds=2))


@pytest.mark.parametrize(("path", "kind"), [(APPLICATIONS, "application"), (ENTITIES, "entity")])
async def test_one_is_created_shown_renamed_and_deleted(
    gateway: Gateway, key: str, path: str, kind: str
) -> None:
    made = {f"{kind}Id": "shop/1", f"{kind}Name": "Shop"}
    answer = await gateway.call("POST", path, authorization=key, json=made)
    assert (answer.status, answer.json) == (201, made)
    again = await gateway.call("POST", path, authorization=key, json=made)
    assert again.status == 409
    assert again.json["requestError"]["serviceException"]["messageId"] == "CONFLICT"
    name = {f"{kind}Name": "Boutique"}
    one = path + "/shop%2F1"
    assert (await gateway.call("PUT", one, authorization=key, json=name)).status == 204
    shown = await gateway.call("GET", one, authorization=key)
    assert (shown.status, shown.json) == (200, made | name)
    assert (await gateway.call("DELETE", one, authorization=key)).status == 200
    for method in ("GET", "PUT", "DELETE"):
        gone = await gateway.call(method, one, authorization=key, json=name)
        assert gone.status == 404
        assert gone.json == {
            "requestError": {"serviceException": {"messageId": "NOT_FOUND", "text": "Not found"}}
        }


async def test_pages_count_from_0_and_say_how_many_there_are(gateway: Gateway, key: str) -> None:
    for number in range(5):
        body = {"entityId": f"e{number}"}
        await gateway.call("POST", ENTITIES, authorization=key, json=body)
    answer = await gateway.call("GET", f"{ENTITIES}?page=1&size=2", authorization=key)
    assert answer.json == {
        "results": [{"entityId": "e2"}, {"entityId": "e3"}],
        "paging": {"page": 1, "size": 2, "totalPages": 3, "totalResults": 5},
    }
    usual = await gateway.call("GET", ENTITIES, authorization=key)
    assert usual.json["paging"] == {"page": 0, "size": 20, "totalPages": 1, "totalResults": 5}


@pytest.mark.parametrize("query", ["page=-1", "size=0", "size=1001", "page=x", "size=1e3"])
async def test_a_bad_page_is_told_in_the_older_envelope(
    gateway: Gateway, key: str, query: str
) -> None:
    answer = await gateway.call("GET", f"{APPLICATIONS}?{query}", authorization=key)
    assert answer.status == 400
    told = answer.json["requestError"]["serviceException"]
    assert told["messageId"] == "BAD_REQUEST"
    assert list(told["validationErrors"]) == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "body", [{}, {"applicationId": ""}, {"applicationId": "a" * 256}, {"applicationId": 1}, []]
)
async def test_a_bad_application_is_refused(gateway: Gateway, key: str, body: object) -> None:
    answer = await gateway.call("POST", APPLICATIONS, authorization=key, json=body)
    assert answer.status == 400
    assert answer.json["requestError"]["serviceException"]["messageId"] == "BAD_REQUEST"


async def test_the_scope_is_needed_and_the_envelope_is_the_older_one(gateway: Gateway) -> None:
    rules = KeyRules(frozenset({"message:send"}))
    other = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    for authorization, status in ((None, 401), (other, 403)):
        answer = await gateway.call("GET", ENTITIES, authorization=authorization)
        assert answer.status == status
        assert "requestError" in answer.json
    assert "requestError" in (await gateway.call("PATCH", ENTITIES)).json


async def test_naming_one_in_a_message_makes_it_once(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    options = {"platform": {"applicationId": "shop", "entityId": "tokyo"}}
    for _ in range(3):
        assert (await send(gateway, key, options=options)).status == 200
    answer = await gateway.call("GET", f"{ENTITIES}/tokyo", authorization=key)
    assert answer.json == {"entityId": "tokyo"}
    await gateway.call("DELETE", f"{ENTITIES}/tokyo", authorization=key)
    assert (await send(gateway, key, options=options)).status == 200
    answer = await gateway.call("GET", f"{ENTITIES}/tokyo", authorization=key)
    assert answer.status == 200


async def test_a_refused_request_makes_none(gateway: Gateway, key: str) -> None:
    options = {"platform": {"applicationId": "shop"}}
    assert (await send(gateway, key, options=options, sender="NOBODY")).status == 400
    answer = await gateway.call("GET", APPLICATIONS, authorization=key)
    assert answer.json["results"] == []


async def test_message_without_a_sender_is_refused_where_there_is_no_default(
    gateway: Gateway, key: str
) -> None:
    answer = await send(gateway, key, sender=None)
    assert answer.status == 400
    assert answer.json["violations"] == [
        {"property": "messages[0].sender", "violation": "is required"}
    ]


async def test_default_sender_of_the_entity_serves_its_messages_alone(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    await gateway.call("POST", ENTITIES, authorization=key, json={"entityId": "tokyo"})
    async with gateway.store.pool.acquire() as conn:
        sender_id = await conn.fetchval("SELECT id FROM sender WHERE name = $1", SENDER)
    await set_up_division(gateway, clock, "entity", "tokyo", default_sender=sender_id)
    options = {"platform": {"entityId": "tokyo"}}
    assert (await send(gateway, key, sender=None, options=options)).status == 200
    answer = await send(gateway, key, sender=None)
    assert answer.status == 400
    assert answer.json["violations"][0]["property"] == "messages[0].sender"


async def test_reports_go_where_the_entity_says_before_the_application(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    endpoints = []
    for kind, path, id_ in (("application", APPLICATIONS, "shop"), ("entity", ENTITIES, "tokyo")):
        await gateway.call("POST", path, authorization=key, json={f"{kind}Id": id_})
        async with gateway.store.pool.acquire() as conn:
            endpoint_id = await ensure_endpoint(
                conn,
                account_id=await account_id_of(conn, ACCOUNT),
                url=f"https://{id_}.example",
                content_type="application/json",
                now=clock.now(),
            )
        endpoints.append(endpoint_id)
        await set_up_division(gateway, clock, kind, id_, endpoint_id=endpoint_id)  # type: ignore[arg-type]
    both = {"applicationId": "shop", "entityId": "tokyo"}
    for platform in ({"applicationId": "shop"}, both):
        assert (await send(gateway, key, options={"platform": platform})).status == 200
    async with gateway.store.pool.acquire() as conn:
        rows = await conn.fetch("SELECT endpoint_id FROM queue ORDER BY id")
    assert [row["endpoint_id"] for row in rows] == endpoints


async def set_limits(gateway: Gateway, clock: FakeClock, limits: Limits) -> None:
    async with gateway.store.pool.acquire() as conn:
        await set_account(
            conn,
            await account_id_of(conn, ACCOUNT),
            default_sender=None,
            limits=limits,
            retention_days=None,
        )
    await clock.advance(timedelta(seconds=2))


async def test_one_request_too_many_in_a_second_is_answered_429(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    await set_limits(gateway, clock, Limits(requests_per_second=3))
    statuses = [(await send(gateway, key)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = await send(gateway, key)
    assert refused.headers["Retry-After"] == "1"
    await clock.advance(timedelta(seconds=1))
    assert (await send(gateway, key)).status == 200


async def set_key_of(gateway: Gateway, clock: FakeClock, **limits: int) -> str:
    """A key with limits of its own."""
    text = await create_key(gateway.store, ACCOUNT, name="limited")
    async with gateway.store.pool.acquire() as conn:
        account_id = await account_id_of(conn, ACCOUNT)
        key_id = (await list_keys(conn, account_id))[-1].id
        hands = Hands(gateway.store.vault, str, hash_password, read_wording, "a test")
        place = Place(account_id, ACCOUNT, Notes(), clock.now(), hands)
        asked = msgspec.convert(limits, KeySettings)
        assert await change_key(conn, key_id, asked, place)
    await clock.advance(timedelta(seconds=2))
    return "App " + text


async def test_a_keys_own_limit_of_requests_holds_for_it_alone(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    limited = await set_key_of(gateway, clock, requestsPerSecond=2)
    assert [(await send(gateway, limited)).status for _ in range(3)] == [200, 200, 429]
    assert (await send(gateway, key)).status == 200
    await clock.advance(timedelta(seconds=1))
    assert (await send(gateway, limited)).status == 200


async def test_a_keys_own_daily_limit_holds_for_it_alone_and_refuses_before_writing(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    limited = await set_key_of(gateway, clock, messagesPerDay=1)
    assert (await send(gateway, limited)).status == 200
    refused = await send(gateway, limited)
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM message") == 1
    assert (await send(gateway, key)).status == 200
    await clock.advance(timedelta(days=1))
    assert (await send(gateway, limited)).status == 200


async def test_daily_limit_is_exact_and_refuses_before_anything_is_written(
    gateway: Gateway, key: str, clock: FakeClock, database_url: str
) -> None:
    await set_limits(gateway, clock, Limits(messages_per_day=5))
    numbers = [{"to": f"81901000000{n}"} for n in range(3)]
    assert (await send(gateway, key, destinations=numbers)).status == 200
    refused = await send(gateway, key, destinations=numbers)
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) == 15 * 3600 - 2 + 1
    assert "too few left" in refused.json["violations"][0]["violation"]
    async with running_api(database_url, clock) as second:  # another process, the same limit
        assert (await send(second, key, destinations=numbers[:2])).status == 200
        assert (await send(second, key)).status == 429
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM message") == 5
    await clock.advance(timedelta(hours=15))
    assert (await send(gateway, key)).status == 200


async def test_what_was_not_taken_after_all_is_given_back(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    await set_limits(gateway, clock, Limits(messages_per_day=2))
    request = a_request() | {"options": {"schedule": {"bulkId": "same"}}}
    for status in (200, 400, 400):
        answer = await gateway.call("POST", "/line/1/messages", authorization=key, json=request)
        assert answer.status == status
    assert (await send(gateway, key)).status == 200


async def test_a_restart_gives_back_what_was_taken_ahead(
    gateway: Gateway, key: str, clock: FakeClock, database_url: str
) -> None:
    await set_limits(gateway, clock, Limits(messages_per_day=100_000))  # portions of 100
    async with running_api(database_url, clock) as second:
        assert (await send(second, key)).status == 200
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT used FROM quota_use") == 1


async def test_quota_of_the_entity_wins_over_that_of_the_application(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    for kind, path, id_, most in (
        ("application", APPLICATIONS, "shop", 1),
        ("entity", ENTITIES, "tokyo", 2),
    ):
        await gateway.call("POST", path, authorization=key, json={f"{kind}Id": id_})
        await set_up_division(gateway, clock, kind, id_, messages_per_day=most)  # type: ignore[arg-type]
    both = {"platform": {"applicationId": "shop", "entityId": "tokyo"}}
    shop = {"platform": {"applicationId": "shop"}}
    assert [(await send(gateway, key, options=both)).status for _ in range(3)] == [200, 200, 429]
    assert [(await send(gateway, key, options=shop)).status for _ in range(2)] == [200, 429]


async def test_audit_says_who_changed_what_and_withholds_secrets(
    gateway: Gateway, key: str
) -> None:
    await gateway.call("POST", ENTITIES, authorization=key, json={"entityId": "tokyo"})
    await gateway.call("PUT", ENTITIES + "/tokyo", authorization=key, json={"entityName": "T"})
    async with gateway.store.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT actor, action, kind, subject, changes FROM audit ORDER BY id"
        )
    assert [row["kind"] for row in rows] == ["account", "sender", "api_key", "division", "division"]
    assert rows[-1]["actor"].startswith("key ")
    assert (rows[-1]["action"], rows[-1]["subject"]) == ("change", "entity tokyo")
    assert rows[-1]["changes"] == '{"name": [null, "T"]}'
    assert "withheld" in rows[1]["changes"]
    assert "v1." not in "".join(row["changes"] for row in rows)


async def test_template_policy_of_the_entity_wins_over_the_senders(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    for id_, policy in (("strict", "required"), ("open", "free")):
        await gateway.call("POST", ENTITIES, authorization=key, json={"entityId": id_})
        await set_up_division(gateway, clock, "entity", id_, templates=policy)
    strict, free = ({"platform": {"entityId": id_}} for id_ in ("strict", "open"))
    refused = await send(gateway, key, options=strict)
    assert refused.status == 400
    assert refused.json["violations"][0]["property"] == "messages[0].content"
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE sender SET templates = 'required'")
    await clock.advance(timedelta(seconds=2))
    assert (await send(gateway, key)).status == 400
    assert (await send(gateway, key, options=free)).status == 200
