"""What endpoints with profiles are sent: credentials, tokens, certificates, patterns."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.subscriptions import delete_profile, put_profile_endpoint
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard
from support.certificates import make_certificates
from support.clock import FakeClock
from support.fault_server import Connection, FaultServer, Received, answering, serving
from support.reports import Scene, given_account

Json = dict[str, Any]


async def profile_endpoint(
    scene: Scene,
    url: str,
    settings: Json | None = None,
    *,
    security: tuple[str, Json] | None = None,
    certificate: Json | None = None,
) -> int:
    """An endpoint with a profile; nothing is sealed."""
    async with scene.pool.acquire() as conn:
        if security is not None:
            await conn.execute(
                "INSERT INTO webhook_security VALUES ($1, 'auth', $2, $3, now())",
                scene.account_id,
                security[0],
                json.dumps(security[1]).encode(),
            )
        if certificate is not None:
            await conn.execute(
                "INSERT INTO webhook_certificate"
                " VALUES ($1, 'cert', $2, '', '', '', now(), now(), now())",
                scene.account_id,
                json.dumps(certificate).encode(),
            )
        await conn.execute(
            "INSERT INTO webhook_profile VALUES ($1, 'profile', $2, $3, $4, now())",
            scene.account_id,
            json.dumps(settings or {}).encode(),
            "auth" if security else None,
            "cert" if certificate else None,
        )
        id_: int = await conn.fetchval(
            "INSERT INTO endpoint (account_id, profile_id, url, created_at)"
            " VALUES ($1, 'profile', $2, now()) RETURNING id",
            scene.account_id,
            url,
        )
    return id_


@asynccontextmanager
async def a_pusher(pool: Pool, clock: FakeClock) -> AsyncIterator[Pusher]:
    async with WebhookClient(Guard(allow_private=True)) as client:
        metrics = Metrics(CollectorRegistry())
        yield Pusher(pool, clock, client, lambda _, __, sealed: sealed.decode(), metrics)


async def push(pool: Pool, clock: FakeClock) -> None:
    async with a_pusher(pool, clock) as pusher:
        await pusher.run_once()
        await asyncio.gather(*pusher._turns)


async def pushed(
    pool: Pool,
    clock: FakeClock,
    settings: Json | None = None,
    *,
    security: tuple[str, Json] | None = None,
    server: FaultServer,
    count: int = 1,
) -> Scene:
    scene = await given_account(pool, clock.now())
    endpoint = await profile_endpoint(scene, server.url, settings, security=security)
    await scene.finished(count, now=clock.now(), endpoint_id=endpoint)
    await push(pool, clock)
    return scene


async def test_basic(pool: Pool, clock: FakeClock) -> None:
    async with serving(answering()) as server:
        basic = ("BASIC", {"username": "u", "password": "p"})
        await pushed(
            pool, clock, {"headers": {"authorization": "lost"}}, security=basic, server=server
        )
    (request,) = server.requests
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize("name", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
async def test_hmac_covers_time_and_body(pool: Pool, clock: FakeClock, name: str) -> None:
    algorithm = "HMAC_" + {"md5": "MD5", "sha1": "SHA_1"}.get(name, f"SHA_{name[3:]}")
    async with serving(answering()) as server:
        security = ("HMAC", {"secretKey": "key", "algorithm": algorithm})
        await pushed(pool, clock, security=security, server=server)
    (request,) = server.requests
    timestamp = request.headers["x-linegate-timestamp"]
    assert timestamp == str(int(clock.now().timestamp()))
    signed = hmac.new(b"key", timestamp.encode() + b"." + request.body, getattr(hashlib, name))
    assert request.headers["x-linegate-signature"] == signed.hexdigest()


async def test_custom_headers_go_with_every_push(pool: Pool, clock: FakeClock) -> None:
    async with serving(answering()) as server:
        await pushed(
            pool, clock, {"headers": {"X-Api-Key": "k"}}, security=("CUSTOM", {}), server=server
        )
    (request,) = server.requests
    assert request.headers["x-api-key"] == "k"
    assert "webhook-signature" in request.headers


async def test_oauth_asks_for_one_token_and_for_another_when_it_is_refused(
    pool: Pool, clock: FakeClock
) -> None:
    seen: list[Received] = []

    async def tokens(connection: Connection) -> None:
        while True:
            seen.append(await connection.read_request())
            granted = {"access_token": f"t{len(seen)}", "token_type": "Bearer", "expires_in": 3600}
            await connection.answer(200, json.dumps(granted).encode())

    async def receiver(connection: Connection) -> None:
        while True:
            request = await connection.read_request()
            await connection.answer(401 if request.headers["authorization"] == "Bearer t1" else 200)

    async with serving(tokens) as issuer, serving(receiver) as server:
        scene = await given_account(pool, clock.now())
        oauth = {
            "tokenUrl": issuer.url + "/token",
            "grantType": "client_credentials ",
            "clientId": "id",
            "clientSecret": "s&s",
        }
        endpoint = await profile_endpoint(scene, server.url, security=("OAUTH", oauth))
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        async with a_pusher(pool, clock) as pusher:
            for _ in range(2):
                await pusher.run_once()
                await asyncio.gather(*pusher._turns)
                await clock.advance(timedelta(minutes=1))
            await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
            await pusher.run_once()
            await asyncio.gather(*pusher._turns)
    assert [r.headers["authorization"] for r in server.requests] == [
        "Bearer t1",
        "Bearer t2",
        "Bearer t2",
    ]
    assert len(seen) == 2
    assert seen[0].body == b"grant_type=client_credentials&client_id=id&client_secret=s%26s"


@pytest.mark.parametrize(
    ("settings", "code", "body", "is_taken"),
    [
        ({"responseRegex": "^20[01]$"}, 200, b"", True),
        ({"responseRegex": "^20[01]$"}, 202, b"", False),
        ({"responseRegex": "404"}, 404, b"", True),
        ({"responseRegex": "."}, 302, b"", False),
        ({"responseBodyRegex": '"ok": *true'}, 200, b'{"ok": true}', True),
        ({"responseBodyRegex": '"ok": *true'}, 200, b'{"ok": false}', False),
        ({"responseBodyRegex": "x"}, 200, b"y" * 70_000 + b"x", False),
        ({"responseBodyRegex": "(a*)*b"}, 200, b"a" * 60_000, False),
    ],
)
async def test_the_profile_says_which_answers_count(
    pool: Pool, clock: FakeClock, settings: Json, code: int, body: bytes, is_taken: bool
) -> None:
    async with serving(answering(code, body)) as server:
        scene = await pushed(pool, clock, settings, server=server)
    assert (await scene.waiting() == []) is is_taken


async def test_the_bucket_size_bounds_a_post(pool: Pool, clock: FakeClock) -> None:
    async with serving(answering()) as server:
        await pushed(pool, clock, {"maxBucketSize": 3}, server=server, count=7)
    assert sorted(len(json.loads(r.body)["results"]) for r in server.requests) == [1, 3, 3]


async def test_the_rate_limit_spaces_posts(pool: Pool, clock: FakeClock) -> None:
    async with serving(answering()) as server:
        scene = await given_account(pool, clock.now())
        settings = {"maxBucketSize": 1, "rateLimit": 1}
        endpoint = await profile_endpoint(scene, server.url, settings)
        await scene.finished(3, now=clock.now(), endpoint_id=endpoint)
        pushing = asyncio.create_task(push(pool, clock))
        for count in (1, 2):
            await clock.until_somebody_sleeps()
            assert len(server.requests) <= count
            await clock.advance(timedelta(seconds=1))
        await asyncio.wait_for(pushing, 10)
    assert len(server.requests) == 3


@pytest.mark.parametrize("is_shown", [True, False])
async def test_a_certificate_is_shown_to_who_wants_to_see_it(
    pool: Pool,
    clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_shown: bool,
) -> None:
    made = make_certificates(tmp_path)
    (tmp_path / "ca.pem").write_bytes(made.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))  # what the machine trusts
    made.server.verify_mode = ssl.CERT_REQUIRED
    made.server.load_verify_locations(cadata=made.ca_pem.decode())
    pem = (tmp_path / "certificate.pem").read_text() + (tmp_path / "key.pem").read_text()
    async with serving(answering(), tls=made.server) as server:
        scene = await given_account(pool, clock.now())
        endpoint = await profile_endpoint(
            scene,
            server.url,
            {"enabledSSLProtocols": ["TLSv1.2"]},
            certificate={"pem": pem} if is_shown else None,
        )
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push(pool, clock)
    assert len(server.requests) == is_shown
    assert (await scene.waiting() == []) is is_shown


async def test_a_token_url_cannot_reach_our_own_network(pool: Pool, clock: FakeClock) -> None:
    async with serving(answering()) as issuer:
        scene = await given_account(pool, clock.now())
        oauth = {
            "tokenUrl": issuer.url.replace("http://127.0.0.1", "http://[::ffff:127.0.0.1]"),
            "grantType": "client_credentials",
        }
        endpoint = await profile_endpoint(scene, "https://example.com/", security=("OAUTH", oauth))
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        port = int(issuer.url.rpartition(":")[2])
        async with WebhookClient(Guard(ports=frozenset({443, port}))) as client:
            metrics = Metrics(CollectorRegistry())
            pusher = Pusher(pool, clock, client, lambda _, __, sealed: sealed.decode(), metrics)
            await pusher.run_once()
            await asyncio.gather(*pusher._turns)
    assert issuer.connections == 0
    async with pool.acquire() as conn:
        detail = await conn.fetchval("SELECT detail FROM push_try")
    assert detail == "no token: the address is not a public one"


async def test_what_waits_goes_to_the_new_url_and_nowhere_once_the_profile_is_gone(
    pool: Pool, clock: FakeClock
) -> None:
    async with serving(answering()) as old, serving(answering()) as new:
        scene = await given_account(pool, clock.now())
        endpoint = await profile_endpoint(scene, old.url)
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        async with pool.acquire() as conn:
            await put_profile_endpoint(
                conn,
                scene.account_id,
                "profile",
                url=new.url,
                content_type="application/json",
                now=clock.now(),
            )
        await push(pool, clock)
        assert (len(old.requests), len(new.requests)) == (0, 1)
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        async with pool.acquire() as conn:
            await delete_profile(conn, scene.account_id, "profile", now=clock.now())
        await push(pool, clock)
        assert (len(old.requests), len(new.requests)) == (0, 1)
    (row,) = await scene.waiting()
    assert row["given_up_at"] is not None
