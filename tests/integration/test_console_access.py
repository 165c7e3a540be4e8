"""Keys and client certificates in the console: over HTTP, as a browser without pictures."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linegate.cli.keys import create_key
from linegate.domain.policy import Limits
from linegate.postgres.identities import KeyListed, KeyRules, list_keys
from support.certificates import a_client_pem
from support.clock import FakeClock
from support.console import Visitor, logged_in
from support.fault_server import answering, serving
from support.gateway import ACCOUNT, Gateway, running_api

KEYS = "/console/keys"
CERTIFICATES = "/console/webhooks/certificates"
PROFILES = "/console/webhooks/profiles"
RULES = {
    "name": "shop",
    "scope": "message:send",
    "addresses": "192.0.2.0/24\n2001:db8::1",
    "application": "web",
    "entity": "tokyo",
    "entity_forced": "1",
    "requestsPerSecond": "20",
    "messagesPerDay": "1000",
    "messagesWaiting": "50",
}


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def alice(gateway: Gateway, clock: FakeClock) -> Visitor:
    return await logged_in(gateway, clock, "alice", ACCOUNT)


async def keys_of(gateway: Gateway) -> list[KeyListed]:
    async with gateway.store.pool.acquire() as conn:
        return await list_keys(conn, 1)


async def audit(gateway: Gateway, kind: str) -> list[tuple[Any, ...]]:
    sql = "SELECT actor, action FROM audit WHERE kind = $1 ORDER BY id"
    return [tuple(row) for row in await gateway.store.pool.fetch(sql, kind)]


# Keys ---------------------------------------------------------------------------------------------


async def test_a_key_is_made_with_limits_and_then_given_other_rules(
    gateway: Gateway, alice: Visitor
) -> None:
    made = await alice.post(KEYS, name="shop", scope="line:manage", messagesPerDay="0", days="9")
    assert b"The new key, shown this once" in made.body
    [key] = await keys_of(gateway)
    assert key.limits == Limits(None, 0, None)
    assert key.rules.scopes == {"line:manage"}
    changed = await alice.post(f"{KEYS}/change", key="1", expires="2027-02-01T09:30", **RULES)
    assert changed.status == 303, changed.body
    [key] = await keys_of(gateway)
    assert key.limits == Limits(20, 1000, 50)
    assert key.rules.expires_at == datetime(2027, 2, 1, 9, 30, tzinfo=UTC)
    assert sorted(map(str, key.rules.networks)) == ["192.0.2.0/24", "2001:db8::1/128"]
    assert key.rules.application is not None
    assert (key.rules.application.value, key.rules.application.forced) == ("web", False)
    assert key.rules.entity is not None
    assert (key.rules.entity.value, key.rules.entity.forced) == ("tokyo", True)
    shown = await alice.get(changed.headers["Location"])
    assert "1\u202f000 messages a day".encode() in shown.body
    form = (await alice.get(f"{KEYS}?key=1")).body
    assert b'name="expires" value="2027-02-01T09:30"' in form
    assert b'value="1" selected>always' in form
    noted = await audit(gateway, "api_key")
    assert set(noted) == {
        ("user alice (console)", "create"),
        ("user alice (console)", "change"),
    }


async def test_what_a_form_shows_of_a_key_and_nobody_changes_stays_as_it_is(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    ends = clock.now() + timedelta(days=3, seconds=17, microseconds=1)
    rules = KeyRules(frozenset({"line:manage"}), expires_at=ends)
    await create_key(gateway.store, ACCOUNT, name="t", rules=rules)
    form = (await alice.get(f"{KEYS}?key=1")).body.decode()
    shown = re.search(r'name="expires" value="([^"]+)"', form)
    assert shown is not None
    await alice.post(f"{KEYS}/change", key="1", name="t", scope="line:manage", expires=shown[1])
    [key] = await keys_of(gateway)
    assert key.rules == rules
    assert key.limits == Limits()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"messagesPerDay": "many"}, b"Messages a day must be"),
        ({"requestsPerSecond": "0"}, b"Requests a second must be"),
        ({"addresses": "192.0.2.0/99"}, b"allowed addresses"),
        ({"addresses": "the office"}, b"Addresses must be"),
        ({"scope": "operator:manage"}, b"at least one scope"),
        ({"expires": "tomorrow"}, b"Ends must be"),
    ],
)
async def test_a_rule_that_is_none_changes_nothing(
    gateway: Gateway, alice: Visitor, wrong: dict[str, str], words: bytes
) -> None:
    await alice.post(KEYS, name="old", scope="line:manage")
    answer = await alice.post(f"{KEYS}/change", key="1", **{**RULES, **wrong})
    assert answer.status == 400
    assert words in answer.body
    assert [key.name for key in await keys_of(gateway)] == ["old"]


async def test_a_rotated_key_is_shown_once_and_the_old_one_ends_in_a_day(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    await alice.post(KEYS, name="shop", scope="line:manage", messagesWaiting="5")
    answer = await alice.post(f"{KEYS}/rotate", key="1")
    found = re.search(rb'class="key">([^<]+)<', answer.body)
    assert found is not None
    old, new = await keys_of(gateway)
    assert old.rules.expires_at == clock.now() + timedelta(days=1)
    assert (new.limits, new.name) == (Limits(waiting=5), "shop")
    used = await gateway.call("GET", "/line/1/reports", authorization="App " + found[1].decode())
    assert used.status == 200
    assert found[1] not in (await alice.get(KEYS)).body
    await alice.post(f"{KEYS}/switch", key="2", enabled="0")
    assert (await alice.post(f"{KEYS}/rotate", key="2")).status == 400


async def test_only_an_operator_has_a_hand_on_a_key_of_operators(
    gateway: Gateway, clock: FakeClock, alice: Visitor
) -> None:
    above = KeyRules(frozenset({"operator:manage", "line:manage"}))
    await create_key(gateway.store, ACCOUNT, name="ops", rules=above)
    assert b"an operator changes it" in (await alice.get(f"{KEYS}?key=1")).body
    assert (await alice.post(f"{KEYS}/change", key="1", **RULES)).status == 400
    assert (await alice.post(f"{KEYS}/rotate", key="1")).status == 400
    assert (await alice.post(f"{KEYS}/switch", key="1", enabled="0")).status == 303
    assert (await alice.post(f"{KEYS}/switch", key="1", enabled="1")).status == 400
    [key] = await keys_of(gateway)
    assert (key.rules, key.enabled) == (above, False)
    operator = await logged_in(gateway, clock, "ops", ACCOUNT, is_operator=True)
    assert b'value="operator:manage" checked' in (await operator.get(f"{KEYS}?key=1")).body
    given = {**RULES, "scope": "operator:manage"}
    assert (await operator.post(f"{KEYS}/change", key="1", **given)).status == 303
    [key] = await keys_of(gateway)
    assert key.rules.scopes == {"operator:manage"}


# Client certificates ------------------------------------------------------------------------------


async def test_a_certificate_is_kept_used_by_a_profile_and_deleted(
    gateway: Gateway, alice: Visitor
) -> None:
    pem = a_client_pem("the shop", "a  secret ")
    given = {"certificate": "shop", "pem": pem, "passphrase": "a  secret "}
    kept = await alice.post(CERTIFICATES, **given)
    assert kept.status == 303, kept.body
    page = (await alice.get(PROFILES)).body
    assert b"CN=the shop" in page
    assert b"PRIVATE KEY" not in page
    assert (await alice.post(CERTIFICATES, **given)).status == 400
    profile = {"profile": "p", "url": "https://example.com/r", "certificate": "shop"}
    assert (await alice.post(PROFILES, **profile)).status == 303
    used = await alice.post(f"{CERTIFICATES}/delete", certificate="shop")
    assert used.status == 400
    assert b"a profile uses it" in used.body
    await alice.post(f"{PROFILES}/delete", profile="p")
    assert (await alice.post(f"{CERTIFICATES}/delete", certificate="shop")).status == 303
    assert (await alice.post(f"{CERTIFICATES}/delete", certificate="shop")).status == 404
    actors = [("user alice (console)", action) for action in ("create", "delete")]
    assert await audit(gateway, "webhook_certificate") == actors


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pem": "hello"}, b"The text must hold a certificate and its private key"),
        ({"passphrase": "another"}, b"The text must hold a certificate and its private key"),
        ({"certificate": ""}, b"The id must"),
        ({"pem": ""}, b"The text must"),
    ],
)
async def test_what_is_no_certificate_is_not_kept(
    gateway: Gateway, alice: Visitor, wrong: dict[str, str], words: bytes
) -> None:
    pem = a_client_pem("the shop", "secret")
    given = {"certificate": "shop", "pem": pem, "passphrase": "secret", **wrong}
    answer = await alice.post(CERTIFICATES, **given)
    assert answer.status == 400
    assert words in answer.body
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM webhook_certificate") == 0


async def test_a_certificate_is_tried_on_a_url(database_url: str, clock: FakeClock) -> None:
    async with (
        running_api(database_url, clock, webhook_allow_private="1") as gateway,
        serving(answering()) as good,
        serving(answering(403)) as bad,
    ):
        alice = await logged_in(gateway, clock, "alice", ACCOUNT)
        await alice.post(CERTIFICATES, certificate="shop", pem=a_client_pem("the shop"))
        tried = await alice.post(f"{CERTIFICATES}/try", certificate="shop", url=good.url)
        assert tried.status == 303
        said = await alice.get(tried.headers["Location"])
        assert f"{good.url} takes the certificate shop." in said.body.decode()
        tried = await alice.post(f"{CERTIFICATES}/try", certificate="shop", url=bad.url)
        assert (tried.status, b"answered 403" in tried.body) == (400, True)
        tried = await alice.post(f"{CERTIFICATES}/try", certificate="other", url=good.url)
        assert tried.status == 404
