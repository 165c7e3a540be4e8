"""POST /line/1/messages and GET /line/1/reports, byte for byte over the wire."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from typing import Any

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.domain.keys import ALL_SCOPES
from linegate.postgres.identities import KeyRules
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

PATH = "/line/1/messages"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock, body_limit="64KB") as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return await key_of(gateway, ACCOUNT)


async def key_of(gateway: Gateway, account: str) -> str:
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    return "App " + await create_key(gateway.store, account, name="", rules=rules)


async def send(gateway: Gateway, key: str | None, body: Any, **headers: str) -> Answer:
    return await gateway.call("POST", PATH, authorization=key, json=body, headers=headers)


def properties(answer: Answer) -> list[str]:
    return [each["property"] for each in answer.json["violations"]]


# What is taken ----------------------------------------------------------------------------------


async def test_the_answer_has_an_element_for_each_destination_in_order(
    gateway: Gateway, key: str
) -> None:
    body = a_request("819010000001", "nonsense", "+66 81-000-0002", "4915112345678")
    body["messages"][0]["destinations"][0]["messageId"] = "order-1"
    answer = await send(gateway, key, body)
    assert answer.status == 200, answer.body
    elements = answer.json["messages"]
    assert [each["status"]["id"] for each in elements] == [7, 52, 7, 6]
    assert [each["status"]["groupName"] for each in elements] == [
        "PENDING",
        "REJECTED",
        "PENDING",
        "REJECTED",
    ]
    assert elements[0]["messageId"] == "order-1"
    assert [each["destination"] for each in elements][1] == "nonsense"
    assert len({each["messageId"] for each in elements}) == 4
    assert answer.json["bulkId"]


async def test_what_was_rejected_has_its_report_at_once_and_is_told_once(
    gateway: Gateway, key: str
) -> None:
    sent = await send(gateway, key, a_request("819010000001", "nonsense"))
    first = await gateway.call("GET", "/line/1/reports", authorization=key)
    (report,) = first.json["results"]
    assert report["messageId"] == sent.json["messages"][1]["messageId"]
    assert (report["status"]["id"], report["error"]["id"]) == (52, 351)
    again = await gateway.call("GET", "/line/1/reports", authorization=key)
    assert again.json["results"] == []


async def test_a_message_id_used_before_is_rejected_alone_and_has_no_report(
    gateway: Gateway, key: str
) -> None:
    body = a_request("819010000001")
    body["messages"][0]["destinations"][0]["messageId"] = "order-1"
    await send(gateway, key, body)
    body["messages"][0]["destinations"].append({"to": "819010000002"})
    answer = await send(gateway, key, body)
    assert [each["status"]["id"] for each in answer.json["messages"]] == [23, 7]
    reports = await gateway.call("GET", "/line/1/reports", authorization=key)
    assert reports.json["results"] == []


async def test_a_bulk_id_used_before_refuses_the_request(gateway: Gateway, key: str) -> None:
    body = {**a_request(), "options": {"schedule": {"bulkId": "june"}}}
    assert (await send(gateway, key, body)).json["bulkId"] == "june"
    answer = await send(gateway, key, body)
    assert (answer.status, properties(answer)) == (400, ["options.schedule.bulkId"])


async def test_of_concurrent_repeats_with_one_bulk_id_one_is_taken(
    gateway: Gateway, key: str
) -> None:
    body = {**a_request(), "options": {"schedule": {"bulkId": "june"}}}
    answers = await asyncio.gather(*(send(gateway, key, body) for _ in range(10)))
    assert sorted(each.status for each in answers) == [200] + [400] * 9


async def test_another_accounts_sender_and_reports_are_out_of_reach(
    gateway: Gateway, key: str
) -> None:
    await create_account(gateway.store, "stranger")
    strange = await key_of(gateway, "stranger")
    await send(gateway, key, a_request("nonsense"))
    answer = await send(gateway, strange, a_request())
    assert (answer.status, properties(answer)) == (400, ["messages[0].sender"])
    reports = await gateway.call("GET", "/line/1/reports", authorization=strange)
    assert reports.json["results"] == []


# What is refused --------------------------------------------------------------------------------


async def test_every_refusal_has_the_published_shape(gateway: Gateway, key: str) -> None:
    text = {"Content-Type": "text/plain"}
    calls = {
        401: gateway.call("POST", PATH, json=a_request()),
        400: gateway.call("POST", PATH, authorization=key, data=b"{", headers=JSON),
        413: gateway.call("POST", PATH, authorization=key, data=b" " * 70_000, headers=JSON),
        415: gateway.call("POST", PATH, authorization=key, data=b"{}", headers=text),
        404: gateway.call("GET", "/line/1/nothing", authorization=key),
        405: gateway.call("PUT", PATH, authorization=key, json={}),
    }
    for status, call in calls.items():
        answer = await call
        assert answer.status == status, answer.body
        assert answer.json.keys() == {
            "errorCode",
            "description",
            "action",
            "violations",
            "resources",
        }
        assert answer.json["errorCode"] == f"E{status}"


async def test_a_refusal_is_xml_for_who_asks_for_xml(gateway: Gateway, key: str) -> None:
    answer = await send(gateway, key, {}, Accept="application/xml")
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("application/xml")
    error = ET.fromstring(answer.body)
    assert (error.tag, error.findtext("errorCode")) == ("ApiError", "E400")
    told = error.findall("violations/violation")
    assert [each.findtext("property") for each in told] == ["messages"]


async def test_all_that_is_wrong_is_told_at_once(gateway: Gateway, key: str) -> None:
    body = a_request("819010000001", options={"validityPeriod": {"amount": 1, "timeUnit": "DAYS"}})
    body["messages"][0]["content"]["altText"] = 7
    del body["messages"][0]["sender"]
    body["messages"].append({"sender": "ACME", "destinations": [], "content": {"type": "SMS"}})
    answer = await send(gateway, key, body)
    assert answer.status == 400
    told = properties(answer)
    assert len(told) >= 5
    for where in ("messages[0].sender", "messages[0].content.altText", "messages[1].destinations"):
        assert where in told
    assert any(each.startswith("messages[0].options.validityPeriod") for each in told)
    assert any(each.startswith("messages[1].content") for each in told)
    rows = await gateway.store.pool.fetch("SELECT 1 FROM bulk")
    assert rows == []


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("callback data", {"webhooks": {"callbackData": "a\x00b"}}),
        ("alternative text", {"content": {"altText": "a\x00b"}}),
        ("campaign", {"options": {"campaignReferenceId": "a\x00b"}}),
        ("message id", {"destinations": [{"to": "819010000001", "messageId": "a\x00b"}]}),
        ("number", {"destinations": [{"to": "8190100\x0000001"}]}),
        ("url", {"webhooks": {"delivery": {"url": "https://example.com/\x00"}}}),
        ("sender", {"sender": "a\x00b"}),
        ("platform", {"options": {"platform": {"entityId": "a\x00b"}}}),
    ],
)
async def test_a_nul_that_no_database_keeps_is_the_clients_fault_and_not_ours(
    gateway: Gateway, key: str, where: str, change: dict[str, Any]
) -> None:
    body = a_request()
    message = body["messages"][0]
    content = message["content"] | change.get("content", {})
    body["messages"][0] = {**message, **change, "content": content}
    answer = await send(gateway, key, body)
    assert answer.status == 400, (where, answer.body)


async def test_a_nul_in_a_bulk_id_is_refused(gateway: Gateway, key: str) -> None:
    body = {**a_request(), "options": {"schedule": {"bulkId": "a\x00b"}}}
    assert (await send(gateway, key, body)).status == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "messageId=%00"])
async def test_a_bad_question_for_reports_names_its_parameter(
    gateway: Gateway, key: str, query: str
) -> None:
    answer = await gateway.call("GET", f"/line/1/reports?{query}", authorization=key)
    assert (answer.status, properties(answer)) == (400, [query.partition("=")[0]])


async def test_a_database_that_ends_its_connections_is_503_or_nothing_lost(
    gateway: Gateway, key: str
) -> None:
    """A request that was answered with 200 is on disk; one that was not may be repeated."""

    async def one(at: int) -> int:
        body = {**a_request(), "options": {"schedule": {"bulkId": f"bulk-{at}"}}}
        return (await send(gateway, key, body)).status

    async def trouble() -> None:
        async with gateway.store.pool.acquire() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"  # an autovacuum worker is not ours to end
            )

    rounds = [asyncio.gather(*(one(n * 20 + at) for at in range(20))) for n in range(5)]
    statuses: list[int] = []
    for each in rounds:
        await asyncio.gather(trouble(), each)
        statuses += each.result()
    assert set(statuses) <= {200, 503}
    rows = await gateway.store.pool.fetch("SELECT client_id FROM bulk")
    written = {row["client_id"] for row in rows}
    answered = {f"bulk-{at}" for at, status in enumerate(statuses) if status == 200}
    assert answered <= written


async def test_health_and_metrics_answer_on_loopback(gateway: Gateway) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (await gateway.call("GET", path)).status == 200
    metrics = await gateway.call("GET", "/metrics")
    assert metrics.status == 200
    assert b"linegate_messages_accepted_total" in metrics.body


async def test_metrics_are_not_shown_to_others_without_a_key_for_them(
    gateway: Gateway, key: str
) -> None:
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    assert (await gateway.call("GET", "/metrics", headers=elsewhere)).status == 401
    scraped = await gateway.call("GET", "/metrics", authorization=key, headers=elsewhere)
    assert scraped.status == 200
