"""The Subscriptions API over HTTP: what is kept, what is refused, where messages then report."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from linegate.cli.keys import create_key
from linegate.postgres.identities import KeyRules
from support.certificates import a_client_pem, make_certificates
from support.clock import FakeClock
from support.fault_server import answering, serving
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, a_request, running_api

Json = dict[str, Any]
SUBSCRIPTION = "/subscriptions/1/subscription/LINE"
PROFILES = "/subscriptions/1/profiles"
SECURITY = "/subscriptions/1/security"
CERTIFICATES = "/subscriptions/1/certificates"


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    rules = KeyRules(scopes=frozenset({"message:send", "subscriptions:manage"}))
    return "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)


def a_profile(id_: str = "profile-1", **more: Any) -> Json:
    return {"profileId": id_, "webhook": {"notifyUrl": "https://example.com/reports"}, **more}


def a_subscription(id_: str = "sub-1", profile: Json | None = None, **more: Any) -> Json:
    return {
        "subscriptionId": id_,
        "events": ["DELIVERY"],
        "profile": profile or a_profile(f"profile-of-{id_}"),
        **more,
    }


async def post(gateway: Gateway, key: str, path: str, body: Json) -> Answer:
    return await gateway.call("POST", path, authorization=key, json=body)


async def get(gateway: Gateway, key: str, path: str) -> Answer:
    return await gateway.call("GET", path, authorization=key)


def errors(answer: Answer) -> set[str]:
    found = answer.json["requestError"]["serviceException"]["validationErrors"]
    return set(found)


async def test_a_subscription_brings_its_profile_and_security(gateway: Gateway, key: str) -> None:
    profile = a_profile(
        "p",
        security={
            "authId": "a",
            "type": "BASIC",
            "credentials": {"username": "u", "password": "secret"},
        },
        maxBucketSize=2000,
        windowSize=20,
        connectTimeout=300,
        readTimeout=90000,
        enabledSSLProtocols=["TLSv1.3"],
        headers={"X-Own": "secret"},
        responseRegex="^20[0-4]$",
        rateLimit=5000,
    )
    made = await post(
        gateway, key, SUBSCRIPTION, a_subscription("s", profile, name="Mine", resources=[SENDER])
    )
    assert made.status == 201
    assert made.headers["Location"] == f"{SUBSCRIPTION}/s"
    reference = {"profileId": "p", "security": {"authId": "a"}}
    assert made.json == {"subscriptionId": "s", "profile": reference}
    assert (await get(gateway, key, f"{SUBSCRIPTION}/s")).json == {
        "subscriptionId": "s",
        "name": "Mine",
        "profile": reference,
        "events": ["DELIVERY"],
        "criteria": [],
        "resources": [SENDER],
        "users": [],
    }
    shown = await get(gateway, key, f"{PROFILES}/p")
    assert shown.json["maxBucketSize"] == 2000
    assert shown.json["enabledSSLProtocols"] == ["TLSv1.3"]
    security = await get(gateway, key, f"{SECURITY}/a")
    assert security.json["credentials"] == {"username": "u", "password": "********"}
    assert b"secret" not in shown.body + security.body


async def test_a_secret_given_back_as_it_was_shown_stays_as_it_was(
    gateway: Gateway, key: str
) -> None:
    credentials = {"username": "u", "password": "secret"}
    body = {"authId": "a", "type": "BASIC", "credentials": credentials}
    await post(gateway, key, SECURITY, body)
    shown = (await get(gateway, key, f"{SECURITY}/a")).json
    shown["credentials"]["username"] = "v"
    del shown["authId"]
    put = await gateway.call("PUT", f"{SECURITY}/a", authorization=key, json=shown)
    assert put.status == 200
    async with gateway.store.pool.acquire() as conn:
        sealed = await conn.fetchval("SELECT credentials FROM webhook_security")
    opened = gateway.store.vault.open(sealed, context=f"account:{ACCOUNT}:webhook_security")
    assert "secret" in opened
    assert '"v"' in opened


async def test_lists_come_in_pages(gateway: Gateway, key: str) -> None:
    for number in range(5):
        await post(gateway, key, PROFILES, a_profile(f"p{number}"))
    page = await get(gateway, key, f"{PROFILES}?page=1&size=2")
    assert [each["profileId"] for each in page.json["results"]] == ["p2", "p3"]
    assert page.json["paging"] == {"page": 1, "size": 2, "totalPages": 3, "totalResults": 5}
    assert (await get(gateway, key, f"{PROFILES}?size=101")).status == 400


async def test_subscriptions_are_filtered_by_criteria_and_resource(
    gateway: Gateway, key: str
) -> None:
    criteria = [{"applicationId": "app", "entityId": "ent"}]
    await post(gateway, key, SUBSCRIPTION, a_subscription("one", criteria=criteria))
    await post(gateway, key, SUBSCRIPTION, a_subscription("two", resources=["X"]))
    for query, found in (
        ("applicationId=app", ["one"]),
        ("applicationId=app&entityId=ent", ["one"]),
        ("entityId=other", []),
        ("resource=X", ["two"]),
        ("user=alice", []),
    ):
        answer = await get(gateway, key, f"{SUBSCRIPTION}?{query}")
        assert [each["subscriptionId"] for each in answer.json["results"]] == found, query


async def test_what_is_used_cannot_be_deleted(gateway: Gateway, key: str) -> None:
    security = {"authId": "a", "type": "CUSTOM"}
    profile = a_profile("p", security=security)
    await post(gateway, key, SUBSCRIPTION, a_subscription("s", profile))
    in_order = [f"{SUBSCRIPTION}/s", f"{PROFILES}/p", f"{SECURITY}/a"]
    for path in in_order[1:]:
        assert (await gateway.call("DELETE", path, authorization=key)).status == 400
    for path in in_order:
        assert (await gateway.call("DELETE", path, authorization=key)).status == 200
        assert (await gateway.call("DELETE", path, authorization=key)).status == 404
        assert (await get(gateway, key, path)).status == 404


async def test_the_audit_log_names_the_key_that_changed_something(
    gateway: Gateway, key: str
) -> None:
    profile = a_profile("p", security={"authId": "a", "type": "CUSTOM"})
    pem = base64.b64encode(a_client_pem("anybody").encode()).decode()
    await post(gateway, key, SUBSCRIPTION, a_subscription("s", profile))
    await post(gateway, key, CERTIFICATES, {"certificateId": "c", "certificateContent": pem})
    for path in (f"{SUBSCRIPTION}/s", f"{PROFILES}/p", f"{SECURITY}/a", f"{CERTIFICATES}/c"):
        assert (await gateway.call("DELETE", path, authorization=key)).status == 200
    rows = await gateway.store.pool.fetch("SELECT kind, action, actor FROM audit")
    kinds = ("subscription", "webhook_profile", "webhook_security", "webhook_certificate")
    for kind in kinds:
        said = {(row["action"], row["actor"]) for row in rows if row["kind"] == kind}
        assert said == {("create", "key 1"), ("delete", "key 1")}, kind


@pytest.mark.parametrize(
    ("path", "body", "blamed"),
    [
        (PROFILES, {"webhook": {"notifyUrl": "https://example.com"}}, "profileId"),
        (PROFILES, a_profile("with space"), "profileId"),
        (PROFILES, {"profileId": "p"}, "webhook"),
        (PROFILES, a_profile(webhook={"notifyUrl": "ftp://example.com"}), "webhook.notifyUrl"),
        (PROFILES, a_profile(webhook={"notifyUrl": "http://a.example:22/"}), "webhook.notifyUrl"),
        (PROFILES, a_profile(maxBucketSize=2001), "maxBucketSize"),
        (PROFILES, a_profile(windowSize=19), "windowSize"),
        (PROFILES, a_profile(responseRegex="("), "responseRegex"),
        (PROFILES, a_profile(responseBodyRegex="a" * 501), "responseBodyRegex"),
        (PROFILES, a_profile(headers={"Host": "x"}), "headers.Host"),
        (PROFILES, a_profile(headers={"X": "a\r\nY: b"}), "headers.X"),
        (PROFILES, a_profile(headers={"X Y": "a"}), "headers"),
        (PROFILES, a_profile(security={"authId": "none"}), "security.authId"),
        (PROFILES, a_profile(clientCertificateId="none"), "clientCertificateId"),
        (SECURITY, {"authId": "a"}, "type"),
        (SECURITY, {"authId": "a", "type": "BASIC"}, "credentials.username"),
        (
            SECURITY,
            {
                "authId": "a",
                "type": "HMAC",
                "credentials": {"secretKey": "k", "algorithm": "SHA"},
            },
            "credentials.algorithm",
        ),
        (
            SECURITY,
            {
                "authId": "a",
                "type": "OAUTH",
                "credentials": {"tokenUrl": "file:///etc", "grantType": "client_credentials"},
            },
            "credentials.tokenUrl",
        ),
        (SUBSCRIPTION, a_subscription(users=["alice"]), "users"),
        (SUBSCRIPTION, a_subscription(events=["DELIVERED"]), "events"),
        (SUBSCRIPTION, a_subscription(criteria=[{}]), "criteria[0]"),
        (SUBSCRIPTION, a_subscription(profile={"profileId": "none"}), "profile.webhook"),
        (SUBSCRIPTION, {"events": [], "profile": a_profile()}, "subscriptionId"),
        (CERTIFICATES, {"certificateId": "c", "certificateContent": "!"}, "certificateContent"),
    ],
)
async def test_what_is_wrong_is_named_in_the_older_envelope(
    gateway: Gateway, key: str, path: str, body: Json, blamed: str
) -> None:
    answer = await post(gateway, key, path, body)
    assert answer.status == 400
    assert blamed in errors(answer)


async def test_everything_wrong_with_the_shape_is_told_at_once(gateway: Gateway, key: str) -> None:
    body = {
        "subscriptionId": "a/b",
        "profile": {"webhook": {}, "maxBucketSize": 0, "headers": {"X": 1}},
        "criteria": [{}, {"entityId": 7}],
        "resources": ["S", None],
    }
    assert errors(await post(gateway, key, SUBSCRIPTION, body)) == {
        "subscriptionId",
        "events",
        "profile.webhook.notifyUrl",
        "profile.maxBucketSize",
        "profile.headers[...]",
        "criteria[1].entityId",
        "resources[1]",
    }
    assert errors(await post(gateway, key, SUBSCRIPTION, {})) == {"events", "profile"}
    answer = await post(gateway, key, CERTIFICATES, {})
    assert errors(answer) == {"certificateId", "certificateContent"}


async def test_ids_are_taken_once_and_nothing_of_a_refused_request_is_kept(
    gateway: Gateway, key: str
) -> None:
    await post(gateway, key, SUBSCRIPTION, a_subscription("s"))
    again = await post(gateway, key, SUBSCRIPTION, a_subscription("s", a_profile("new")))
    assert errors(again) == {"subscriptionId"}
    assert (await get(gateway, key, f"{PROFILES}/new")).status == 404


async def test_the_scope_and_the_channel_are_checked(gateway: Gateway, key: str) -> None:
    rules = KeyRules(scopes=frozenset({"message:send"}))
    weak = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    assert (await get(gateway, weak, PROFILES)).status == 403
    assert (await get(gateway, key, "/subscriptions/1/subscription/SMS")).status == 404
    refused = await gateway.call("GET", PROFILES)
    assert refused.json["requestError"]["serviceException"]["messageId"] == "UNAUTHORIZED"


async def test_a_certificate_is_kept_and_its_key_never_shown(
    gateway: Gateway, key: str, tmp_path: Path
) -> None:
    make_certificates(tmp_path)
    pem = (tmp_path / "certificate.pem").read_bytes() + (tmp_path / "key.pem").read_bytes()
    content = base64.b64encode(pem).decode()
    body = {"certificateId": "c", "certificateContent": content}
    answer = await post(gateway, key, CERTIFICATES, body)
    assert (answer.status, answer.json) == (201, {"certificateId": "c", "status": "READY"})
    shown = await get(gateway, key, f"{CERTIFICATES}/c")
    assert shown.json["certificateStatus"] == "READY"
    assert shown.json["issuedBy"] == "CN=test authority"
    assert b"PRIVATE" not in shown.body


async def test_a_certificate_can_be_tried_on_a_url(
    database_url: str, clock: FakeClock, tmp_path: Path
) -> None:
    make_certificates(tmp_path)
    pem = (tmp_path / "certificate.pem").read_bytes() + (tmp_path / "key.pem").read_bytes()
    content = base64.b64encode(pem).decode()
    async with (
        running_api(database_url, clock, webhook_allow_private="1") as gateway,
        serving(answering()) as good,
        serving(answering(403)) as bad,
    ):
        rules = KeyRules(scopes=frozenset({"subscriptions:manage"}))
        key = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
        await post(
            gateway, key, CERTIFICATES, {"certificateId": "c", "certificateContent": content}
        )
        path = f"{CERTIFICATES}/test/webhook"
        answer = await post(gateway, key, path, {"certificateId": "c", "webhookUrl": good.url})
        assert answer.json["result"] == "SUCCESS"
        answer = await post(gateway, key, path, {"certificateId": "c", "webhookUrl": bad.url})
        assert (answer.json["result"], answer.json["failReasons"]) == ("FAIL", ["answered 403"])
        answer = await post(gateway, key, path, {"certificateId": "d", "webhookUrl": good.url})
        assert answer.status == 404


async def endpoint_of(gateway: Gateway, key: str, **more: Any) -> str | None:
    """The URL that the next message's report goes to."""
    sent = await gateway.call("POST", "/line/1/messages", authorization=key, json=a_request(**more))
    assert sent.status == 200, sent.body
    async with gateway.store.pool.acquire() as conn:
        url: str | None = await conn.fetchval(
            "SELECT url FROM queue LEFT JOIN endpoint ON endpoint.id = endpoint_id"
            " ORDER BY queue.id DESC LIMIT 1"
        )
    return url


