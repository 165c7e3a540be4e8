"""Registered templates over HTTP: registered, approved, sent, changed, deleted."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.cli.senders import create_sender
from linegate.line.filling import Form
from linegate.postgres.identities import KeyRules
from linegate.postgres.templates import decide_template
from support.bubbles import a_bubble, a_text
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, a_request, running_api

PATH = "/line/1/templates"


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="")


def a_template(text: str = "Order {{order}}", **more: Any) -> dict[str, Any]:
    return {
        "sender": SENDER,
        "name": "shipped",
        "language": "ja",
        "altText": "{{shop}}",
        "contents": a_bubble(a_text(text)),
        **more,
    }


def a_content(language: str | None = None, **placeholders: str) -> dict[str, Any]:
    content = {
        "type": "REGISTERED_TEMPLATE",
        "templateName": "shipped",
        "placeholders": placeholders,
    }
    return content if language is None else {**content, "language": language}


async def register(gateway: Gateway, key: str, **more: Any) -> Answer:
    return await gateway.call("POST", PATH, authorization=key, json=a_template(**more))


async def approve(gateway: Gateway, clock: FakeClock, id_: str) -> None:
    """Approve a template; the second in which the API remembers the old state goes by."""
    async with gateway.store.pool.acquire() as conn:
        assert await decide_template(
            conn, int(id_), status="APPROVED", reason=None, now=clock.now()
        )
    await clock.advance(timedelta(seconds=2))


async def an_approved(gateway: Gateway, clock: FakeClock, key: str, **more: Any) -> str:
    answer = await register(gateway, key, **more)
    assert answer.status == 201, answer.body
    id_: str = answer.json["templateId"]
    await approve(gateway, clock, id_)
    return id_


async def send(gateway: Gateway, key: str, *destinations: Any, **message: Any) -> Answer:
    request = a_request(**message)
    request["messages"][0]["destinations"] = list(destinations) or [{"to": "819010000001"}]
    return await gateway.call("POST", "/line/1/messages", authorization=key, json=request)


async def stored(gateway: Gateway) -> list[dict[str, Any]]:
    """What LINE would get, by message, in the order of acceptance."""
    rows = await gateway.store.pool.fetch(
        "SELECT line_message, personal, placeholders FROM message"
        " JOIN message_object ON message_object.id = object_id ORDER BY message.id"
    )
    return [
        json.loads(
            Form(row["line_message"].encode()).fill_stored(row["placeholders"])
            if row["personal"]
            else row["line_message"]
        )
        for row in rows
    ]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [each["contents"]["body"]["contents"][0]["text"] for each in messages]


def violations(answer: Answer) -> list[str]:
    assert answer.status == 400, answer.body
    return [violation["property"] for violation in answer.json["violations"]]


async def test_a_template_is_pending_until_somebody_approves_it(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    answer = await register(gateway, key)
    assert answer.status == 201
    shown = answer.json
    assert answer.headers["Location"] == f"{PATH}/{shown['templateId']}"
    assert (shown["status"], shown["version"], shown.get("approvedVersion")) == ("PENDING", 1, None)
    assert shown["contents"] == a_template()["contents"]
    assert shown["placeholders"] == ["order", "shop"]
    refused = await send(gateway, key, content=a_content(shop="a", order="1"))
    assert violations(refused) == ["messages[0].content.templateName"]
    await approve(gateway, clock, shown["templateId"])
    assert (await send(gateway, key, content=a_content(shop="a", order="1"))).status == 200
    shown = (await gateway.call("GET", answer.headers["Location"], authorization=key)).json
    assert (shown["status"], shown["approvedVersion"]) == ("APPROVED", 1)


async def test_a_bulk_of_personal_messages_stores_its_template_once(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    destinations = [
        {"to": f"8190100{number:05d}", "placeholders": {"order": str(number)}}
        for number in range(100, 150)
    ]
    answer = await send(gateway, key, *destinations, content=a_content(shop="Acme"))
    assert answer.status == 200, answer.body
    messages = await stored(gateway)
    assert texts(messages) == [f"Order {number}" for number in range(100, 150)]
    assert {each["altText"] for each in messages} == {"Acme"}
    [row] = await gateway.store.pool.fetch(
        "SELECT line_message, template_version FROM message_object"
    )
    assert '"altText":"Acme"' in row["line_message"]
    assert "{{order}}" in row["line_message"]
    assert row["template_version"] is not None


async def test_each_keeps_its_own_text_beside_duplicates_and_bad_numbers(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    assert (await send(gateway, key, {"to": "819010000009", "messageId": "taken"})).status == 200
    destinations = [
        {"to": "819010000001", "messageId": "taken", "placeholders": {"order": "1"}},
        {"to": "nobody", "placeholders": {"order": "2"}},
        {"to": "819010000003", "messageId": "new", "placeholders": {"order": "3"}},
        {"to": "819010000004", "placeholders": {"order": "4"}},
    ]
    answer = await send(gateway, key, *destinations, content=a_content(shop="Acme"))
    assert answer.status == 200, answer.body
    assert texts(await stored(gateway)) == ["Shipped", "Order 2", "Order 3", "Order 4"]


async def test_messages_of_other_contents_carry_nothing(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    assert (await send(gateway, key)).status == 200
    assert (await send(gateway, key, content=a_content(shop="a", order="1"))).status == 200
    rows = await gateway.store.pool.fetch(
        "SELECT personal, placeholders, template_version FROM message"
        " JOIN message_object ON message_object.id = object_id ORDER BY message.id"
    )
    assert [(row[0], row[1], row[2] is None) for row in rows] == [
        (False, None, True),
        (False, None, False),
    ]


async def test_a_missing_or_bad_value_is_told_at_its_destination(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    answer = await send(
        gateway,
        key,
        {"to": "819010000001", "placeholders": {"order": "1"}},
        {"to": "819010000002"},
        {"to": "819010000003", "placeholders": {"order": "1", "shop": "x" * 401}},
        content=a_content(shop="a"),
    )
    assert violations(answer) == [
        "messages[0].destinations[1].placeholders.order",
        "messages[0].destinations[2].placeholders.shop",
    ]


async def test_a_broken_value_is_not_missed_besides(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    answer = await send(
        gateway,
        key,
        {"to": "819010000001"},
        {"to": "819010000002", "placeholders": {"order": None}},
        content={**a_content(), "placeholders": {"order": 5, "shop": "a"}},
    )
    assert sorted(violations(answer)) == [
        "messages[0].content.placeholders.order",
        "messages[0].destinations[1].placeholders.order",
    ]


async def test_language_picks_one_and_the_first_is_the_default(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key, text="ja {{order}}")
    await an_approved(gateway, clock, key, text="th {{order}}", language="th")
    for language in (None, "TH", "ja"):
        content = a_content(language, shop="a", order="1")
        assert (await send(gateway, key, content=content)).status == 200
    assert texts(await stored(gateway)) == ["ja 1", "th 1", "ja 1"]
    unknown = await send(gateway, key, content=a_content("en", shop="a", order="1"))
    assert violations(unknown) == ["messages[0].content.language"]


async def test_a_changed_template_is_sent_as_it_was_until_the_change_is_approved(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    id_ = await an_approved(gateway, clock, key)
    content = a_content(shop="a", order="1")
    change = a_template("Nr. {{order}}")
    answer = await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=change)
    assert answer.status == 200, answer.body
    assert (answer.json["status"], answer.json["version"]) == ("PENDING", 2)
    assert answer.json["approvedVersion"] == 1
    await send(gateway, key, content=content)
    await approve(gateway, clock, id_)
    await send(gateway, key, content=content)
    assert texts(await stored(gateway)) == ["Order 1", "Nr. 1"]


async def test_the_same_content_again_is_no_new_version(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    id_ = await an_approved(gateway, clock, key)
    answer = await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=a_template())
    assert (answer.status, answer.json["version"], answer.json["status"]) == (200, 1, "APPROVED")


async def test_versions_stay_while_messages_name_them_and_no_longer(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    id_ = await an_approved(gateway, clock, key)
    await send(gateway, key, content=a_content(shop="a", order="1"))
    for text in ("b {{order}}", "c {{order}}", "d {{order}}"):
        await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=a_template(text))
        await approve(gateway, clock, id_)
    await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=a_template("e"))
    numbers = "SELECT number FROM template_version ORDER BY number"
    rows = await gateway.store.pool.fetch(numbers)
    assert [row[0] for row in rows] == [1, 4, 5]
    deleted = await gateway.call("DELETE", f"{PATH}/{id_}", authorization=key)
    assert (deleted.status, deleted.body) == (204, b"")
    rows = await gateway.store.pool.fetch(numbers)
    assert [row[0] for row in rows] == [1]


async def test_a_deleted_template_is_gone_and_its_name_is_free(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    id_ = await an_approved(gateway, clock, key)
    assert (await gateway.call("DELETE", f"{PATH}/{id_}", authorization=key)).status == 204
    await clock.advance(timedelta(seconds=2))
    refused = await send(gateway, key, content=a_content(shop="a", order="1"))
    assert violations(refused) == ["messages[0].content.templateName"]
    for method in ("GET", "PUT", "DELETE"):
        json_ = a_template() if method == "PUT" else None
        answer = await gateway.call(method, f"{PATH}/{id_}", authorization=key, json=json_)
        assert answer.status == 404
    assert (await register(gateway, key)).status == 201


async def test_a_name_and_language_are_registered_once(gateway: Gateway, key: str) -> None:
    assert (await register(gateway, key)).status == 201
    again = await register(gateway, key, language="JA")
    assert (again.status, again.json["violations"][0]["property"]) == (409, "name")
    assert (await register(gateway, key, language="th")).status == 201
    assert (await register(gateway, key, language=None)).status == 201


async def test_a_change_keeps_the_names(gateway: Gateway, key: str) -> None:
    id_ = (await register(gateway, key)).json["templateId"]
    change = a_template(name="other", language="th")
    answer = await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=change)
    assert violations(answer) == ["name", "language"]
    bare = {name: a_template("new")[name] for name in ("altText", "contents")}
    answer = await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=bare)
    assert answer.status == 200


async def test_the_audit_log_names_the_key_that_changed_a_template(
    gateway: Gateway, key: str
) -> None:
    id_ = (await register(gateway, key)).json["templateId"]
    await gateway.call("PUT", f"{PATH}/{id_}", authorization=key, json=a_template("Other"))
    await gateway.call("DELETE", f"{PATH}/{id_}", authorization=key)
    sql = "SELECT action, actor FROM audit WHERE kind LIKE 'template%' ORDER BY id"
    said = [tuple(row) for row in await gateway.store.pool.fetch(sql)]
    assert {action for action, _ in said} == {"create", "change", "delete"}
    assert {actor for _, actor in said} == {"key 1"}


async def test_templates_are_listed_in_pages(gateway: Gateway, key: str) -> None:
    for number in range(5):
        await register(gateway, key, name=f"t{number}")
    answer = await gateway.call("GET", f"{PATH}?page=1&size=2", authorization=key)
    assert [each["name"] for each in answer.json["results"]] == ["t2", "t3"]
    paging = {"page": 1, "size": 2, "totalPages": 3, "totalResults": 5}
    assert answer.json["paging"] == paging
    answer = await gateway.call("GET", f"{PATH}?name=t4&status=PENDING", authorization=key)
    assert [each["name"] for each in answer.json["results"]] == ["t4"]
    blank = await gateway.call("GET", f"{PATH}?name=t4&status=&sender=", authorization=key)
    assert blank.json["results"] == answer.json["results"]
    answer = await gateway.call("GET", f"{PATH}?status=APPROVED", authorization=key)
    assert answer.json["paging"]["totalResults"] == 0
    bad = await gateway.call("GET", f"{PATH}?page=-1&size=0&status=x&name=%00", authorization=key)
    assert violations(bad) == ["status", "page", "size", "name"]


async def test_templates_belong_to_an_account(gateway: Gateway, clock: FakeClock, key: str) -> None:
    id_ = await an_approved(gateway, clock, key)
    await create_account(gateway.store, "other")
    await create_sender(
        gateway.store, "other", "OTHER", channel_id="2", channel_secret="s", token=None
    )
    other = "App " + await create_key(gateway.store, "other", name="")
    for method in ("GET", "DELETE", "PUT"):
        json_ = a_template() if method == "PUT" else None
        answer = await gateway.call(method, f"{PATH}/{id_}", authorization=other, json=json_)
        assert answer.status == 404
    answer = await gateway.call("GET", PATH, authorization=other)
    assert answer.json["results"] == []
    assert violations(await register(gateway, other)) == ["sender"]
    refused = await send(gateway, other, sender="OTHER", content=a_content(shop="a", order="1"))
    assert violations(refused) == ["messages[0].content.templateName"]


async def test_managing_needs_its_scope_and_sending_the_sending_one(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await an_approved(gateway, clock, key)
    rules = KeyRules(scopes=frozenset({"line:message:send"}))
    sender = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    assert (await register(gateway, sender, name="n")).status == 403
    assert (await gateway.call("GET", PATH, authorization=sender)).status == 403
    assert (await gateway.call("GET", PATH)).status == 401
    assert (await send(gateway, sender, content=a_content(shop="a", order="1"))).status == 200


@pytest.mark.parametrize("id_", ["0", "x", "99999999999999999999", "1.0", "%C2%B2"])
async def test_an_id_that_is_none_is_not_found(gateway: Gateway, key: str, id_: str) -> None:
    assert (await gateway.call("GET", f"{PATH}/{id_}", authorization=key)).status == 404


async def test_a_sender_may_take_approved_templates_only(
    gateway: Gateway, clock: FakeClock, key: str
) -> None:
    await gateway.store.pool.execute("UPDATE sender SET templates = 'required'")
    await an_approved(gateway, clock, key)
    shape = a_bubble(a_text('Order 17: "{{x}}"'))
    free = {"type": "LINE_NOTIFICATION", "altText": "Acme", "contents": shape}
    assert (await send(gateway, key, content=free)).status == 200
    looks = {**free, "contents": a_bubble(a_text("Order 17", color="#FF0000"))}
    words = {**free, "contents": a_bubble(a_text("Buy 17"))}
    for content in (looks, words):
        assert violations(await send(gateway, key, content=content)) == ["messages[0].content"]
    registered = await send(gateway, key, content=a_content(shop="a", order="1"))
    assert registered.status == 200
    template = {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "shipment_completed_ja"}
    assert (await send(gateway, key, content=template)).status == 200


async def test_a_strict_sender_takes_known_keys_only(gateway: Gateway, key: str) -> None:
    body = {"items": [{"itemKey": "name_010_ja", "content": "1"}, {"itemKey": "x", "content": "1"}]}
    template = {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "new_ja", "body": body}
    assert (await send(gateway, key, content=template)).status == 200
    await gateway.store.pool.execute("UPDATE sender SET strict_templates = true")
    async with running_api(gateway.store.dsn, FakeClock()) as strict:
        assert violations(await send(strict, key, content=template)) == [
            "messages[0].content.templateKey",
            "messages[0].content.body.items[1].itemKey",
        ]
