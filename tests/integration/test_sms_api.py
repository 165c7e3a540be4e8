"""SMS failover over the wire: what requests may ask, and what providers may tell."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from linegate.cli.keys import create_key
from linegate.cli.sms_routes import RouteAsked, create_route
from linegate.clock import SystemClock
from linegate.postgres.pool import Pool
from linegate.sms.twilio.signature import sign
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

PUBLIC = "https://gate.example"
PATH = "messages[0].options.smsFailover"


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    async with running_api(database_url, SystemClock(), public_url=PUBLIC) as made:
        yield made


async def ask(gateway: Gateway, *numbers: str, **failover: Any) -> Answer:
    key = await create_key(gateway.store, ACCOUNT, name="test")
    request = a_request(*numbers, options={"smsFailover": {"text": "hello", **failover}})
    return await gateway.call("POST", "/line/1/messages", authorization=f"App {key}", json=request)


def places(answer: Answer) -> list[str]:
    assert answer.status == 400
    return [each["property"] for each in answer.json["violations"]]


async def route(gateway: Gateway, url: str = "smpp://u:p@127.0.0.1:1", **more: Any) -> int:
    id_, _ = await create_route(
        gateway.store, ACCOUNT, RouteAsked(more.pop("name", ""), url, **more)
    )
    return id_


async def test_without_a_route_failover_is_a_violation(gateway: Gateway) -> None:
    assert places(await ask(gateway, sender="Shop")) == [PATH]


async def test_without_a_sender_and_a_default_one_failover_is_a_violation(
    gateway: Gateway,
) -> None:
    await route(gateway)
    assert places(await ask(gateway)) == [PATH]
    assert (await ask(gateway, sender="Shop")).status == 200


async def test_a_default_sender_serves_who_names_none(gateway: Gateway) -> None:
    await route(gateway, default_sender="Us")
    assert (await ask(gateway)).status == 200


async def test_a_destination_that_no_route_takes_is_a_violation(gateway: Gateway) -> None:
    await route(gateway, prefixes=("66",))
    assert places(await ask(gateway, "819010000001", sender="Shop")) == [PATH]
    assert (await ask(gateway, "66810000001", sender="Shop")).status == 200


async def test_all_that_is_wrong_with_an_sms_is_told(gateway: Gateway) -> None:
    answer = await ask(gateway, sender="A name too long", text="x" * 5000)
    assert places(answer) == [f"{PATH}.sender", f"{PATH}.text", PATH]


async def test_an_sms_is_stored_with_its_options(gateway: Gateway, pool: Pool) -> None:
    await route(gateway)
    regional = {"indiaDlt": {"principalEntityId": "9", "contentTemplateId": "7"}}
    validity = {"amount": 72, "timeUnit": "HOURS"}
    answer = await ask(gateway, sender="Shop", validityPeriod=validity, regional=regional)
    assert answer.status == 200
    stored = json.loads(await pool.fetchval("SELECT sms_failover FROM message_object"))
    assert stored == {
        "text": "hello",
        "sender": "Shop",
        "validity": 48 * 3600,  # the cap
        "regional": regional,
    }
    assert await pool.fetchval("SELECT fails_over FROM queue") is True


# ------------------------------------------------------------------ what providers may tell


async def a_leg(gateway: Gateway, pool: Pool, route_id: int) -> int:
    """A message whose SMS was handed over by a route."""
    assert (await ask(gateway, sender="Shop")).status == 200
    row = await pool.fetchrow(
        "WITH gone AS (DELETE FROM queue RETURNING *) INSERT INTO sms_leg (id, account_id,"
        " sender_id, object_id, route_id, step, due_at, deadline_at, attempt, line_status,"
        " line_error, destination, sms_sender) SELECT id, account_id, sender_id, object_id, $1,"
        " 'sent', deadline_at, deadline_at, 2, 9, 7002, destination, 'Shop' FROM gone"
        " RETURNING id",
        route_id,
    )
    assert row is not None
    return int(row["id"])


async def token_of(pool: Pool, route_id: int) -> str:
    token = await pool.fetchval("SELECT callback_token FROM sms_route WHERE id = $1", route_id)
    return str(token)


async def test_a_report_of_infobip_ends_a_message(gateway: Gateway, pool: Pool) -> None:
    route_id = await route(gateway, "infobip://KEY@api.example")
    id_ = await a_leg(gateway, pool, route_id)
    report = {
        "messageId": f"{id_:016x}",
        "to": "819010000001",
        "status": {"groupId": 3, "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"id": 0},
        "price": {"pricePerMessage": 0.02, "currency": "EUR"},
        "messageCount": 2,
        "mccMnc": "44010",
        "callbackData": f"{id_:016x}",
    }
    path = f"/sms/receipts/{await token_of(pool, route_id)}"
    answer = await gateway.call("POST", path, json={"results": [report]})
    assert answer.status == 200
    assert await pool.fetchval("SELECT status FROM final WHERE message_id = $1", id_) == 5
    key = await create_key(gateway.store, ACCOUNT, name="reader")
    pulled = await gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
    (result,) = pulled.json["results"]
    assert (result["sender"], result["messageCount"], result["mccMnc"], result["price"]) == (
        "Shop",
        2,
        "44010",
        {"pricePerMessage": 0.02, "currency": "EUR"},
    )


async def test_a_call_of_twilio_counts_only_with_its_signature(
    gateway: Gateway, pool: Pool
) -> None:
    route_id = await route(gateway, "twilio://AC1:TOKEN@api.example")
    id_ = await a_leg(gateway, pool, route_id)
    path = f"/sms/receipts/{await token_of(pool, route_id)}?ref={id_:016x}"
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"}

    async def call(signature: str) -> int:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature,
        }
        answer = await gateway.call("POST", path, headers=headers, data=urlencode(form).encode())
        return answer.status

    assert await call("bm90IGl0") == 401
    assert await pool.fetchval("SELECT count(*) FROM final") == 0
    assert await call(sign("TOKEN", PUBLIC + path, form)) == 200
    row = await pool.fetchrow("SELECT status, error FROM final WHERE message_id = $1", id_)
    assert row is not None
    assert tuple(row) == (9, 27)


async def test_an_unknown_token_and_an_unreadable_body_are_refused(
    gateway: Gateway, pool: Pool
) -> None:
    route_id = await route(gateway, "infobip://KEY@api.example")
    assert (await gateway.call("POST", "/sms/receipts/guess", json={})).status == 401
    path = f"/sms/receipts/{await token_of(pool, route_id)}"
    assert (await gateway.call("POST", path, json={"what": 1})).status == 400


async def test_a_routes_secrets_are_sealed(gateway: Gateway, pool: Pool) -> None:
    await route(gateway, "smpp://user:hunter2@127.0.0.1:1")
    row = await pool.fetchrow("SELECT * FROM sms_route")
    assert row is not None
    assert "hunter2" not in repr(dict(row))


async def test_a_text_that_no_database_can_keep_is_a_violation(gateway: Gateway) -> None:
    await route(gateway)
    answer = await ask(gateway, sender="Shop", text="a\x00b")
    assert places(answer) == [f"{PATH}.text"]
