"""Operators over HTTP: everything that the command line can, under the caller's name."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from linegate.cli.keys import create_key
from linegate.postgres.identities import KeyRules
from support.clock import FakeClock
from support.declared import KEY, Json, a_declaration, a_template
from support.gateway import ACCOUNT, Gateway, a_request, running_api

A_SENDER = {"channelId": "1", "channelSecret": "s" * 32}


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


class Desk:
    """An operator who asks /operator/1."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.gateway = gateway
        self.key = key

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = await self.gateway.call(
            method, "/operator/1" + path, authorization=self.key, json=body
        )
        return answer.status, answer.json

    async def shop(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await self.call(method, "/accounts/shop" + path, body)


@pytest.fixture
async def operator(gateway: Gateway) -> Desk:
    rules = KeyRules(frozenset({"operator:manage"}))
    key = await create_key(gateway.store, ACCOUNT, name="operator", rules=rules)
    return Desk(gateway, "App " + key)


@pytest.fixture
async def shop(operator: Desk) -> Desk:
    """The operator, with the account `shop` declared."""
    status, answer = await operator.call("POST", "/apply", a_declaration())
    assert status == 200, answer
    return operator


async def test_an_operator_declares_suspends_and_rotates_over_http(
    operator: Desk, gateway: Gateway, clock: FakeClock
) -> None:
    async def call(method: str, path: str, body: object = None) -> Any:
        status, answer = await operator.call(method, path, body)
        assert status in (200, 201), answer
        return answer

    told = await call("POST", "/apply?dryRun=true", a_declaration())
    assert told["dryRun"]
    assert (await call("POST", "/apply", a_declaration()))["changes"] == told["changes"]
    made = await call("POST", "/accounts/shop/keys", {"name": "two", "scopes": ["message:send"]})
    rotated = await call("POST", f"/accounts/shop/keys/{made['id']}/rotate", {"graceSeconds": 60})
    for key in (made["key"], rotated["key"]):
        reports = await gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
        assert reports.status == 200
    await call("PATCH", f"/accounts/shop/keys/{rotated['id']}", {"enabled": False})
    assert (await call("PATCH", "/accounts/shop", {"suspended": True}))["suspended"]
    await clock.advance(timedelta(seconds=2))
    for key, status in ((rotated["key"], 401), (made["key"], 403)):
        reports = await gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
        assert reports.status == status
    shown = await call("GET", "/accounts/shop")
    assert (shown["suspended"], len(shown["keys"])) == (True, 3)
    changes = (await call("GET", "/audit?account=shop"))["changes"]
    assert changes[0]["kind"] == "account"
    assert set(changes[0]["changes"]) == {"suspendedAt"}
    assert all(change["actor"].startswith("key ") for change in changes)
    assert KEY not in str(changes)


async def test_senders_are_made_changed_paused_and_removed(shop: Desk) -> None:
    sender = {"channelId": "8", "channelSecret": "s" * 32, "accessToken": "t"}
    assert await shop.shop("PUT", "/senders/TW%2FO", sender) == (
        201,
        {"created": True, "changed": []},
    )
    pool = shop.gateway.store.pool
    sealed = "SELECT channel_secret, access_token FROM sender WHERE name = 'TW/O'"
    before = await pool.fetchrow(sealed)
    changed = {"created": False, "changed": ["countries", "relayUrl"]}
    more = {"countries": ["TW"], "relayUrl": "https://bot.example/hook"}
    assert await shop.shop("PUT", "/senders/TW%2FO", more) == (200, changed)
    assert await pool.fetchrow(sealed) == before  # what is not named stays, secrets too
    assert await shop.shop("PUT", "/senders/TW%2FO", {"accessToken": None, "relayUrl": None}) == (
        200,
        {"created": False, "changed": ["accessToken", "relayUrl"]},
    )
    paused = {"paused": True, "reason": "looked at"}
    assert (await shop.shop("PUT", "/senders/TW%2FO/pause", paused))[0] == 204
    parts = (await shop.shop("GET", "/parts"))[1]
    shown = {each["name"]: each for each in parts["senders"]}
    assert (shown["TW/O"]["hold"], shown["TW/O"]["holdReason"]) == ("paused", "looked at")
    assert (shown["TW/O"]["countries"], shown["TW/O"]["hasAccessToken"]) == (["TW"], False)
    assert (await shop.shop("PUT", "/senders/TW%2FO/pause", {"paused": False}))[0] == 204
    assert (await shop.shop("DELETE", "/senders/TW%2FO"))[0] == 204
    status, told = await shop.shop("DELETE", "/senders/SHOP")
    assert (status, "default sender" in told["violations"][0]["violation"]) == (400, True)


async def test_sender_that_has_sent_and_its_account_stay(shop: Desk) -> None:
    sent = await shop.gateway.call(
        "POST", "/line/1/messages", authorization=f"App {KEY}", json=a_request(sender="SHOP")
    )
    assert sent.status == 200
    await shop.shop("PATCH", "", {"defaultSender": None})
    await shop.shop("PATCH", "/entities/tokyo", {"defaultSender": None})
    await shop.shop("DELETE", "/templates/hi?sender=SHOP")
    for path in ("/senders/SHOP", ""):
        status, told = await shop.shop("DELETE", path)
        assert (status, "has sent messages" in told["violations"][0]["violation"]) == (400, True)


async def test_accounts_are_made_with_their_settings_and_removed_while_they_have_never_sent(
    shop: Desk,
) -> None:
    asked = {"name": "new", "messagesWaiting": 7, "webhook": "https://new.example/r"}
    status, made = await shop.call("POST", "/accounts", asked)
    assert (status, made["messagesWaiting"], made["webhook"]) == (201, 7, "https://new.example/r")
    assert (await shop.call("POST", "/accounts", asked))[0] == 409
    secret = (await shop.call("GET", "/accounts/new/webhook-secret"))[1]["secret"]
    assert secret.startswith("whsec_")
    for name in ("new", "shop"):  # one of them has everything that an account can have
        assert (await shop.call("DELETE", f"/accounts/{name}"))[0] == 204
        assert (await shop.call("GET", f"/accounts/{name}"))[0] == 404
    log = (await shop.call("GET", "/audit"))[1]["changes"]
    assert ("delete", "account", "shop") in {
        (each["action"], each["kind"], each["subject"]) for each in log
    }


async def test_keys_have_all_their_rules_over_http(shop: Desk, clock: FakeClock) -> None:
    rules = {
        "name": "two",
        "scopes": ["message:send"],
        "expires": "2027-01-31T00:00:00Z",
        "allowedAddresses": ["192.0.2.0/24"],
        "forceApplication": "web",
        "fillEntity": "tokyo",
        "messagesWaiting": 5,
    }
    status, made = await shop.shop("POST", "/keys", rules)
    assert status == 201
    path = f"/keys/{made['id']}"
    status, shown = await shop.shop("PATCH", path, {"fillApplication": "app", "messagesPerDay": 9})
    assert status == 200
    assert {name: shown[name] for name in rules} == {
        **rules,
        "expires": "2027-01-31T00:00:00.000+0000",
        "forceApplication": None,
    }
    assert (shown["fillApplication"], shown["messagesPerDay"]) == ("app", 9)
    nothing = {"scopes": None, "expires": None, "allowedAddresses": None, "fillEntity": None}
    status, shown = await shop.shop("PATCH", path, nothing)
    assert (shown["expires"], shown["allowedAddresses"], shown["fillEntity"]) == (None, [], None)
    assert "line:manage" in shown["scopes"]
    key = f"App {made['key']}"
    assert (await shop.gateway.call("GET", "/line/1/reports", authorization=key)).status == 200
    assert (await shop.shop("DELETE", path))[0] == 204
    assert (await shop.shop("DELETE", path))[0] == 404
    await clock.advance(timedelta(seconds=2))
    assert (await shop.gateway.call("GET", "/line/1/reports", authorization=key)).status == 401


async def test_users_are_made_changed_and_removed(shop: Desk) -> None:
    user = {"password": "a long enough one", "scopes": ["message:send"]}
    assert (await shop.shop("PUT", "/users/ben", user))[0] == 201
    more = {"enabled": False, "operator": True, "allowedAddresses": ["192.0.2.1"]}
    assert (await shop.shop("PUT", "/users/ben", more))[1]["changed"] == [
        "allowedAddresses",
        "enabled",
        "operator",
    ]
    assert await shop.shop("PUT", "/users/ben/password", {"password": "another long one"}) == (
        204,
        None,
    )
    users = {each["name"]: each for each in (await shop.shop("GET", "/parts"))[1]["users"]}
    assert (users["ben"]["scopes"], users["ben"]["operator"]) == (["message:send"], True)
    assert (await shop.shop("DELETE", "/users/ben"))[0] == 204
    assert (await shop.shop("DELETE", "/users/ben"))[0] == 404


async def test_routes_serve_other_things_and_keep_their_secret(shop: Desk) -> None:
    pool = shop.gateway.store.pool
    before = await pool.fetchval("SELECT url FROM sms_route")
    more = {"prefixes": ["81", "66"], "senders": ["Shop"], "priority": 3, "enabled": False}
    assert (await shop.shop("PUT", "/sms-routes/main", more))[1]["changed"] == [
        "enabled",
        "prefixes",
        "priority",
        "senders",
    ]
    [route] = (await shop.shop("GET", "/parts"))[1]["smsRoutes"]
    assert (route["prefixes"], route["defaultSender"]) == (["66", "81"], "Shop")
    assert await pool.fetchval("SELECT url FROM sms_route") == before
    other = {"url": "twilio://sid:token@example.com"}
    status, told = await shop.shop("PUT", "/sms-routes/main", other)
    assert (status, "keeps its kind" in told["violations"][0]["violation"]) == (400, True)
    await _an_sms_waits(shop)
    assert (await shop.shop("DELETE", "/sms-routes/main"))[0] == 400
    assert (await shop.shop("PUT", "/sms-routes/main", {"prefixes": ["66"]}))[0] == 200
    assert await pool.fetchval("SELECT route_id FROM sms_leg") is None  # it looks for another one
    assert (await shop.shop("DELETE", "/sms-routes/main"))[0] == 204


async def _an_sms_waits(desk: Desk) -> None:
    await desk.gateway.store.pool.execute(
        "INSERT INTO sms_leg (id, account_id, sender_id, object_id, route_id, step, due_at,"
        " deadline_at, attempt, line_status, line_error, destination)"
        " SELECT 1, account_id, 1, 1, id, 'due', now(), now(), 1, 5, 0, '81' FROM sms_route"
    )


async def test_templates_are_listed_decided_and_removed(shop: Desk) -> None:
    decided = {"sender": "SHOP", "status": "REJECTED"}
    assert (await shop.shop("PUT", "/templates/hi/decision", decided))[0] == 400
    decided["reason"] = "too loud"
    assert (await shop.shop("PUT", "/templates/hi/decision", decided))[0] == 204
    [found] = (await shop.shop("GET", "/templates?status=REJECTED"))[1]["templates"]
    blank = (await shop.shop("GET", "/templates?sender=SHOP&name=&status="))[1]["templates"]
    assert blank == [found]  # what is empty does not choose
    assert (found["name"], found["reason"]) == ("hi", "too loud")
    changed = (await shop.shop("PUT", "/templates/hi", a_template(approved=True)))[1]["changed"]
    assert changed == ["status"]
    log = (await shop.call("GET", "/audit?account=shop"))[1]["changes"]
    decisions = [
        (each["subject"], each["changes"]["status"], each["actor"].startswith("key "))
        for each in log
        if each["kind"] == "template_version" and each["action"] == "change"
    ]
    assert decisions == [
        ("hi version 1", ["REJECTED", "APPROVED"], True),
        ("hi version 1", ["PENDING", "REJECTED"], True),
    ]
    assert (await shop.shop("DELETE", "/templates/hi?sender=SHOP"))[0] == 204
    assert (await shop.shop("GET", "/templates"))[1]["templates"] == []


async def test_parts_and_blocked_numbers_are_changed_over_http(shop: Desk) -> None:
    assert (await shop.shop("PATCH", "/entities/a%2Fb", {"messagesPerDay": 3}))[0] == 201
    changed = await shop.shop("PATCH", "/applications/web", {"defaultSender": "SHOP"})
    assert changed == (200, {"created": False, "changed": ["defaultSender"]})
    blocking = {"add": ["+81 90 1000 0001"], "remove": ["819010000099"]}
    assert await shop.shop("POST", "/blocklist", blocking) == (200, {"added": 1, "removed": 1})
    [blocked] = (await shop.shop("GET", "/blocklist"))[1]["destinations"]
    assert blocked["to"] == "819010000001"
    parts = (await shop.shop("GET", "/parts"))[1]
    assert [(each["defaultSender"], each["messagesPerDay"]) for each in parts["applications"]] == [
        ("SHOP", 10)
    ]
    assert {each["id"]: each["messagesPerDay"] for each in parts["entities"]} == {
        "a/b": 3,
        "tokyo": None,
    }
    assert (await shop.shop("DELETE", "/entities/a%2Fb"))[0] == 204
    assert (await shop.shop("DELETE", "/applications/none"))[0] == 404


async def test_everything_that_is_wrong_with_a_body_is_told_at_its_place(shop: Desk) -> None:
    body = {"channel_id": "1", "countries": ["Japan"], "templates": "all", "strictTemplates": 1}
    status, told = await shop.shop("PUT", "/senders/NEW", body)
    assert status == 400
    assert {each["property"]: each["violation"] for each in told["violations"]} == {
        "channel_id": "is not known here",
        "countries[0]": "must be two capital letters, such as JP",
        "templates": "must be one of optional, required",
        "strictTemplates": "must be true or false",
    }


WRONG: tuple[tuple[str, str, Json | None, int], ...] = (
    ("PATCH", "/accounts/nobody", {}, 404),
    ("PATCH", "/accounts/shop", {"messagesPerDay": -1}, 400),
    ("PATCH", "/accounts/shop", {"defaultSender": "NONE"}, 400),
    ("PATCH", "/accounts/shop", {"colour": "red"}, 400),
    ("POST", "/accounts", {}, 400),
    ("POST", "/accounts/shop/keys", {"scopes": ["fly"]}, 400),
    ("POST", "/accounts/shop/keys", {"fillEntity": "a", "forceEntity": "b"}, 400),
    ("POST", "/accounts/shop/keys", {"allowedAddresses": ["nowhere"]}, 400),
    ("DELETE", "/accounts/nobody", None, 404),
    ("DELETE", "/accounts/shop/sms-routes/none", None, 404),
    ("DELETE", "/accounts/shop/senders/none", None, 404),
    ("DELETE", "/accounts/shop/templates/none?sender=SHOP", None, 404),
    ("PUT", "/accounts/shop/senders/none/pause", {"paused": True}, 404),
    (
        "PUT",
        "/accounts/shop/templates/none/decision",
        {"sender": "SHOP", "status": "APPROVED"},
        404,
    ),
    ("PUT", "/accounts/shop/senders/ACME", {"channelId": "1", "channelSecret": "s"}, 400),
    ("PUT", "/accounts/shop/senders/NEW", {"channelId": "1"}, 400),
    ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "dear"}, 400),
    ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "1"}, 400),
    ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "price": "1", "currency": "yen"}, 400),
    ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "countries": ["Japan"]}, 400),
    ("PUT", "/accounts/shop/senders/NEW%00", A_SENDER, 400),
    ("PUT", "/accounts/shop/senders/NEW", {**A_SENDER, "channelId": "\0"}, 400),
    ("PATCH", "/accounts/shop/entities/a%00b", {"name": "x"}, 400),
    ("PATCH", "/accounts/shop/entities/tokyo", {"webhook": "nonsense"}, 400),
    ("PUT", "/accounts/shop/users/a:b", {"password": "long enough, but"}, 400),
    ("PUT", "/accounts/shop/users/ben", {"password": "short"}, 400),
    ("PUT", "/accounts/shop/users/nobody/password", {"password": "long enough, but"}, 404),
    ("PUT", "/accounts/shop/users/anna/password", {"password": "short"}, 400),
    ("PUT", "/accounts/shop/sms-routes/new", {"url": "nonsense"}, 400),
    ("PUT", "/accounts/shop/templates/hi", {"sender": "SHOP", "altText": "x"}, 400),
    ("PATCH", "/accounts/shop/entities/tokyo", {"templates": "all"}, 400),
    ("POST", "/accounts/shop/blocklist", {"add": ["nobody"]}, 400),
    ("PATCH", "/accounts/shop/keys/999", {"messagesPerDay": 1}, 404),
)


async def test_what_an_operator_asks_wrongly_is_told_over_http(shop: Desk) -> None:
    for method, path, body, status in WRONG:
        answered, told = await shop.call(method, path, body)
        assert answered == status, (method, path, body, told)


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
    operator: Desk,
) -> None:
    tree = a_declaration()
    tree["accounts"][0]["senders"][0]["channelSecret"] = {"env": "HOME"}
    status, told = await operator.call("POST", "/apply", tree)
    assert status == 400
    assert "as text" in told["violations"][0]["violation"]
