"""What can be set up and looked up in the console: over HTTP, as a browser without pictures."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from html import escape

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.domain.circuit import Hold
from linegate.domain.keys import ALL_SCOPES
from linegate.domain.wiretime import format_instant
from linegate.postgres.directory import find_webhook_secret, hold_sender
from linegate.postgres.identities import KeyRules
from linegate.sealing import account_context
from support.clock import FakeClock
from support.console import Visitor, a_bulk, logged_in
from support.gateway import ACCOUNT, SENDER, Gateway, a_request, running_api


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


# Bulks --------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", ["a/b", "..", "new\nline", "100 %?#&"])
async def test_a_bulk_of_any_name_is_reached_and_told(
    gateway: Gateway, clock: FakeClock, alice: Visitor, name: str
) -> None:
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    key = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    body = a_request("819010000001")
    send_at = format_instant(clock.now() + timedelta(hours=1))
    body["options"] = {"schedule": {"bulkId": name, "sendAt": send_at}}
    sent = await gateway.call("POST", "/line/1/messages", authorization=key, json=body)
    assert sent.json["bulkId"] == name
    path = re.search(rb'href="(/console/bulks/[^"]+)"', (await alice.get("/console/bulks")).body)
    assert path is not None
    bulk = path[1].decode()
    assert escape(name).encode() in (await alice.get(bulk)).body
    assert (await alice.post(f"{bulk}/steer", word="stop")).status == 400
    said = await alice.post(f"{bulk}/steer", word="pause")
    assert b"The bulk is now paused." in (await alice.get(said.headers["Location"])).body


async def test_two_operators_at_once_and_a_bulk_that_ended_meanwhile(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    bob = await logged_in(gateway, clock, "bob", ACCOUNT)
    name = await a_bulk(gateway)
    bulk = f"/console/bulks/1/{name}"
    paused, cancelled = await asyncio.gather(
        alice.post(f"{bulk}/steer", word="pause"), bob.post(f"{bulk}/steer", word="cancel")
    )
    assert cancelled.status == 303
    assert b"canceled" in (await alice.get(bulk)).body
    sql = "SELECT actor FROM audit WHERE kind = 'bulk' ORDER BY id"
    actors = [row["actor"] for row in await gateway.store.pool.fetch(sql)]
    assert actors[-1] == "user bob (console)"
    assert len(actors) == 1 + (paused.status == 303)
    for late in (
        await alice.post(f"{bulk}/steer", word="pause"),
        await alice.post(f"{bulk}/steer", word="resume"),
        await alice.post(f"{bulk}/change", amount="5", unit="MINUTE"),
    ):
        assert late.status == 400
        assert b"CANCELED" in late.body
    assert len(await gateway.store.pool.fetch(sql)) == len(actors)


# Parts --------------------------------------------------------------------------------------------

_EMPTY = {"kind": "entity", "id": "plant", "default_sender": "", "url": ""}


async def settings_of_plant(gateway: Gateway) -> tuple[object, ...]:
    """Name, default sender, URL of reports, template policy and quota of the entity `plant`."""
    async with gateway.store.pool.acquire() as conn:
        row = await conn.fetchrow(
            "SELECT division.name, sender.name AS sender, endpoint.url,"
            " division.templates, division.messages_per_day"
            " FROM division LEFT JOIN sender ON sender.id = default_sender"
            " LEFT JOIN endpoint ON endpoint.id = endpoint_id WHERE division.id = 'plant'"
        )
    assert row is not None
    return tuple(row)


async def test_an_operator_sets_all_that_an_entity_sets_and_takes_it_back(
    gateway: Gateway, clock: FakeClock
) -> None:
    ops = await logged_in(gateway, clock, "ops", ACCOUNT, is_operator=True)
    await ops.post("/console/parts", kind="entity", id="plant")
    shown = await ops.get("/console/parts?kind=entity&id=plant")
    assert b"<option>ACME</option>" in shown.body
    wanted = {
        **_EMPTY,
        "name": "Plant",
        "default_sender": "ACME",
        "url": "https://acme.example/plant",
        "templates": "required",
        "messages_per_day": "0",
    }
    assert (await ops.post("/console/parts/settings", **wanted)).status == 303
    expected = ("Plant", "ACME", "https://acme.example/plant", "required", 0)
    assert await settings_of_plant(gateway) == expected
    shown = await ops.get("/console/parts?kind=entity&id=plant")
    assert b'value="https://acme.example/plant"' in shown.body
    assert (await ops.post("/console/parts/settings", **_EMPTY)).status == 303
    assert await settings_of_plant(gateway) == (None,) * 5


async def test_template_policy_and_quota_stay_as_they_are_when_no_operator_changes_a_part(
    gateway: Gateway, alice: Visitor
) -> None:
    await alice.post("/console/parts", kind="entity", id="plant")
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE division SET templates = 'required', messages_per_day = 9")
    wanted = {**_EMPTY, "name": "Plant", "templates": "free", "messages_per_day": ""}
    assert (await alice.post("/console/parts/settings", **wanted)).status == 303
    assert await settings_of_plant(gateway) == ("Plant", None, None, "required", 9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_sender": "SOMEBODY-ELSES"},
        {"url": "ftp://acme.example/plant"},
        {"messages_per_day": "-1"},
    ],
)
async def test_a_setting_that_cannot_be_changes_nothing_of_a_part(
    gateway: Gateway, clock: FakeClock, wrong: dict[str, str]
) -> None:
    ops = await logged_in(gateway, clock, "ops", ACCOUNT, is_operator=True)
    await ops.post("/console/parts", kind="entity", id="plant", name="Plant")
    answer = await ops.post("/console/parts/settings", **{**_EMPTY, "name": "Other", **wrong})
    assert answer.status == 400
    assert await settings_of_plant(gateway) == ("Plant", None, None, None, None)


async def test_a_part_of_another_account_is_neither_shown_nor_changed(
    gateway: Gateway, alice: Visitor, mallory: Visitor
) -> None:
    await alice.post("/console/parts", kind="entity", id="plant", name="Plant")
    shown = await mallory.get("/console/parts?kind=entity&id=plant")
    assert b"Settings of the" not in shown.body
    answer = await mallory.post("/console/parts/settings", **{**_EMPTY, "name": "Mine"})
    assert answer.status == 404
    assert (await settings_of_plant(gateway))[0] == "Plant"


# Subscriptions ------------------------------------------------------------------------------------

_SUBSCRIPTION = {
    "subscription": "plant-reports",
    "event": "DELIVERY",
    "profile": "plant",
    "url": "https://acme.example/plant",
    "senders": "ACME\r\nACME-2",
    "criteria": '[{"entityId": "plant"}]',
}


async def subscriptions(gateway: Gateway) -> list[tuple[object, ...]]:
    """Id, name, profile and senders of every subscription."""
    async with gateway.store.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT subscription_id, name, profile_id, resources FROM subscription"
        )
    return [tuple(row) for row in rows]


async def test_a_subscription_is_made_with_its_profile_then_changed_then_deleted(
    gateway: Gateway, alice: Visitor
) -> None:
    assert (await alice.post("/console/subscriptions", **_SUBSCRIPTION)).status == 303
    expected = ("plant-reports", None, "plant", ["ACME", "ACME-2"])
    assert await subscriptions(gateway) == [expected]
    shown = await alice.get("/console/webhooks?subscription=plant-reports")
    assert b"Subscription plant-reports" in shown.body
    assert b"ACME\nACME-2</textarea>" in shown.body
    changed = {**_SUBSCRIPTION, "is_there": "1", "name": "Plant", "senders": "", "url": ""}
    assert (await alice.post("/console/subscriptions", **changed)).status == 303
    assert await subscriptions(gateway) == [("plant-reports", "Plant", "plant", [])]
    gone = await alice.post("/console/subscriptions/delete", subscription="plant-reports")
    assert gone.status == 303
    assert await subscriptions(gateway) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"event": ""}, b"events must have one of"),
        ({"criteria": "plant"}, b"must be a JSON list"),
        ({"criteria": "[{}]"}, b"criteria[0] must have"),
        ({"url": ""}, b"profile.webhook must be given"),
        ({"is_there": "1"}, b"subscriptionId does not exist"),
    ],
)
async def test_a_subscription_that_breaks_a_rule_of_the_api_is_not_made(
    gateway: Gateway, alice: Visitor, wrong: dict[str, str], words: bytes
) -> None:
    answer = await alice.post("/console/subscriptions", **{**_SUBSCRIPTION, **wrong})
    assert answer.status == 400
    assert words in answer.body
    assert await subscriptions(gateway) == []
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM webhook_profile") == 0


async def test_a_subscription_of_another_account_is_neither_shown_nor_deleted(
    gateway: Gateway, alice: Visitor, mallory: Visitor
) -> None:
    await alice.post("/console/subscriptions", **_SUBSCRIPTION)
    shown = await mallory.get("/console/webhooks?subscription=plant-reports")
    assert b"plant-reports" not in shown.body
    gone = await mallory.post("/console/subscriptions/delete", subscription="plant-reports")
    assert gone.status == 404
    assert len(await subscriptions(gateway)) == 1


# Routes -------------------------------------------------------------------------------------------


async def test_a_route_is_checked_for_its_account_alone_and_its_trouble_told(
    gateway: Gateway, alice: Visitor, mallory: Visitor
) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        url = f"smpp://user:secret@127.0.0.1:{closed.getsockname()[1]}"
        await alice.post("/console/routes", name="dead", url=url)
        answer = await alice.post("/console/routes/check", name="dead", account=ACCOUNT)
    assert answer.status == 303
    told = await alice.get(answer.headers["Location"])
    assert b"The route dead is not usable: " in told.body
    assert b"secret" not in told.body.partition(b"not usable")[2].partition(b"</p>")[0]
    theirs = await mallory.post("/console/routes/check", name="dead", account=ACCOUNT)
    assert theirs.status == 404


# Accounts -----------------------------------------------------------------------------------------


async def test_an_operator_makes_an_account_once_and_nobody_else_does(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    ops = await logged_in(gateway, clock, "ops", ACCOUNT, is_operator=True)
    made = await ops.post("/console/accounts", name="newcomer")
    assert made.status == 303
    assert b">newcomer</option>" in (await ops.get(made.headers["Location"])).body
    assert (await ops.post("/console/accounts", name="newcomer")).status == 400
    assert (await alice.post("/console/accounts", name="another")).status == 403
    own = re.search(rb'value="(\d+)" >acme', (await ops.get("/console/accounts")).body)
    assert own is not None
    locked_out = await ops.post("/console/accounts/suspend", account=own[1].decode())
    assert locked_out.status == 400
    assert b"New account" not in (await alice.get("/console/users")).body
    async with gateway.store.pool.acquire() as conn:
        names = await conn.fetch("SELECT name FROM account ORDER BY name")
        sealed = await find_webhook_secret(conn, await conn.fetchval(_ID_OF_NEWCOMER))
    assert [row["name"] for row in names] == [ACCOUNT, "newcomer"]
    context = account_context("newcomer", "webhook_secret")
    assert gateway.store.vault.open(sealed, context=context).startswith("whsec_")


_ID_OF_NEWCOMER = "SELECT id FROM account WHERE name = 'newcomer'"


# The first run --------------------------------------------------------------------------------


async def test_the_guide_says_why_its_message_does_not_go(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    sent = await alice.post("/console/guide/send", to="819010000001")
    path = re.search(rb'hx-get="([^"]+)"', sent.body)
    assert path is not None
    assert b"on its way" in sent.body
    await clock.advance(timedelta(seconds=11))
    followed = await alice.get(path[1].decode())
    assert b"LINE has not got it yet. Does a worker run" in followed.body
    async with gateway.store.pool.acquire() as conn:
        sender_id = await conn.fetchval("SELECT id FROM sender WHERE name = $1", SENDER)
        await hold_sender(
            conn, sender_id, hold=Hold.UNAUTHORISED.value, reason="401", until=None, now=clock.now()
        )
    followed = await alice.get(path[1].decode())
    assert b"LINE refuses its access token" in followed.body


async def test_a_simulated_line_that_is_gone_is_told(database_url: str, clock: FakeClock) -> None:
    async with running_api(database_url, clock, line_api_url="http://127.0.0.1:9") as gateway:
        ops = await logged_in(gateway, clock, "ops", ACCOUNT, is_operator=True)
        switched = await ops.post("/console/sandbox/switch", kind="line", fate="slow")
    assert switched.status == 400
    assert b"The simulated LINE does not answer." in switched.body
