"""Who gets into the console, and what each may see and do there."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest

from linegate.cli.accounts import create_account
from linegate.cli.keys import create_key
from linegate.console.app import ADMINISTRATORS, ANYBODY, OPERATORS, Console, Line
from linegate.console.hands import Hands
from linegate.domain.keys import ALL_SCOPES, LOGS, MANAGE, SEND, SUBSCRIPTIONS
from linegate.postgres.identities import KeyRules, enable_user
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.console import PASSWORD, Visitor, a_link, a_user
from support.gateway import ACCOUNT, Gateway, a_request, running_api


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def visitor(gateway: Gateway, clock: FakeClock) -> Visitor:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    visitor = Visitor(gateway)
    await visitor.login("alice")
    return visitor


def table(gateway: Gateway, clock: FakeClock) -> tuple[Line, ...]:
    """Every route behind the door."""
    return Console(
        gateway.store, clock, cast("Hands", None), Guard(), simulator_url="http://x"
    ).table


def a_path(line: Line) -> str:
    return "/console" + re.sub(r"\{[^}]+\}", "1", line.path)


async def a_message(gateway: Gateway) -> str:
    """The id of a message of ACCOUNT."""
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    key = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    answer = await gateway.call(
        "POST", "/line/1/messages", authorization=key, json=a_request("819010000001")
    )
    return str(answer.json["messages"][0]["messageId"])


# The door -----------------------------------------------------------------------------------------


async def test_the_cookie_is_for_the_console_alone_and_no_script_can_read_it(
    gateway: Gateway, clock: FakeClock
) -> None:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    answer = await Visitor(gateway).login("alice")
    assert answer.status == 303
    assert answer.headers["Location"] == "/console/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/console" in cookie


async def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_nothing(
    gateway: Gateway, clock: FakeClock
) -> None:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    wrong = await Visitor(gateway).login("alice", "not the one at all")
    unknown = await Visitor(gateway).login("nobody", "not the one at all")
    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body
    assert "Set-Cookie" not in wrong.headers


async def test_guessing_is_slowed_down(gateway: Gateway, clock: FakeClock) -> None:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    answers = [await Visitor(gateway).login("alice", f"guess {n}") for n in range(12)]
    assert [each.status for each in answers].count(401) == 10
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


async def test_a_login_that_another_site_sends_is_not_taken(
    gateway: Gateway, clock: FakeClock
) -> None:
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    fields = {"name": "alice", "password": PASSWORD}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        answer = await Visitor(gateway).send("/console/login", fields, headers)
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers


async def test_a_link_logs_in_once(gateway: Gateway, clock: FakeClock) -> None:
    user_id = await a_user(gateway, clock, "alice", account=ACCOUNT)
    path = await a_link(gateway, clock, user_id, "t" * 40)
    first, second = Visitor(gateway), Visitor(gateway)
    assert (await first.get(path)).status == 303
    assert (await first.get("/console/")).status == 200
    assert (await second.get(path)).status == 401
    assert (await second.get("/console/")).status == 303


async def test_a_link_ends_and_is_no_session(gateway: Gateway, clock: FakeClock) -> None:
    user_id = await a_user(gateway, clock, "alice", account=ACCOUNT)
    path = await a_link(gateway, clock, user_id, "t" * 40)
    cheat = Visitor(gateway)
    cheat.cookies["linegate_console"] = "t" * 40
    assert (await cheat.get("/console/")).status == 303
    await clock.advance(timedelta(hours=1, seconds=1))
    assert (await Visitor(gateway).get(path)).status == 401


async def test_a_session_lasts_while_it_is_used_and_ends_when_it_is_not(
    visitor: Visitor, clock: FakeClock
) -> None:
    for _ in range(3):
        await clock.advance(timedelta(hours=11))
        assert (await visitor.get("/console/")).status == 200
    await clock.advance(timedelta(hours=12, seconds=1))
    assert (await visitor.get("/console/")).status == 303


async def test_logging_out_ends_the_session_for_every_copy_of_the_cookie(
    gateway: Gateway, visitor: Visitor
) -> None:
    copy = Visitor(gateway)
    copy.cookies = dict(visitor.cookies)
    assert (await visitor.post("/console/logout")).status == 303
    assert (await copy.get("/console/")).status == 303


async def test_a_user_that_was_switched_off_and_on_again_logs_in_anew(
    gateway: Gateway, visitor: Visitor
) -> None:
    async with gateway.store.pool.acquire() as conn:
        for enabled in (False, True):
            await enable_user(conn, 1, "alice", enabled=enabled)
    assert (await visitor.get("/console/")).status == 303
    assert (await visitor.login("alice")).status == 303
    assert (await visitor.get("/console/")).status == 200


async def test_a_console_cookie_is_no_credential_of_the_api(
    gateway: Gateway, visitor: Visitor
) -> None:
    token = visitor.cookies["linegate_console"]
    for scheme in ("IBSSO", "Bearer", "App"):
        answer = await gateway.call("GET", "/line/1/logs", authorization=f"{scheme} {token}")
        assert answer.status == 401


# Every route --------------------------------------------------------------------------------------


async def test_nothing_is_done_without_the_token_of_our_own_page(
    gateway: Gateway, visitor: Visitor, clock: FakeClock
) -> None:
    for line in table(gateway, clock):
        if line.method == "GET" or line.needs == OPERATORS:
            continue
        for token in ("", "0" * 64):
            answer = await visitor.send(a_path(line), {"csrf": token})
            assert answer.status == 403, line.path
        forged = {"Sec-Fetch-Site": "cross-site"}
        answer = await visitor.send(a_path(line), {"csrf": visitor.csrf}, forged)
        assert answer.status == 403, line.path


async def test_a_user_without_a_right_is_refused_by_every_route_that_needs_it(
    gateway: Gateway, clock: FakeClock
) -> None:
    await a_user(gateway, clock, "bob", account=ACCOUNT, scopes=("metrics:read",))
    bob = Visitor(gateway)
    await bob.login("bob")
    for line in table(gateway, clock):
        if line.needs == ANYBODY:
            continue
        path = a_path(line)
        answer = await (bob.get(path) if line.method == "GET" else bob.post(path))
        assert answer.status == 403, path


async def test_what_only_operators_or_administrators_may_is_refused_to_others(
    gateway: Gateway, clock: FakeClock
) -> None:
    scopes = tuple(scope for scope in ALL_SCOPES if scope != "application-entity:manage")
    await a_user(gateway, clock, "carol", account=ACCOUNT, scopes=scopes)
    carol = Visitor(gateway)
    await carol.login("carol")
    for line in table(gateway, clock):
        if line.needs not in (OPERATORS, ADMINISTRATORS):
            continue
        path = a_path(line)
        answer = await (carol.get(path) if line.method == "GET" else carol.post(path))
        assert answer.status == 403, path


async def test_every_page_comes_with_the_headers_that_keep_foreign_code_out(
    gateway: Gateway, visitor: Visitor, clock: FakeClock
) -> None:
    for line in table(gateway, clock):
        if line.method != "GET" or line.needs == OPERATORS:
            continue
        answer = await visitor.get(a_path(line))
        assert answer.status in (200, 404), line.path
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert b"<script>" not in answer.body
        assert b" style=" not in answer.body
        assert not re.search(rb" on[a-z]+=", answer.body), line.path


# What docs/howto/use-the-console.md promises, written down a second time: the other tests believe
# the table of the application.
BY_PAGE = {
    **dict.fromkeys(("", "live", "messages", "guide"), LOGS),
    **dict.fromkeys(("bulks", "compose", "templates", "senders", "routes", "parts"), MANAGE),
    **dict.fromkeys(("webhooks", "subscriptions"), SUBSCRIPTIONS),
    **dict.fromkeys(("keys", "users", "audit"), ADMINISTRATORS),
    **dict.fromkeys(("account", "accounts", "sandbox"), OPERATORS),
    "logout": ANYBODY,
}
BY_PATH = {
    "POST /templates/{template_id}/decide": OPERATORS,
    "POST /parts/limits": OPERATORS,
    "POST /parts/settings": ADMINISTRATORS,
    "POST /parts": {"application-entity:manage"},
    "POST /senders": ADMINISTRATORS,
    "POST /senders/{sender_id}/change": ADMINISTRATORS,
    "POST /routes": ADMINISTRATORS,
    "POST /routes/switch": ADMINISTRATORS,
    "POST /compose/send": SEND,
    "POST /guide/send": SEND,
    "POST /guide/check": MANAGE,
}


async def test_every_route_needs_what_the_docs_say(gateway: Gateway, clock: FakeClock) -> None:
    for line in table(gateway, clock):
        name = f"{line.method} {line.path}"
        assert line.needs == BY_PATH.get(name, BY_PAGE[line.path.split("/")[1]]), name


# Whose ----------------------------------------------------------------------------------------


async def test_another_account_is_not_seen(gateway: Gateway, clock: FakeClock) -> None:
    await create_account(gateway.store, "other")
    await a_user(gateway, clock, "mallory", account="other")
    await a_user(gateway, clock, "alice", account=ACCOUNT)
    name = await a_message(gateway)
    mallory, alice = Visitor(gateway), Visitor(gateway)
    await mallory.login("mallory")
    await alice.login("alice")
    assert (await alice.get(f"/console/messages/{name}")).status == 200
    assert (await mallory.get(f"/console/messages/{name}")).status == 404
    found = await alice.get("/console/messages?number=819010000001")
    assert name.encode() in found.body
    found = await mallory.get("/console/messages?number=819010000001")
    assert name.encode() not in found.body
    assert b"ACME" not in (await mallory.get("/console/")).body
    mallory.cookies["linegate_account"] = "1"
    assert b"ACME" not in (await mallory.get("/console/")).body


async def test_words_that_somebody_else_put_into_a_link_are_not_said(visitor: Visitor) -> None:
    answer = await visitor.get("/console/?said=Call+us&mark=" + "0" * 32)
    assert b"Call us" not in answer.body


async def test_a_page_that_is_left_open_does_not_keep_its_session_alive(
    visitor: Visitor, clock: FakeClock
) -> None:
    for _ in range(2):
        await clock.advance(timedelta(hours=5))
        assert (await visitor.get("/console/live")).status == 200
    await clock.advance(timedelta(hours=2, seconds=1))
    assert (await visitor.get("/console/live", {"HX-Request": "true"})).status == 401


async def test_an_operator_sees_all_accounts_or_one(gateway: Gateway, clock: FakeClock) -> None:
    await create_account(gateway.store, "other")
    await a_user(gateway, clock, "ops", account="other", is_operator=True)
    name = await a_message(gateway)
    ops = Visitor(gateway)
    await ops.login("ops")
    assert b"ACME" in (await ops.get("/console/")).body
    assert (await ops.get(f"/console/messages/{name}")).status == 200
    chosen = re.search(rb'value="(\d+)" >other', (await ops.get("/console/")).body)
    assert chosen is not None
    await ops.post("/console/account", account=chosen[1].decode())
    assert b"ACME" not in (await ops.get("/console/")).body
