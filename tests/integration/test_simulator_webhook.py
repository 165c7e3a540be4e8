"""How the simulator calls a webhook that does not behave."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from linegate.simulator.events import EventSender, WebhookClient, delivery_event
from linegate.simulator.settings import SimulatorSettings

SECRET = "8c570fa6dd201bb328f1c1eac23a96d8"


class SlowWebhook:
    """Answers nobody until it is told to; knows how many calls were open at once."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.open = self.most_open = self.events = 0
        self.entered = asyncio.Semaphore(0)
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.events += len((await request.json())["events"])
        self.entered.release()
        await self.go_on.wait()
        self.open -= 1
        return web.Response()


@pytest.fixture
async def webhook() -> AsyncIterator[SlowWebhook]:
    hook = SlowWebhook()
    app = web.Application()
    app.router.add_post("/", hook.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield hook
    hook.go_on.set()
    await runner.cleanup()


async def test_a_webhook_that_answers_too_late_counts_as_timed_out(webhook: SlowWebhook) -> None:
    client = WebhookClient(timeout=0.05)
    assert await client.post(webhook.url, SECRET, b'{"events":[]}') == ("request_timeout", 0)
    await client.close()


async def test_a_webhook_that_is_not_there_counts_as_not_connected() -> None:
    client = WebhookClient(timeout=2)
    assert (await client.post("http://127.0.0.1:1/", SECRET, b"{}"))[0] == "could_not_connect"
    await client.close()


async def test_a_url_that_is_none_is_unclassified() -> None:
    client = WebhookClient(timeout=2)
    assert (await client.post("nonsense", SECRET, b"{}"))[0] == "unclassified"
    await client.close()


async def test_calls_under_way_are_bounded_and_what_waits_leaves_in_full_calls(
    webhook: SlowWebhook,
) -> None:
    client = WebhookClient(timeout=5)
    settings = SimulatorSettings(event_calls=2, events_per_call=10, linger=0.0)
    sender = EventSender(client, bot="U0", secret=SECRET, settings=settings)
    sender.url = webhook.url
    for number in range(100):
        sender.put(delivery_event(f'"tag-{number:016d}"', 1_700_000_000.0))
    async with asyncio.timeout(5):
        for _ in range(2):
            await webhook.entered.acquire()
        assert sender.waiting == 80
        webhook.go_on.set()
        for _ in range(8):
            await webhook.entered.acquire()
    assert (webhook.events, webhook.most_open) == (100, 2)
    await sender.close()
    await client.close()


async def test_without_a_webhook_events_are_only_counted() -> None:
    client = WebhookClient(timeout=2)
    sender = EventSender(client, bot="U0", secret=SECRET, settings=SimulatorSettings())
    sender.put(delivery_event('"tag-0123456789abcdef"', 1_700_000_000.0))
    assert (sender.counts["no_webhook"], sender.waiting) == (1, 0)
    await sender.close()
