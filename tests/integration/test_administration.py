"""Declarations become so, once; operators over HTTP; and who did it is written down."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from linegate.admin.apply import apply_document
from linegate.admin.desired import DocumentError, Secret, read_document
from linegate.admin.notes import Change, Hands
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.cli.keys import create_key
from linegate.postgres.audit import list_audit
from linegate.postgres.identities import KeyRules
from support.bubbles import a_bubble, a_text
from support.clock import FakeClock
from support.gateway import ACCOUNT, Gateway, a_request, running_api

A_SENDER = {"channel_id": "1", "channel_secret": "s" * 32}
KEY = "0123456789abcdef0123456789abcdef-of-the-shop"
Json = dict[str, Any]


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def operator(gateway: Gateway) -> str:
    rules = KeyRules(frozenset({"operator:manage"}))
    return "App " + await create_key(gateway.store, ACCOUNT, name="operator", rules=rules)


def a_template(text: str = "Hello {{name}}", **more: Any) -> Json:
    bubble = a_bubble(a_text(text))
    return {"sender": "SHOP", "name": "hi", "alt_text": "Hi", "contents": bubble, **more}


def a_declaration(**more: Any) -> Json:
    return {
        "accounts": [
            {
                "name": "shop",
                "default_sender": "SHOP",
                "messages_per_day": 1000,
                "webhook": "https://shop.example/reports",
                "senders": [
                    {
                        "name": "SHOP",
                        "channel_id": "7",
                        "channel_secret": "s" * 32,
                        "countries": ["JP"],
                        "price": "1.50",
                        "currency": "JPY",
                    }
                ],
                "keys": [{"name": "backend", "key": KEY, "requests_per_second": 100}],
                "users": [{"name": "anna", "password": "correct horse battery"}],
                "applications": [{"id": "web", "name": "Web", "messages_per_day": 10}],
                "entities": [{"id": "tokyo", "default_sender": "SHOP"}],
                "sms_routes": [
                    {"name": "main", "url": "infobip://key@example.com", "default_sender": "Shop"}
                ],
                "templates": [a_template()],
                "blocklist": ["+81 90 1000 0099"],
                **more,
            }
        ]
    }


def plain(secret: Secret) -> str:
    assert isinstance(secret, str)
    return secret


async def apply(
    gateway: Gateway, clock: FakeClock, tree: Json, *, dry_run: bool = False
) -> list[Change]:
    hands = Hands(gateway.store.vault, plain, hash_password, read_wording, "a test")
    return await apply_document(
        gateway.store.pool, read_document(tree), hands, dry_run=dry_run, now=clock.now()
    )


async def test_applying_twice_changes_nothing_the_second_time(
    gateway: Gateway, clock: FakeClock
) -> None:
    first = await apply(gateway, clock, a_declaration())
    made = {change.subject for change in first if change.after == "created"}
    assert made >= {"shop account", "shop sender SHOP", "shop key backend", "shop user anna"}
    assert await apply(gateway, clock, a_declaration()) == []
    answer = await gateway.call(
        "POST", "/line/1/messages", authorization=f"App {KEY}", json=a_request(sender="SHOP")
    )
    assert answer.status == 200


async def test_a_dry_run_tells_the_difference_and_makes_none(
    gateway: Gateway, clock: FakeClock
) -> None:
    told = await apply(gateway, clock, a_declaration(), dry_run=True)
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM account WHERE name = 'shop'") == 0
    assert await apply(gateway, clock, a_declaration()) == told


async def test_only_what_differs_is_changed_and_told_without_secrets(
    gateway: Gateway, clock: FakeClock
) -> None:
    await apply(gateway, clock, a_declaration())
    tree = a_declaration(messages_per_day=2000, suspended=True)
    tree["accounts"][0]["senders"][0]["channel_secret"] = "t" * 32
    told = await apply(gateway, clock, tree)
    assert [(each.subject, each.field) for each in told] == [
        ("shop sender SHOP", "channel_secret"),
        ("shop account", "messages_per_day"),
        ("shop account", "suspended"),
    ]
    assert "ttt" not in str(told)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"default_sender": "NOBODY"}, "no sender NOBODY"),
        ({"colour": "red"}, "colour"),
        ({"keys": [{"key": "short"}]}, "at least 32"),
        ({"keys": [{"key": KEY, "scopes": ["fly"]}]}, "unknown scope fly"),
        ({"blocklist": ["nobody"]}, "no phone number"),
        ({"senders": [{"name": "ACME", "channel_id": "1", "channel_secret": "s"}]}, "another"),
        ({"retention_days": 0}, "retention_days"),
        ({"templates": [a_template(sender="NONE")]}, "no sender NONE"),
        ({"templates": [a_template(contents={"type": "bubble"})]}, "SHOP hi: contents"),
        ({"templates": [a_template(file="x.json")]}, "one of them"),
    ],
)
async def test_what_cannot_be_applied_is_named_and_changes_nothing(
    gateway: Gateway, clock: FakeClock, more: Json, words: str
) -> None:
    with pytest.raises(DocumentError, match=words):
        await apply(gateway, clock, a_declaration(**more))
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM account WHERE name = 'shop'") == 0


async def test_declared_template_gets_versions_and_stays_approved(
    gateway: Gateway, clock: FakeClock
) -> None:
    async def told(template: Json) -> list[tuple[str, object, object]]:
        changes = await apply(gateway, clock, a_declaration(templates=[template]))
        mine = [each for each in changes if "template" in each.subject]
        return [(each.field, each.before, each.after) for each in mine]

    assert await told(a_template()) == [("", None, "created")]
    assert await told(a_template(approved=True)) == [("status", "PENDING", "APPROVED")]
    assert await told(a_template()) == []  # what was approved stays so
    other = a_template("Bye {{name}}")
    assert await told(other) == [("version", 1, 2)]
    other["approved"] = True
    assert await told(other) == [("status", "PENDING", "APPROVED")]
    assert await told(other) == []


async def test_an_operator_declares_suspends_and_rotates_over_http(
    gateway: Gateway, operator: str, clock: FakeClock
) -> None:
    async def call(method: str, path: str, body: object = None) -> Any:
        answer = await gateway.call(method, "/operator/1" + path, authorization=operator, json=body)
        assert answer.status in (200, 201), answer.body
        return answer.json

    assert (await call("POST", "/apply?dryRun=true", a_declaration()))["dryRun"]
    assert (await call("POST", "/apply", a_declaration()))["changes"]
    made = await call("POST", "/accounts/shop/keys", {"name": "two", "scopes": ["message:send"]})
    rotated = await call("POST", f"/accounts/shop/keys/{made['id']}/rotate", {"graceSeconds": 60})
    for key in (made["key"], rotated["key"]):
        reports = await gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
        assert reports.status == 200
    await call("PATCH", f"/accounts/shop/keys/{rotated['id']}", {"enabled": False})
    await call("PUT", "/accounts/shop/suspension", {"suspended": True})
    await clock.advance(timedelta(seconds=2))
    for key, status in ((rotated["key"], 401), (made["key"], 403)):
        reports = await gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
        assert reports.status == status
    shown = await call("GET", "/accounts/shop")
    assert (shown["suspended"], len(shown["keys"])) == (True, 3)
    changes = (await call("GET", "/audit?account=shop"))["changes"]
    assert changes[0]["kind"] == "account"
    assert all(change["actor"].startswith("key ") for change in changes)
    assert KEY not in str(changes)


async def test_an_operator_changes_one_thing_at_a_time_over_http(
    gateway: Gateway, operator: str, clock: FakeClock
) -> None:
    await apply(gateway, clock, a_declaration())

    async def call(method: str, path: str, body: object = None) -> Any:
        path = "/operator/1/accounts/shop" + path
        answer = await gateway.call(method, path, authorization=operator, json=body)
        return (answer.status, answer.json)

    status, shown = await call("PATCH", "", {"messagesPerDay": 5, "retentionDays": 9})
    assert (status, shown["messagesPerDay"], shown["retentionDays"]) == (200, 5, 9)
    assert shown["defaultSender"] == "SHOP"
    sender = {"channel_id": "8", "channel_secret": "s" * 32}
    assert await call("PUT", "/senders/TWO", sender) == (201, {"created": True, "changed": []})
    sender["countries"] = ["TW"]  # type: ignore[assignment]
    changed = {"created": False, "changed": ["countries"]}
    assert await call("PUT", "/senders/TWO", sender) == (200, changed)
    user = {"password": "a long enough one", "scopes": ["message:send"]}
    assert (await call("PUT", "/users/ben", user))[0] == 201
    assert (await call("PUT", "/users/ben", {**user, "enabled": False}))[1]["changed"] == [
        "enabled"
    ]
    assert await call("PUT", "/users/ben/password", {"password": "another long one"}) == (204, None)
    route = {"url": "infobip://key@example.com", "default_sender": "Shop", "enabled": False}
    assert (await call("PUT", "/sms-routes/main", route))[1]["changed"] == ["enabled"]
    assert (await call("PUT", "/templates/hi", a_template(approved=True)))[1]["changed"] == [
        "status"
    ]
    assert await call("PATCH", "/entities/a%2Fb", {"messagesPerDay": 3}) == (204, None)
    assert await call("PATCH", "/applications/web", {"defaultSender": "TWO"}) == (204, None)
    blocking = {"add": ["+81 90 1000 0001"], "remove": ["819010000099"]}
    assert await call("POST", "/blocklist", blocking) == (200, {"added": 1, "removed": 1})
    [blocked] = (await call("GET", "/blocklist"))[1]["destinations"]
    assert blocked["to"] == "819010000001"
    parts = (await call("GET", "/parts"))[1]
    assert [each["name"] for each in parts["senders"]] == ["SHOP", "TWO"]
    assert {each["name"]: each["enabled"] for each in parts["users"]} == {
        "anna": True,
        "ben": False,
    }
    assert [each["defaultSender"] for each in parts["applications"]] == ["TWO"]
    assert {each["id"]: each["messagesPerDay"] for each in parts["entities"]} == {
        "a/b": 3,
        "tokyo": None,
    }
    assert [each["enabled"] for each in parts["smsRoutes"]] == [False]
    [key] = (await call("GET", ""))[1]["keys"]
    limited = (await call("PATCH", f"/keys/{key['id']}", {"messagesPerDay": 2}))[1]
    assert (limited["messagesPerDay"], limited["requestsPerSecond"]) == (2, 100)
    assert limited["enabled"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/accounts/nobody", {}, 404),
        ("PATCH", "/accounts/shop", {"messagesPerDay": -1}, 400),
        ("PATCH", "/accounts/shop", {"defaultSender": "NONE"}, 400),
        ("PATCH", "/accounts/shop", {"colour": "red"}, 400),
        ("PUT", "/accounts/shop/senders/ACME", {"channel_id": "1", "channel_secret": "s"}, 400),
        ("PUT", "/accounts/shop/senders/NEW", {"channel_id": "1"}, 400),
        ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "dear"}, 400),
        ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "1"}, 400),
        ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "1", "currency": "yen"}, 400),
        ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "countries": ["Japan"]}, 400),
        ("PUT", "/accounts/shop/senders/NEW%00", A_SENDER, 404),
        ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "channel_id": "\0"}, 400),
        ("PATCH", "/accounts/shop/entities/a%00b", {"name": "x"}, 404),
        ("PATCH", "/accounts/shop/entities/tokyo", {"webhook": "nonsense"}, 400),
        ("PUT", "/accounts/shop/users/a:b", {"password": "long enough, but"}, 400),
        ("PUT", "/accounts/shop/users/ben", {"password": "short"}, 400),
        ("PUT", "/accounts/shop/users/nobody/password", {"password": "long enough, but"}, 404),
        ("PUT", "/accounts/shop/users/anna/password", {"password": "short"}, 400),
        ("PUT", "/accounts/shop/sms-routes/new", {"url": "nonsense"}, 400),
        ("PUT", "/accounts/shop/templates/hi", {"sender": "SHOP", "alt_text": "x"}, 400),
        ("PATCH", "/accounts/shop/entities/tokyo", {"templates": "all"}, 400),
        ("POST", "/accounts/shop/blocklist", {"add": ["nobody"]}, 400),
        ("PATCH", "/accounts/shop/keys/999", {"messagesPerDay": 1}, 404),
    ],
)
async def test_what_an_operator_asks_wrongly_is_told_over_http(
    gateway: Gateway,
    operator: str,
    clock: FakeClock,
    method: str,
    path: str,
    body: Json,
    status: int,
) -> None:
    await apply(gateway, clock, a_declaration())
    answer = await gateway.call(method, "/operator/1" + path, authorization=operator, json=body)
    assert answer.status == status, answer.body


async def test_a_key_without_the_operators_scope_is_refused(gateway: Gateway) -> None:
    key = "App " + await create_key(gateway.store, ACCOUNT, name="")
    for method, path in (
        ("GET", "/accounts"),
        ("GET", "/audit"),
        ("POST", "/apply"),
        ("GET", "/accounts/acme/parts"),
        ("GET", "/accounts/acme/blocklist"),
        ("PATCH", "/accounts/acme"),
        ("PUT", "/accounts/acme/users/x/password"),
        ("POST", "/accounts/acme/blocklist"),
        ("PUT", "/accounts/acme/senders/X"),
        ("PATCH", "/accounts/acme/entities/x"),
    ):
        answer = await gateway.call(method, "/operator/1" + path, authorization=key, json={})
        assert answer.status == 403


async def test_a_secret_over_http_is_text_and_never_our_environment(
    gateway: Gateway, operator: str
) -> None:
    tree = a_declaration()
    tree["accounts"][0]["senders"][0]["channel_secret"] = {"env": "HOME"}
    answer = await gateway.call("POST", "/operator/1/apply", authorization=operator, json=tree)
    assert answer.status == 400
    assert "as text" in answer.json["violations"][0]["violation"]


async def test_the_audit_names_who_applied(gateway: Gateway, clock: FakeClock) -> None:
    await apply(gateway, clock, a_declaration())
    async with gateway.store.pool.acquire() as conn:
        changes = await list_audit(conn, account_id=None, limit=100)
    mine = [each for each in changes if each.account == "shop"]
    assert {each.actor for each in mine} == {"a test"}
    told = str([each.changes for each in mine])
    assert "v1." not in told
    assert "819010000099" not in told
