"""POST /line/1/messages/validate and /preview over HTTP: all is told, nothing is sent."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from linegate.cli.keys import create_key
from linegate.cli.sms_routes import RouteAsked, create_route
from linegate.domain.phone import line_hash
from linegate.postgres.identities import KeyRules
from linegate.postgres.templates import decide_template
from support.bubbles import a_box, a_bubble, a_button, a_content, a_text
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, a_request, running_api

VALIDATE = "/line/1/messages/validate"
PREVIEW = "/line/1/messages/preview"
TABLES = ("bulk", "message_object", "message", "queue", "final", "client_id", "endpoint")


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock, body_limit="2MB") as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="")


async def validate(gateway: Gateway, key: str, request: Any, **headers: str) -> Answer:
    return await gateway.call("POST", VALIDATE, authorization=key, json=request, headers=headers)


async def preview(gateway: Gateway, key: str, request: Any, query: str = "") -> Any:
    answer = await gateway.call("POST", PREVIEW + query, authorization=key, json=request)
    assert answer.status == 200, answer.body
    return answer.json


def told(answer: Answer, name: str = "violations") -> list[str]:
    return [violation["property"] for violation in answer.json[name]]


async def rows(gateway: Gateway) -> list[int]:
    return [await gateway.store.pool.fetchval(f"SELECT count(*) FROM {name}") for name in TABLES]


async def a_registered_template(gateway: Gateway, clock: FakeClock, key: str) -> None:
    body = {
        "sender": SENDER,
        "name": "shipped",
        "altText": "{{shop}}",
        "contents": a_bubble(a_text("Order {{order}}")),
    }
    answer = await gateway.call("POST", "/line/1/templates", authorization=key, json=body)
    async with gateway.store.pool.acquire() as conn:
        id_ = int(answer.json["templateId"])
        await decide_template(conn, id_, status="APPROVED", reason=None, now=clock.now())
    await clock.advance(timedelta(seconds=2))


async def test_a_good_request_has_nothing_to_tell(gateway: Gateway, key: str) -> None:
    answer = await validate(gateway, key, a_request())
    assert answer.status == 200
    assert answer.json.keys() == {"description", "action", "skippableViolations"}
    assert answer.json["skippableViolations"] == []


async def test_neither_call_writes_anything(gateway: Gateway, key: str) -> None:
    webhooks = {"delivery": {"url": "https://example.com/reports"}}
    request = a_request("819010000001", "nonsense", webhooks=webhooks)
    request["options"] = {"schedule": {"bulkId": "b"}}
    request["messages"][0]["destinations"][0]["messageId"] = "m"
    assert (await validate(gateway, key, request)).status == 200
    await preview(gateway, key, request)
    assert await rows(gateway) == [0] * len(TABLES)


async def test_unknown_properties_are_named_by_their_path(gateway: Gateway, key: str) -> None:
    request = a_request(metadata=1)
    message = request["messages"][0]
    message["destinations"][0]["name"] = "x"
    message["content"]["contents"]["hero"] = {"type": "BOX"}
    message["content"]["contents"]["body"]["contents"][0]["lineSpacing"] = "1px"
    message["content"]["contents"]["footer"] = a_box(a_button(style={"header": {}}))
    message["webhooks"] = {"delivery": {"notifyUrl": "x"}}
    answer = await validate(gateway, key, {**request, "bulkId": "x"})
    assert answer.status == 200
    assert told(answer, "skippableViolations") == [
        "messages[0].destinations[0].name",
        "messages[0].content.contents.body.contents[0].lineSpacing",
        "messages[0].content.contents.hero",
        "messages[0].content.contents.footer.contents[0].style",
        "messages[0].metadata",
        "messages[0].webhooks.delivery.notifyUrl",
        "bulkId",
    ]
    words = {each["violation"] for each in answer.json["skippableViolations"]}
    assert words == {"Unknown property", "is ignored: LINE knows words here, no object"}


async def test_what_is_odd_is_a_warning(gateway: Gateway, clock: FakeClock, key: str) -> None:
    image = {"type": "IMAGE", "url": "https://example.com/a.png"}
    request = a_request(
        "819010000001",
        "12",
        "14155550123",
        content=a_content(a_bubble(image)),
        options={"validityPeriod": {"amount": 3, "timeUnit": "HOURS"}},
    )
    request["messages"][0]["destinations"][0]["placeholders"] = {"a": "b"}
    request["messages"][0]["options"]["validityPeriod"]["amount"] = 49
    past = (clock.now() - timedelta(hours=1)).isoformat()
    request["options"] = {"schedule": {"sendAt": past}}
    answer = await validate(gateway, key, request)
    assert answer.status == 200
    assert told(answer, "skippableViolations") == [
        "options.schedule.sendAt",
        "messages[0].options.validityPeriod.amount",
        "messages[0].destinations[0].placeholders",
        "messages[0].content.contents.body.contents[0]",
        "messages[0].destinations[1].to",
        "messages[0].destinations[2].to",
    ]


async def test_ids_that_were_used_before_are_told(gateway: Gateway, key: str) -> None:
    request = a_request("819010000001", "819010000002")
    request["options"] = {"schedule": {"bulkId": "mine"}}
    request["messages"][0]["destinations"][0]["messageId"] = "first"
    sent = await gateway.call("POST", "/line/1/messages", authorization=key, json=request)
    assert sent.status == 200
    answer = await validate(gateway, key, request)
    assert answer.status == 400
    assert told(answer) == ["options.schedule.bulkId"]
    assert told(answer, "skippableViolations") == ["messages[0].destinations[0].messageId"]
    again = a_request("819010000001", "819010000002")
    for destination in again["messages"][0]["destinations"]:
        destination["messageId"] = "twice"
    answer = await validate(gateway, key, again)
    assert answer.status == 200
    assert told(answer, "skippableViolations") == ["messages[0].destinations[1].messageId"]


async def test_all_that_is_wrong_is_told_at_once(gateway: Gateway, key: str) -> None:
    """Structure, meaning, and what only the directory knows, beside what is odd."""
    broken = a_request(extra=1)["messages"][0]
    broken["destinations"] = [{}]
    foreign = a_request(sender="NOBODY")["messages"][0]
    template = a_request(content={"type": "REGISTERED_TEMPLATE", "templateName": "x"})["messages"][
        0
    ]
    request = {"messages": [broken, foreign, template]}
    request["options"] = {"schedule": {"sendAt": "soon"}}  # type: ignore[assignment]
    expected = [
        "messages[0].destinations[0].to",
        "options.schedule.sendAt",
        "messages[1].sender",
        "messages[2].content.templateName",
    ]
    answer = await validate(gateway, key, request)
    assert answer.status == 400
    assert told(answer) == expected
    assert told(answer, "skippableViolations") == ["messages[0].extra"]
    assert answer.json["errorCode"] == "E400"
    sent = await gateway.call("POST", "/line/1/messages", authorization=key, json=request)
    assert (sent.status, told(sent)) == (400, expected)


async def test_a_refusal_is_xml_for_who_wants_xml(gateway: Gateway, key: str) -> None:
    answer = await validate(gateway, key, {"messages": [], "x": 1}, Accept="application/xml")
    assert answer.status == 400
    assert b"<skippableViolations><violation><property>x</property>" in answer.body


@pytest.mark.parametrize("path", [VALIDATE, PREVIEW])
async def test_both_need_the_scope_of_sending(gateway: Gateway, path: str) -> None:
    rules = KeyRules(scopes=frozenset({"line:logs:read"}))
    other = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    answer = await gateway.call("POST", path, authorization=other, json=a_request())
    assert answer.status == 403
    assert (await gateway.call("POST", path, json=a_request())).status == 401
    assert (await gateway.call("PUT", path, authorization=other, json={})).status == 405


async def test_keys_of_lines_templates_are_warned_of(gateway: Gateway, key: str) -> None:
    content = {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "new_ja"}
    answer = await validate(gateway, key, a_request(content=content))
    assert (answer.status, told(answer, "skippableViolations")) == (
        200,
        ["messages[0].content.templateKey"],
    )


async def test_placeholders_that_mean_nothing_are_warned_of(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await a_registered_template(gateway, clock, key)
    values = {"shop": "a", "order": "1", "oder": "2"}
    content = {"type": "REGISTERED_TEMPLATE", "templateName": "shipped", "placeholders": values}
    answer = await validate(gateway, key, a_request(content=content))
    assert (answer.status, told(answer, "skippableViolations")) == (
        200,
        ["messages[0].content.placeholders.oder"],
    )


async def test_a_preview_shows_what_line_would_get(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await a_registered_template(gateway, clock, key)
    content = {
        "type": "REGISTERED_TEMPLATE",
        "templateName": "shipped",
        "placeholders": {"shop": "Acme"},
    }
    request = a_request(*[f"8190100{at:05d}" for at in range(100, 105)], content=content)
    for at, destination in enumerate(request["messages"][0]["destinations"]):
        destination["placeholders"] = {"order": str(at)}
    request["messages"][0]["destinations"].insert(1, {"to": "12", "placeholders": {"order": "x"}})
    template = {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "shipment_completed_ja"}
    request["messages"] += a_request(content=template)["messages"]
    shown = await preview(gateway, key, request, "?limit=2")
    first, second = shown["messages"]
    assert (first["messageCount"], first["rejectedCount"]) == (5, 1)
    assert [each["destination"] for each in first["examples"]] == ["819010000100", "819010000101"]
    bodies = [each["request"] for each in first["examples"]]
    assert bodies[1]["to"] == line_hash("819010000101")
    [message] = bodies[1]["messages"]
    assert message["altText"] == "Acme"
    assert message["contents"]["body"]["contents"] == [{"type": "text", "text": "Order 1"}]
    assert second["examples"][0]["request"] == {
        "to": line_hash("819010000001"),
        "templateKey": "shipment_completed_ja",
    }
    assert shown["totals"] == [
        {"sender": SENDER, "endpoint": "/bot/pnp/push", "messageCount": 5},
        {"sender": SENDER, "endpoint": "/v2/bot/message/pnp/templated/push", "messageCount": 1},
    ]


async def test_a_preview_says_when_the_first_and_the_last_go(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    request = a_request(*[f"8190100{at:05d}" for at in range(100, 161)])
    request["options"] = {
        "schedule": {
            "sendAt": (clock.now() + timedelta(hours=1)).isoformat(),
            "sendingSpeedLimit": {"amount": 60, "timeUnit": "HOUR"},
        }
    }
    schedule = (await preview(gateway, key, request))["schedule"]
    assert schedule["firstAt"] == "2026-01-15T10:00:00.000+0000"
    assert schedule["lastAt"].startswith("2026-01-15T11:00:00")


async def test_a_preview_counts_windows_in(gateway: Gateway, clock: FakeClock, key: str) -> None:
    days = ["FRIDAY"]
    window = {"days": days, "from": {"hour": 9, "minute": 0}, "to": {"hour": 18, "minute": 0}}
    request = a_request(options={"deliveryTimeWindow": {**window, "timeZone": "Asia/Tokyo"}})
    schedule = (await preview(gateway, key, request))["schedule"]
    assert schedule["sendAt"] == "2026-01-15T09:00:00.000+0000"
    assert schedule["firstAt"] == "2026-01-16T00:00:00.000+0000"


@pytest.mark.parametrize(
    ("text", "coding", "count", "remaining"),
    [
        ("a" * 160, "GSM7", 1, 0),
        ("a" * 161, "GSM7", 2, 145),
        ("€" * 80, "GSM7", 1, 0),
        ("日" * 70, "UCS2", 1, 0),
        ("日" * 71, "UCS2", 2, 63),
    ],
)
async def test_a_preview_counts_the_parts_of_the_sms(
    gateway: Gateway, key: str, text: str, coding: str, count: int, remaining: int
) -> None:
    asked = RouteAsked("smsc", "smpp://u:p@127.0.0.1:1")
    await create_route(gateway.store, ACCOUNT, asked)
    request = a_request(options={"smsFailover": {"text": text, "sender": "Acme"}})
    sms = (await preview(gateway, key, request))["messages"][0]["smsFailover"]
    assert (sms["coding"], sms["messageCount"], sms["charactersRemaining"]) == (
        coding,
        count,
        remaining,
    )


async def test_a_preview_of_a_bad_request_is_refused(gateway: Gateway, key: str) -> None:
    answer = await gateway.call("POST", PREVIEW, authorization=key, json={"messages": []})
    assert (answer.status, told(answer)) == (400, ["messages"])
    answer = await gateway.call("POST", PREVIEW + "?limit=101", authorization=key, json=a_request())
    assert (answer.status, told(answer)) == (400, ["limit"])


async def test_a_large_request_is_told_of_within_bounds(gateway: Gateway, key: str) -> None:
    request = a_request(*["12"] * 20_000)
    request["messages"][0]["destinations"] = [{"to": "12", "x": 1} for _ in range(20_000)]
    answer = await validate(gateway, key, request)
    assert answer.status == 200
    found = answer.json["skippableViolations"]
    assert len(found) == 201
    assert found[-1]["property"] == "$"
