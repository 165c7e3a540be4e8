"""Events that are not ours go on to the bot behind the sender; ours may come through it."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from linegate.cli.keys import create_key
from linegate.domain.ids import read_public_id
from linegate.line.tag import make_tag
from linegate.metrics import Metrics
from linegate.relay.relayer import Relayer
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.gateway import ACCOUNT, CHANNEL_SECRET, SENDER, Answer, Gateway, a_request, running_api

MESSAGE_EVENT = {"type": "message", "webhookEventId": "01", "timestamp": 1, "mode": "active"}
OTHER_DELIVERY = {"type": "delivery", "delivery": {"data": "of-the-bot-itself"}, "timestamp": 1}


class Bot:
    """The customer's bot: remembers what it was sent, answers what it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.calls: list[tuple[bytes, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def take(self, request: web.Request) -> web.Response:
        self.calls.append((await request.read(), request.headers["X-Line-Signature"]))
        await self.go_on.wait()
        return web.Response(status=self.status)


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    made = Bot()
    app = web.Application()
    app.router.add_post("/bot", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/bot"
    yield made
    made.go_on.set()
    await runner.cleanup()


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock, bot: Bot) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        async with running.store.pool.acquire() as conn:
            await conn.execute("UPDATE sender SET relay_url = $1", bot.url)
        yield running


@pytest.fixture
async def relayer(gateway: Gateway, clock: FakeClock) -> AsyncIterator[Relayer]:
    async with WebhookClient(Guard(allow_private=True)) as client:
        made = Relayer(gateway.store.pool, clock, client, Metrics(CollectorRegistry()))
        yield made
        await made.aclose()


def body_of(*events: Any) -> bytes:
    # Spaces and an escape that no encoder of ours would write.
    return json.dumps({"destination": "U1", "events": events}, indent=1).encode() + b" \n"


def signature_of(body: bytes) -> str:
    return base64.b64encode(hmac.digest(CHANNEL_SECRET.encode(), body, "sha256")).decode()


async def line_calls(gateway: Gateway, body: bytes, **headers: str) -> Answer:
    sent = {"Content-Type": "application/json", "x-line-signature": signature_of(body), **headers}
    return await gateway.call("POST", f"/line/webhook/{SENDER}", headers=sent, data=body)


async def forwarded(relayer: Relayer) -> int:
    """One turn of the loop, to its end."""
    count = await relayer.run_once()
    await relayer.aclose()
    return count


async def waiting(gateway: Gateway) -> int:
    async with gateway.store.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM relay"))


@pytest.mark.parametrize("event", [MESSAGE_EVENT, OTHER_DELIVERY, {"type": "unheard-of"}, 17])
async def test_event_of_others_goes_on_unchanged(
    gateway: Gateway, relayer: Relayer, bot: Bot, event: Any
) -> None:
    body = body_of(event)
    assert (await line_calls(gateway, body)).status == 200
    assert await forwarded(relayer) == 1
    assert bot.calls == [(body, signature_of(body))]
    assert await waiting(gateway) == 0


async def test_line_is_answered_before_the_bot_answers(
    gateway: Gateway, relayer: Relayer, bot: Bot
) -> None:
    bot.go_on.clear()
    assert (await line_calls(gateway, body_of(MESSAGE_EVENT))).status == 200
    assert await relayer.run_once() == 1
    assert (await line_calls(gateway, body_of(MESSAGE_EVENT))).status == 200
    bot.go_on.set()
    await relayer.aclose()


async def test_call_of_ours_alone_and_the_empty_one_stay_here(
    gateway: Gateway, relayer: Relayer, bot: Bot
) -> None:
    ours = {"type": "delivery", "delivery": {"data": make_tag(5, 1)}, "timestamp": 1}
    for body in (body_of(), body_of(ours)):
        assert (await line_calls(gateway, body)).status == 200
    assert await forwarded(relayer) == 0
    assert await waiting(gateway) == 0