async def test_the_most_specific_subscription_gets_the_report(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    for name, more in (
        ("all", {}),
        ("sender", {"resources": [SENDER]}),
        ("app", {"criteria": [{"applicationId": "a"}]}),
        ("both", {"criteria": [{"applicationId": "a", "entityId": "e"}]}),
        ("inbound", {"events": ["INBOUND_MESSAGE"], "criteria": [{"applicationId": "i"}]}),
        ("foreign", {"resources": ["SOMEBODY"]}),
    ):
        profile = a_profile(f"p-{name}", webhook={"notifyUrl": f"https://example.com/{name}"})
        await post(gateway, key, SUBSCRIPTION, a_subscription(name, profile, **more))

    def platform(**ids: str) -> Json:
        return {"options": {"platform": ids}}

    assert await endpoint_of(gateway, key) == "https://example.com/sender"
    assert await endpoint_of(gateway, key, **platform(applicationId="a")) == (
        "https://example.com/app"
    )
    assert await endpoint_of(gateway, key, **platform(applicationId="a", entityId="e")) == (
        "https://example.com/both"
    )
    assert await endpoint_of(gateway, key, **platform(applicationId="i")) == (
        "https://example.com/sender"
    )
    own = {"webhooks": {"delivery": {"url": "https://example.com/own"}}}
    assert await endpoint_of(gateway, key, **own) == "https://example.com/own"
    assert await endpoint_of(gateway, key, webhooks={"delivery": {"notify": False}}) is None
