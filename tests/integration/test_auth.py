"""Who may ask, over the wire: keys, passwords, sessions, OAuth2 tokens."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from linegate.api.passwords import hash_password
from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.domain.caller import PlatformRule
from linegate.domain.keys import digest_of
from linegate.postgres.identities import (
    KeyRules,
    enable_user,
    insert_user,
    list_keys,
    rotate_key,
    set_password,
)
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

SEND = frozenset({"message:send"})
PASSWORD = "correct horse battery"


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def user(gateway: Gateway, clock: FakeClock) -> str:
    """The user alice, with PASSWORD."""
    async with gateway.store.pool.acquire() as conn:
        await insert_user(
            conn,
            account_id=await account_id_of(conn, ACCOUNT),
            name="alice",
            password_hash=hash_password(PASSWORD),
            scopes=sorted(SEND),
            networks=(),
            now=clock.now(),
        )
    return "alice"


async def key_with(gateway: Gateway, **rules: Any) -> str:
    given = KeyRules(**{"scopes": SEND, **rules})
    return "App " + await create_key(gateway.store, ACCOUNT, name="", rules=given)


async def reports(gateway: Gateway, authorization: str | None) -> Answer:
    return await gateway.call("GET", "/line/1/reports", authorization=authorization)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def a_session(gateway: Gateway, **more: object) -> str:
    body = {"username": "alice", "password": PASSWORD, **more}
    answer = await gateway.call("POST", "/auth/1/session", json=body)
    assert answer.status == 200, answer.body
    return f"IBSSO {answer.json['token']}"


async def form(gateway: Gateway, text: str, **headers: str) -> Answer:
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return await gateway.call("POST", "/auth/1/oauth2/token", headers=sent, data=text.encode())


async def test_without_good_credentials_the_answer_is_401_with_a_challenge(
    gateway: Gateway,
) -> None:
    bad = ["", "App", "App nothing", "Basic !!", "Basic YWxpY2U=", "IBSSO x", "Bearer x", "Foo x"]
    for authorization in [None, *bad]:
        answer = await reports(gateway, authorization)
        assert (answer.status, answer.json["errorCode"]) == (401, "E401"), authorization
        assert answer.headers["WWW-Authenticate"].startswith("App")


async def test_key_works_from_its_start_to_its_end(gateway: Gateway, clock: FakeClock) -> None:
    now = clock.now()
    key = await key_with(
        gateway, valid_from=now + timedelta(hours=1), expires_at=now + timedelta(hours=2)
    )
    assert (await reports(gateway, key)).status == 401
    await clock.advance(timedelta(hours=1))
    assert (await reports(gateway, key)).status == 200
    await clock.advance(timedelta(hours=1))
    assert (await reports(gateway, key)).status == 401


async def test_key_works_only_from_its_addresses(gateway: Gateway) -> None:
    here = await key_with(gateway, networks=frozenset({ip_network("127.0.0.0/8")}))
    assert (await reports(gateway, here)).status == 200
    elsewhere = await key_with(gateway, networks=frozenset({ip_network("192.0.2.0/24")}))
    answer = await reports(gateway, elsewhere)
    assert answer.status == 403
    assert "address" in answer.json["violations"][0]["violation"]


async def test_missing_scope_is_named(gateway: Gateway) -> None:
    key = await key_with(gateway, scopes=frozenset({"line:logs:read"}))
    answer = await reports(gateway, key)
    assert answer.status == 403
    assert "line:message:send" in answer.json["violations"][0]["violation"]


async def test_key_fills_in_or_forces_application_and_entity(gateway: Gateway) -> None:
    key = await key_with(
        gateway,
        application=PlatformRule("filled"),
        entity=PlatformRule("forced", forced=True),
    )
    given = {"platform": {"applicationId": "own", "entityId": "own"}}
    for request in (a_request(), a_request(options=given)):
        answer = await gateway.call("POST", "/line/1/messages", authorization=key, json=request)
        assert answer.status == 200
    async with gateway.store.pool.acquire() as conn:
        rows = await conn.fetch("SELECT application_id, entity_id FROM message_object ORDER BY id")
    assert [tuple(row) for row in rows] == [("filled", "forced"), ("own", "forced")]


async def test_rotated_key_hands_its_rules_on_and_ends_after_the_grace(
    gateway: Gateway, clock: FakeClock
) -> None:
    old = await key_with(gateway, expires_at=clock.now() + timedelta(days=90))
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE api_key SET created_at = $1", clock.now())
    await clock.advance(timedelta(days=10))
    async with gateway.store.pool.acquire() as conn:
        account_id = await account_id_of(conn, ACCOUNT)
        [listed] = await list_keys(conn, account_id)
        await rotate_key(
            conn,
            account_id,
            listed.id,
            digest=digest_of("new"),
            hint="new",
            ends_at=clock.now() + timedelta(hours=1),
            now=clock.now(),
        )
        _, made = await list_keys(conn, account_id)
    assert made.rules.scopes == SEND
    assert made.rules.expires_at == clock.now() + timedelta(days=90)
    assert (await reports(gateway, old)).status == 200
    await clock.advance(timedelta(hours=1))
    assert (await reports(gateway, old)).status == 401
    assert (await reports(gateway, "App new")).status == 200


async def test_password_opens_for_its_user_alone(gateway: Gateway, user: str) -> None:
    assert (await reports(gateway, basic(user, PASSWORD))).status == 200
    assert (await reports(gateway, basic(user, "wrong"))).status == 401
    assert (await reports(gateway, basic("bob", PASSWORD))).status == 401


async def test_many_first_requests_with_one_password_are_no_guesses(
    gateway: Gateway, user: str
) -> None:
    answers = await asyncio.gather(*(reports(gateway, basic(user, PASSWORD)) for _ in range(40)))
    assert {answer.status for answer in answers} == {200}


async def test_guessing_is_throttled_and_does_not_lock_out_whoever_is_in(
    gateway: Gateway, user: str, clock: FakeClock
) -> None:
    assert (await reports(gateway, basic(user, PASSWORD))).status == 200
    guesses = [(await reports(gateway, basic(user, f"guess {n}"))).status for n in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    last = await reports(gateway, basic(user, "guess"))
    assert int(last.headers["Retry-After"]) == 60
    assert (await reports(gateway, basic(user, PASSWORD))).status == 200
    await clock.advance(timedelta(minutes=1))
    assert (await reports(gateway, basic(user, "guess"))).status == 401


async def test_guesses_made_at_once_count_each(gateway: Gateway, user: str) -> None:
    answers = await asyncio.gather(
        *(reports(gateway, basic(user, f"guess {n}")) for n in range(20))
    )
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 10


async def test_unknown_keys_end_in_429_and_good_ones_go_on(gateway: Gateway) -> None:
    key = await key_with(gateway)
    statuses = [(await reports(gateway, f"App {n}")).status for n in range(61)]
    assert statuses == [401] * 60 + [429]
    assert (await reports(gateway, key)).status == 200


async def test_new_password_ends_the_old_one_and_its_sessions(
    gateway: Gateway, user: str, clock: FakeClock
) -> None:
    session = await a_session(gateway)
    assert (await reports(gateway, basic(user, PASSWORD))).status == 200
    async with gateway.store.pool.acquire() as conn:
        account_id = await account_id_of(conn, ACCOUNT)
        await set_password(conn, account_id, user, hash_password("another password"))
    await clock.advance(timedelta(seconds=1))
    assert (await reports(gateway, basic(user, PASSWORD))).status == 401
    assert (await reports(gateway, session)).status == 401
    assert (await reports(gateway, basic(user, "another password"))).status == 200


async def test_disabled_user_is_out_within_a_second(
    gateway: Gateway, user: str, clock: FakeClock
) -> None:
    session = await a_session(gateway)
    async with gateway.store.pool.acquire() as conn:
        await enable_user(conn, await account_id_of(conn, ACCOUNT), user, enabled=False)
    await clock.advance(timedelta(seconds=1))
    assert (await reports(gateway, session)).status == 401
    assert (await reports(gateway, basic(user, PASSWORD))).status == 401


async def test_session_ends_after_an_hour_without_use(
    gateway: Gateway, user: str, clock: FakeClock
) -> None:
    session = await a_session(gateway)
    for _ in range(3):
        await clock.advance(timedelta(minutes=59))
        assert (await reports(gateway, session)).status == 200
    await clock.advance(timedelta(minutes=60))
    assert (await reports(gateway, session)).status == 401


async def test_session_is_bound_to_its_address_unless_unsafe(gateway: Gateway, user: str) -> None:
    bound, unsafe = await a_session(gateway), await a_session(gateway, unsafe=True)
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    for session, status in ((bound, 401), (unsafe, 200)):
        answer = await gateway.call(
            "GET", "/line/1/reports", authorization=session, headers=elsewhere
        )
        assert answer.status == status


async def test_logging_out_ends_the_session(gateway: Gateway, user: str) -> None:
    session = await a_session(gateway)
    assert (await reports(gateway, session)).status == 200
    out = await gateway.call("DELETE", "/auth/1/session", authorization=session)
    assert (out.status, out.body) == (204, b"")
    assert (await reports(gateway, session)).status == 401
    again = await gateway.call("DELETE", "/auth/1/session", authorization=session)
    assert again.status == 401
    assert again.json["requestError"]["serviceException"]["messageId"] == "UNAUTHORIZED"


async def test_bad_login_is_refused_in_the_older_envelope(gateway: Gateway, user: str) -> None:
    headers = {"Content-Type": "application/json"}
    for body, status in (
        (b"", 400),
        (b"[]", 400),
        (b'{"username":"alice"}', 400),
        (b'{"username":"alice","password":"wrong"}', 401),
        (b'{"username":"a\\u0000","password":"wrong"}', 401),
        (b'{"username":"a","password":"' + b"x" * 20_000 + b'"}', 413),
    ):
        answer = await gateway.call("POST", "/auth/1/session", headers=headers, data=body)
        assert answer.status == status, body
        assert answer.json["requestError"]["serviceException"]["text"]


async def test_logins_of_one_address_are_ten_a_second(gateway: Gateway, user: str) -> None:
    statuses = [
        (await gateway.call("POST", "/auth/1/session", data=b"{}")).status for _ in range(11)
    ]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]


@pytest.mark.parametrize("grant", ["client_credentials", "client_credentials%20"])
async def test_access_token_serves_for_an_hour(
    gateway: Gateway, user: str, clock: FakeClock, grant: str
) -> None:
    secret = PASSWORD.replace(" ", "+")
    answer = await form(gateway, f"client_id=alice&client_secret={secret}&grant_type={grant}")
    assert answer.status == 200
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    bearer = f"Bearer {answer.json['access_token']}"
    await clock.advance(timedelta(minutes=59))
    assert (await reports(gateway, bearer)).status == 200
    await clock.advance(timedelta(minutes=1))
    assert (await reports(gateway, bearer)).status == 401


async def test_client_may_name_itself_in_a_basic_header(gateway: Gateway, user: str) -> None:
    header = basic("alice", PASSWORD.replace(" ", "%20"))
    answer = await form(gateway, "grant_type=client_credentials", Authorization=header)
    assert answer.status == 200


async def test_bad_token_request_is_told_in_both_forms(gateway: Gateway, user: str) -> None:
    grant = "grant_type=client_credentials"
    for text, status, error in (
        ("", 400, "invalid_request"),
        ("grant_type=password&client_id=a&client_secret=b", 400, "unsupported_grant_type"),
        (grant, 400, "invalid_request"),
        (f"{grant}&client_id=a&client_id=b", 400, "invalid_request"),
        (f"{grant}&client_id=a&client_secret=b", 401, "invalid_client"),
        ("client_id=%ff", 400, "invalid_request"),
    ):
        answer = await form(gateway, text)
        assert (answer.status, answer.json["error"]) == (status, error), text
        assert answer.json["requestError"]["serviceException"]["text"]


async def test_session_is_no_access_token_and_the_other_way_round(
    gateway: Gateway, user: str
) -> None:
    session = await a_session(gateway)
    assert (await reports(gateway, session.replace("IBSSO", "Bearer"))).status == 401


async def test_no_secret_is_stored_readable(gateway: Gateway, user: str) -> None:
    session = (await a_session(gateway)).removeprefix("IBSSO ")
    async with gateway.store.pool.acquire() as conn:
        stored = await conn.fetchval("SELECT string_agg(auth_token::text, '') FROM auth_token")
        users = await conn.fetchval("SELECT string_agg(api_user::text, '') FROM api_user")
    assert session not in stored
    assert PASSWORD not in users