async def test_call_with_a_wrong_signature_goes_nowhere(
    gateway: Gateway, relayer: Relayer, bot: Bot
) -> None:
    answer = await gateway.call(
        "POST",
        f"/line/webhook/{SENDER}",
        headers={"x-line-signature": "AAAA"},
        data=body_of(MESSAGE_EVENT),
    )
    assert answer.status == 401
    assert await waiting(gateway) == 0


async def test_sender_without_a_bot_keeps_nothing(gateway: Gateway, clock: FakeClock) -> None:
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE sender SET relay_url = NULL")
    assert (await line_calls(gateway, body_of(MESSAGE_EVENT))).status == 200
    assert await waiting(gateway) == 0


async def test_bot_that_is_away_is_tried_again_ever_more_slowly(
    gateway: Gateway, relayer: Relayer, bot: Bot, clock: FakeClock
) -> None:
    bot.status = 500
    body = body_of(MESSAGE_EVENT)
    await line_calls(gateway, body)
    for pause in (1, 2, 4, 8):
        assert await forwarded(relayer) == 1
        assert await forwarded(relayer) == 0
        await clock.advance(timedelta(seconds=pause))
    bot.status = 204
    assert await forwarded(relayer) == 1
    assert len(bot.calls) == 5
    assert {each for each, _ in bot.calls} == {body}
    assert await waiting(gateway) == 0


async def test_call_that_nobody_takes_is_forgotten_after_a_day(
    gateway: Gateway, relayer: Relayer, bot: Bot, clock: FakeClock
) -> None:
    bot.status = 500
    await line_calls(gateway, body_of(MESSAGE_EVENT))
    await forwarded(relayer)
    assert await waiting(gateway) == 1
    await clock.advance(timedelta(hours=24))
    await forwarded(relayer)
    assert await waiting(gateway) == 0


async def test_slow_bot_holds_its_own_places_only(
    gateway: Gateway, relayer: Relayer, bot: Bot, clock: FakeClock
) -> None:
    bot.go_on.clear()
    for _ in range(20):
        await line_calls(gateway, body_of(MESSAGE_EVENT))
    assert await relayer.run_once() == 8
    assert await relayer.run_once() == 0
    bot.go_on.set()
    await relayer.aclose()
    assert await forwarded(relayer) == 8


async def test_address_of_our_own_network_is_not_called(
    gateway: Gateway, bot: Bot, clock: FakeClock
) -> None:
    await line_calls(gateway, body_of(MESSAGE_EVENT))
    async with WebhookClient(Guard(ports=frozenset({int(bot.url.split(":")[2][:-4])}))) as client:
        guarded = Relayer(gateway.store.pool, clock, client, Metrics(CollectorRegistry()))
        assert await forwarded(guarded) == 1
    assert bot.calls == []
    assert await waiting(gateway) == 1


async def test_delivery_event_that_the_bot_relays_ends_the_message(gateway: Gateway) -> None:
    key = "App " + await create_key(gateway.store, ACCOUNT, name="")
    sent = await gateway.call("POST", "/line/1/messages", authorization=key, json=a_request())
    message_id = sent.json["messages"][0]["messageId"]
    number = read_public_id(message_id)
    assert number is not None
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE queue SET step = 'sent', attempt = 1")
    ours = {
        "type": "delivery",
        "delivery": {"data": make_tag(number, 1)},
        "timestamp": 1768467600000,
    }
    # The bot passes the whole call on; what it says of the media type may be lost.
    body = body_of(MESSAGE_EVENT, ours)
    answer = await line_calls(gateway, body, **{"Content-Type": "application/octet-stream"})
    assert answer.status == 200
    pulled = await gateway.call("GET", "/line/1/reports", authorization=key)
    [report] = pulled.json["results"]
    assert (report["messageId"], report["status"]["groupName"]) == (message_id, "DELIVERED")
