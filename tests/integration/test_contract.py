"""Every refusal of the API over the wire: its status, its form, and what it says."""

import json
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from linegate.cli.keys import create_key
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

MESSAGES, REPORTS = "/line/1/messages", "/line/1/reports"
JSON, XML = "application/json", "application/xml"


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(
        database_url, clock, body_limit="20KB", destinations_limit="3"
    ) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="")


def error_of(answer: Answer) -> dict[str, Any]:
    """The ApiError of an answer, JSON or XML, checked for its published members."""
    if answer.headers["Content-Type"].startswith(XML):
        root = ET.fromstring(answer.body)
        assert root.tag == "ApiError"
        told = [
            {"property": each.findtext("property"), "violation": each.findtext("violation")}
            for each in root.findall("violations/violation")
        ]
        error: dict[str, Any] = {each.tag: each.text for each in root} | {"violations": told}
    else:
        assert answer.headers["Content-Type"].startswith(JSON)
        error = answer.json
    assert set(error) == {"errorCode", "description", "action", "violations", "resources"}
    assert error["errorCode"] == f"E{answer.status}"
    return error


def places(answer: Answer) -> list[str]:
    return [each["property"] for each in error_of(answer)["violations"]]


async def post(gateway: Gateway, key: str | None, body: Any, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": JSON, **headers}
    return await gateway.call("POST", MESSAGES, authorization=key, headers=sent, data=data)


REFUSALS: list[tuple[str, str, dict[str, str], bytes | None, int]] = [
    ("POST", MESSAGES, {}, b"{}", 400),
    ("GET", REPORTS + "?limit=0", {}, None, 400),
    ("POST", MESSAGES, {"Authorization": "App wrong"}, b"{}", 401),
    ("GET", REPORTS, {"Authorization": "App wrong"}, None, 401),
    ("POST", "/line/webhook/nobody", {}, b"{}", 401),
    ("POST", "/line/webhook/%00", {}, b"{}", 401),
    ("GET", "/", {}, None, 404),
    ("GET", "/line/1/nothing", {}, None, 404),
    ("POST", MESSAGES + "/", {}, b"{}", 404),
    ("GET", "/line//1/reports", {}, None, 404),
    ("GET", MESSAGES, {}, None, 405),
    ("PUT", MESSAGES, {}, b"{}", 405),
    ("OPTIONS", MESSAGES, {}, None, 405),
    ("TRACE", REPORTS, {}, None, 405),
    ("POST", REPORTS, {}, b"{}", 405),
    ("POST", MESSAGES, {}, b" " * 20_481, 413),
    ("POST", MESSAGES, {"Content-Type": "text/plain"}, b"{}", 415),
    ("POST", MESSAGES, {"Content-Type": XML}, b"<a/>", 415),
    ("POST", MESSAGES, {"Content-Encoding": "gzip"}, b"{}", 415),
]


@pytest.mark.parametrize("accept", [JSON, XML])
async def test_every_refusal_has_the_published_form(
    gateway: Gateway, key: str, accept: str
) -> None:
    for method, path, headers, body, status in REFUSALS:
        sent = {"Authorization": key, "Content-Type": JSON, "Accept": accept, **headers}
        answer = await gateway.call(method, path, headers=sent, data=body)
        assert answer.status == status, (method, path, headers)
        assert answer.headers["Content-Type"].startswith(accept)
        error_of(answer)
        if status == 405:
            assert answer.headers["Allow"] == ("POST" if path == MESSAGES else "GET")


@pytest.mark.parametrize("accept", [JSON, XML])
async def test_missing_scope_and_reused_key_have_the_published_form(
    gateway: Gateway, key: str, accept: str
) -> None:
    async with gateway.store.pool.acquire() as conn:
        await post(gateway, key, a_request(), **{"Idempotency-Key": "k"})
        reused = await post(
            gateway, key, a_request("819010000002"), **{"Idempotency-Key": "k", "Accept": accept}
        )
        await conn.execute("UPDATE api_key SET scopes = '{metrics:read}'")
    other = "App " + await create_key(gateway.store, ACCOUNT, name="")
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE api_key SET scopes = '{metrics:read}'")
    missing = await post(gateway, other, a_request(), Accept=accept)
    assert (reused.status, places(reused)) == (422, ["Idempotency-Key"])
    assert (missing.status, places(missing)) == (403, ["$"])


@pytest.mark.parametrize("accept", [JSON, XML])
async def test_too_many_has_the_published_form(gateway: Gateway, accept: str) -> None:
    for _ in range(60):
        await gateway.call("GET", REPORTS, authorization="App wrong")
    answer = await gateway.call(
        "GET", REPORTS, authorization="App wrong", headers={"Accept": accept}
    )
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    error_of(answer)


async def test_head_of_the_reports_takes_none(gateway: Gateway, key: str) -> None:
    await post(gateway, key, a_request("nonsense"))
    head = await gateway.call("HEAD", REPORTS, authorization=key)
    assert (head.status, head.headers["Allow"]) == (405, "GET")
    pulled = await gateway.call("GET", REPORTS, authorization=key)
    assert len(pulled.json["results"]) == 1


async def test_all_violations_come_in_one_answer_structure_and_meaning(
    gateway: Gateway, key: str
) -> None:
    request = a_request(sender=7, options={"validityPeriod": {"amount": 5, "timeUnit": "SECONDS"}})
    request["messages"][0]["destinations"].append({"messageId": "x" * 201})
    request["options"] = {"schedule": {"sendAt": "tomorrow"}}
    answer = await post(gateway, key, request)
    assert answer.status == 400
    assert sorted(places(answer)) == [
        "messages[0].destinations[1].messageId",
        "messages[0].destinations[1].to",
        "messages[0].options.validityPeriod.amount",
        "messages[0].sender",
        "options.schedule.sendAt",
    ]


async def test_sender_of_nobody_or_of_another_account_is_a_violation(
    gateway: Gateway, key: str
) -> None:
    async with gateway.store.pool.acquire() as conn:
        await conn.execute(
            "WITH other AS (INSERT INTO account (name, webhook_secret, created_at)"
            " VALUES ('other', '', now()) RETURNING id)"
            " INSERT INTO sender (account_id, name, channel_id, channel_secret, created_at)"
            " SELECT id, 'THEIRS', '2', '', now() FROM other"
        )
    for sender in ("NOBODY", "THEIRS"):
        answer = await post(gateway, key, a_request(sender=sender))
        assert (answer.status, places(answer)) == (400, ["messages[0].sender"])


async def test_body_may_be_as_long_as_the_limit_and_no_longer_announced_or_not(
    gateway: Gateway, key: str
) -> None:
    body = json.dumps(a_request()).encode()
    fits = body + b" " * (20 * 1024 - len(body))
    assert (await post(gateway, key, fits)).status == 200
    assert (await post(gateway, key, fits + b" ")).status == 413

    async def parts() -> AsyncIterator[bytes]:
        yield fits
        yield b" "

    headers = {"Authorization": key, "Content-Type": JSON}
    async with (
        aiohttp.ClientSession() as session,
        session.post(gateway.url + MESSAGES, data=parts(), headers=headers) as response,
    ):
        assert response.status == 413
        assert (await response.json())["errorCode"] == "E413"


async def test_destinations_are_counted_over_the_whole_request(gateway: Gateway, key: str) -> None:
    request = a_request("819010000001", "819010000002")
    request["messages"] += a_request("819010000003")["messages"]
    assert (await post(gateway, key, request)).status == 200
    request["messages"] += a_request("819010000004")["messages"]
    answer = await post(gateway, key, request)
    assert (answer.status, places(answer)) == (400, ["messages"])


@pytest.mark.parametrize(("levels", "status"), [(19, 200), (20, 400), (3000, 400)])
async def test_nesting_is_bounded_also_in_what_is_ignored(
    gateway: Gateway, key: str, levels: int, status: int
) -> None:
    text = json.dumps(a_request())[:-1] + ', "unknown": ' + "[" * levels + "]" * levels + "}"
    answer = await post(gateway, key, text.encode())
    assert answer.status == status
    if status == 400:
        [violation] = error_of(answer)["violations"]
        assert "20 levels" in violation["violation"]


async def test_boxes_in_boxes_are_bounded(gateway: Gateway, key: str) -> None:
    box: dict[str, Any] = {"type": "TEXT", "text": "deep"}
    for _ in range(50):
        box = {"type": "BOX", "layout": "VERTICAL", "contents": [box]}
    request = a_request()
    request["messages"][0]["content"]["contents"]["body"]["contents"] = [box]
    answer = await post(gateway, key, request)
    assert answer.status == 400
    assert "20 levels" in error_of(answer)["violations"][0]["violation"]


async def test_what_is_no_request_is_400_with_a_violation(gateway: Gateway, key: str) -> None:
    bodies = [b"", b"{", b"null", b"[]", b"\xff", b'{"messages": NaN}', b'{"messages": [1e999]}']
    for body in [*bodies, b'"a']:
        answer = await post(gateway, key, body)
        assert answer.status == 400, body
        assert places(answer)


async def test_unknown_properties_are_ignored(gateway: Gateway, key: str) -> None:
    request = a_request(unknown={"a": [1]})
    request["future"] = True
    assert (await post(gateway, key, request)).status == 200


async def test_used_bulk_id_is_refused_at_its_place(gateway: Gateway, key: str) -> None:
    request = {**a_request(), "options": {"schedule": {"bulkId": "b"}}}
    assert (await post(gateway, key, request)).status == 200
    answer = await post(gateway, key, request)
    assert (answer.status, places(answer)) == (400, ["options.schedule.bulkId"])
    broken = {**request, "messages": [{**request["messages"][0], "sender": "nobody"}, {}]}
    assert "messages[0].sender" in places(await post(gateway, key, broken))
    for path in ("", "/validate", "/preview"):
        sent = {"Authorization": key, "Content-Type": JSON}
        data = json.dumps(broken).encode()
        answer = await gateway.call("POST", MESSAGES + path, headers=sent, data=data)
        told = [each["property"] for each in answer.json["violations"]]
        assert told.count("options.schedule.bulkId") == 1, path
        assert "messages[0].sender" in told


async def test_no_answer_tells_the_number_or_the_key(gateway: Gateway, key: str) -> None:
    number = "+81 90-1234-5678" + "9" * 250
    answer = await post(gateway, key, a_request(number))
    assert answer.status == 400
    assert b"1234" not in answer.body
    assert key.encode() not in answer.body
