"""The simulator over HTTP: what the real platform refuses, each fate, limits and counts."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from starlette.requests import Request
from starlette.responses import Response

from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.fates import FATES, Fate
from linegate.simulator.numbers import digest_of
from linegate.simulator.replies import local_only
from linegate.simulator.settings import ChannelSettings, SimulatorSettings

FLEXIBLE = "/bot/pnp/push"
TEMPLATED = "/v2/bot/message/pnp/templated/push"
TAG = "tag-0123456789abcdef"
MESSAGE = {
    "type": "flex",
    "altText": "Your parcel",
    "contents": {
        "type": "bubble",
        "body": {
            "type": "box",
            "layout": "vertical",
            "contents": [{"type": "text", "text": "is on its way"}],
        },
    },
}
CHANNEL = ChannelSettings("1001", "secret-1001", access_token="token-1001")
UNENTITLED = ChannelSettings("1002", "s", access_token="token-1002", flexible=False)


class Webhook:
    """A bot server that keeps every call and answers what it is told to."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[dict[str, Any], str]] = asyncio.Queue()
        self.status = 200
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self.calls.put((body, request.headers["x-line-signature"]))
        return web.Response(status=self.status)

    async def next_events(self) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            body, _ = await self.calls.get()
        events: list[dict[str, Any]] = body["events"]
        return events


class Client:
    """Speaks to the simulator as a bot server would."""

    def __init__(self, sim: RunningSimulator, session: aiohttp.ClientSession) -> None:
        self.sim, self.session = sim, session

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.sim.url + path, **more) as answer:
            assert path[1:4] in ("sim", "sub") or answer.headers["x-line-request-id"]
            return answer.status, json.loads(await answer.read() or b"null")

    async def push(self, number: str = "818000001234", **more: Any) -> tuple[int, Any]:
        body = more.pop("body", None) or {"to": digest_of(number), "messages": [MESSAGE]}
        headers = {
            "Authorization": "Bearer token-1001",
            "Content-Type": "application/json",
            "X-Line-Delivery-Tag": TAG,
        } | more.pop("headers", {})
        data = more.pop("data", None) or json.dumps(body)
        path = more.pop("path", FLEXIBLE)
        return await self.call("POST", path, data=data, headers=headers, **more)

    async def stats(self, channel: str = "1001") -> Any:
        _, answer = await self.call("GET", "/simulator/stats")
        return answer["channels"][channel]


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield hook
    await runner.cleanup()


@pytest.fixture
async def client(webhook: Webhook) -> AsyncIterator[Client]:
    settings = SimulatorSettings(
        channels=(CHANNEL, UNENTITLED), delay_factor=0.01, hold=0.1, linger=0.001
    )
    async with running(settings) as sim, aiohttp.ClientSession() as session:
        sim.app.channels.by_id["1001"].events.url = webhook.url
        yield Client(sim, session)


async def test_a_flexible_message_is_taken_and_its_delivery_told(
    client: Client, webhook: Webhook
) -> None:
    assert await client.push() == (200, {})
    (event,) = await webhook.next_events()
    assert event["type"] == "delivery"
    assert event["delivery"] == {"data": TAG}


async def test_a_template_message_is_taken_with_202(client: Client, webhook: Webhook) -> None:
    body = {"to": digest_of("818000001234"), "templateKey": "shipment_completed_ja"}
    assert await client.push(path=TEMPLATED, body=body) == (202, {})
    assert len(await webhook.next_events()) == 1


async def test_without_a_tag_the_event_carries_the_hash(client: Client, webhook: Webhook) -> None:
    digest = digest_of("818000001234")
    headers = {"Authorization": "Bearer token-1001"}
    body = {"to": digest, "messages": [MESSAGE]}
    await client.call("POST", FLEXIBLE, json=body, headers=headers)
    (event,) = await webhook.next_events()
    assert event["delivery"] == {"data": digest}


REFUSED: list[tuple[int, str, dict[str, Any]]] = [
    (400, "The request body has 1 error(s)", {"body": {"to": "+8180", "messages": [MESSAGE]}}),
    (400, "retry key is not supported", {"headers": {"X-Line-Retry-Key": "x"}}),
    (400, "Delivery-Tag", {"headers": {"X-Line-Delivery-Tag": "t" * 15}}),
    (400, "Delivery-Tag", {"headers": {"X-Line-Delivery-Tag": "t" * 101}}),
    (400, "could not be parsed as JSON (line: 1, column: 2)", {"data": "{nonsense"}),
    (400, "The property, 'to',", {"body": {"messages": [MESSAGE]}}),
    (400, "The property, 'more',", {"body": {"to": "x", "messages": [], "more": 1}}),
    (
        400,
        "customAggregationUnits",
        {"body": {"to": "x", "messages": [], "customAggregationUnits": ["a", "b"]}},
    ),
    (400, "1 error(s)", {"body": {"to": digest_of("1"), "messages": []}}),
    (401, "Authentication failed due to", {"headers": {"Authorization": "Bearer nobody"}}),
    (403, "Access to this API is not", {"headers": {"Authorization": "Bearer token-1002"}}),
    (413, "Payload too large", {"data": io.BytesIO(b'{"to":"' + b"x" * 2_100_000)}),
    (415, "Unsupported media type", {"headers": {"Content-Type": "text/plain"}}),
    (
        400,
        "Invalid templateKey: nope",
        {"path": TEMPLATED, "body": {"to": digest_of("1"), "templateKey": "nope"}},
    ),
]


@pytest.mark.parametrize(("status", "text", "request_"), REFUSED)
async def test_what_line_refuses_is_refused_and_reaches_no_phone(
    client: Client, status: int, text: str, request_: dict[str, Any]
) -> None:
    answered, body = await client.push(**request_)
    assert answered == status
    assert text in body["message"]
    _, shown = await client.call("GET", "/simulator/messages")
    assert shown["messages"] == []


def _ending(fate: Fate) -> str:
    return "81901000" + "12" + fate.digits[:2]


@pytest.mark.parametrize("fate", [f for f in FATES if f.digits], ids=lambda fate: fate.name)
async def test_each_ending_meets_its_fate(client: Client, webhook: Webhook, fate: Fate) -> None:
    if fate.answer < 0:
        with pytest.raises(aiohttp.ClientError):
            await client.push(_ending(fate))
    else:
        status, body = await client.push(_ending(fate))
        assert status == (fate.answer or 200)
        assert body.get("message", "") == fate.text
    events = [(await webhook.next_events())[0] for _ in range(fate.events)]
    assert len({event["webhookEventId"] for event in events}) == min(fate.events, 1)
    stats = await client.stats()
    assert stats["fates"] == {fate.name: 1}
    answered = {-1: "none", -2: "closed"}.get(fate.answer, str(fate.answer or 200))
    assert stats["answers"] == {answered: 1}
    assert stats["taken"] == int(fate.processed)
    assert stats["delivered"] == min(fate.events, 1)


async def test_a_number_refused_once_is_taken_the_second_time(
    client: Client, webhook: Webhook
) -> None:
    assert (await client.push("819010001294"))[0] == 429
    assert (await client.push("819010001294"))[0] == 200
    assert len(await webhook.next_events()) == 1


async def test_an_early_event_comes_before_the_answer(client: Client, webhook: Webhook) -> None:
    await client.push("819010001284")
    assert webhook.calls.qsize() == 1


async def test_an_overtaken_event_follows_a_later_one(client: Client, webhook: Webhook) -> None:
    client.sim.app.platform.settings = replace(client.sim.app.platform.settings, delay_factor=1.0)
    await client.push("819010001285", headers={"X-Line-Delivery-Tag": "first-" + TAG})
    await client.push("819010001200", headers={"X-Line-Delivery-Tag": "second-" + TAG})
    tags = [event["delivery"]["data"] for event in await webhook.next_events()]
    assert tags == ["second-" + TAG, "first-" + TAG]


async def test_requests_above_the_rate_are_answered_429(client: Client) -> None:
    await client.call("PUT", "/simulator/fate", json={"rateLimit": 3})
    answers = [(await client.push())[0] for _ in range(5)]
    assert answers.count(200) >= 3
    assert 429 in answers


async def test_a_switch_gives_every_message_one_fate_until_it_ends(client: Client) -> None:
    assert (await client.call("PUT", "/simulator/fate", json={"all": "500"}))[0] == 200
    assert (await client.push())[0] == 500
    await client.call("PUT", "/simulator/fate", json={"all": "normal"})
    assert (await client.push())[0] == 200


async def test_answers_take_longer_for_as_long_as_they_are_told_to(
    client: Client, webhook: Webhook
) -> None:
    await client.call("PUT", "/simulator/fate", json={"answerAfter": 0.4})
    began = asyncio.get_running_loop().time()
    assert (await client.push())[0] == 200
    assert asyncio.get_running_loop().time() - began >= 0.4
    assert len(await webhook.next_events()) == 1  # and the phone has it no sooner
    await client.call("PUT", "/simulator/fate", json={"answerAfter": 0})
    began = asyncio.get_running_loop().time()
    assert (await client.push())[0] == 200
    assert asyncio.get_running_loop().time() - began < 0.4
    assert (await client.call("PUT", "/simulator/fate", json={"answerAfter": -1}))[0] == 400


async def test_an_unknown_switch_is_refused(client: Client) -> None:
    assert (await client.call("PUT", "/simulator/fate", json={"all": "chaos"}))[0] == 400
    unknown = {"all": "500", "channel": "9"}
    assert (await client.call("PUT", "/simulator/fate", json=unknown))[0] == 404


async def test_the_same_message_to_the_same_phone_counts_as_a_duplicate(client: Client) -> None:
    await client.push()
    await client.push()
    await client.push(headers={"X-Line-Delivery-Tag": "another-" + TAG})
    stats = await client.stats()
    assert (stats["duplicateTags"], stats["duplicateContents"], stats["distinctTags"]) == (1, 2, 2)


async def test_messages_show_what_the_phone_showed(client: Client) -> None:
    await client.push("66810000000")
    _, answer = await client.call("GET", "/simulator/messages", params={"to": "+66810000000"})
    (shown,) = answer["messages"]
    assert shown["to"] == "+66810000000"
    assert shown["altText"] == "Your parcel"
    assert shown["content"] == [MESSAGE]


async def test_a_channel_can_be_added_at_run_time(client: Client, webhook: Webhook) -> None:
    new = {
        "channelId": "2000",
        "channelSecret": "s",
        "webhookUrl": webhook.url,
        "accessToken": "token-2000",
    }
    assert (await client.call("POST", "/simulator/channels", json=new))[0] == 201
    assert (await client.push(headers={"Authorization": "Bearer token-2000"}))[0] == 200
    assert len(await webhook.next_events()) == 1


async def test_an_added_number_has_its_fate(client: Client) -> None:
    assert (await client.push("818099990090"))[0] == 200
    await client.call("POST", "/simulator/numbers", json={"numbers": ["+818099990090"]})
    assert (await client.push("818099990090"))[0] == 422


async def test_arrivals_are_listed_in_order(client: Client) -> None:
    for _ in range(3):
        await client.push()
    _, answer = await client.call("GET", "/simulator/arrivals", params={"channel": "1001"})
    assert len(answer["arrivals"]) == 3
    assert answer["arrivals"] == sorted(answer["arrivals"])


async def test_a_reset_forgets_counts_and_messages(client: Client) -> None:
    await client.push()
    await client.call("DELETE", "/simulator/stats")
    assert (await client.stats())["requests"] == 0
    assert (await client.call("GET", "/simulator/messages"))[1] == {"messages": []}


async def test_the_table_of_fates_is_served(client: Client) -> None:
    _, answer = await client.call("GET", "/simulator/fates")
    assert [row["name"] for row in answer["fates"]] == [fate.name for fate in FATES]


async def test_a_failed_webhook_call_is_counted_and_not_repeated(
    client: Client, webhook: Webhook
) -> None:
    webhook.status = 500
    await client.push()
    await webhook.next_events()
    webhook.status = 200
    await client.push()
    (event,) = await webhook.next_events()
    assert event["deliveryContext"] == {"isRedelivery": False}
    assert (await client.stats())["eventsFailed"] == 1


async def test_with_redelivery_a_failed_call_is_repeated_with_the_same_event(
    client: Client, webhook: Webhook
) -> None:
    client.sim.app.channels.by_id["1001"].events.redelivery = True
    webhook.status = 500
    await client.push()
    (first,) = await webhook.next_events()
    (again,) = await webhook.next_events()
    assert again["deliveryContext"] == {"isRedelivery": True}
    assert again["webhookEventId"] == first["webhookEventId"]
    assert again["timestamp"] == first["timestamp"]


async def test_ready_events_share_a_call(client: Client, webhook: Webhook) -> None:
    await client.call("PUT", "/simulator/fate", json={"all": "late"})
    await asyncio.gather(*[client.push() for _ in range(60)])
    sizes: list[int] = []
    while sum(sizes) < 60:
        sizes.append(len(await webhook.next_events()))
    assert max(sizes) <= 20
    assert len(sizes) < 60


async def test_reports_are_counted_and_shown(client: Client) -> None:
    report = {"messageId": "m-1", "status": {"name": "DELIVERED_TO_HANDSET"}}
    for _ in range(2):
        await client.call("POST", "/subscriber/shop", json={"results": [report]})
    _, shown = await client.call("GET", "/subscriber")
    assert (shown["requests"], shown["reports"], shown["duplicates"]) == (2, 2, 1)
    assert shown["byStatus"] == {"DELIVERED_TO_HANDSET": 2}
    assert shown["last"] == [report, report]


async def test_xml_reports_are_counted_too(client: Client) -> None:
    report = "<result><messageId>{}</messageId><status><id>5</id><name>DELIVERED_TO_HANDSET</name>"
    xml = "".join((report + "</status></result>").format(name) for name in ("a", "b", "a"))
    await client.call("POST", "/subscriber/xml", data=f"<reports>{xml}</reports>")
    _, shown = await client.call("GET", "/subscriber")
    assert (shown["reports"], shown["duplicates"]) == (3, 1)
    assert shown["byStatus"] == {"DELIVERED_TO_HANDSET": 3}


async def test_the_headers_of_the_last_call_are_shown(client: Client) -> None:
    await client.call("POST", "/subscriber/x", json={}, headers={"Webhook-Id": "msg_1"})
    _, shown = await client.call("GET", "/subscriber")
    assert shown["lastHeaders"]["webhook-id"] == "msg_1"


async def test_the_simulator_stops_while_a_request_is_held(webhook: Webhook) -> None:
    channel = replace(CHANNEL, webhook_url=webhook.url)
    settings = SimulatorSettings(channels=(channel,), hold=3600)
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(5), running(settings) as sim:
            pushing = asyncio.create_task(Client(sim, session).push("819010001288"))
            await webhook.next_events()
        with pytest.raises(aiohttp.ClientError):
            await pushing


async def test_the_switches_answer_only_this_machine() -> None:
    async def show(request: Request) -> Response:
        return Response("shown")

    def from_host(host: str) -> Request:
        return Request({"type": "http", "client": (host, 50_000), "headers": []})

    guarded = local_only(show, anywhere=False)
    assert (await guarded(from_host("127.0.0.1"))).status_code == 200
    assert (await guarded(from_host("::1"))).status_code == 200
    assert (await guarded(from_host("192.0.2.7"))).status_code == 403
    assert (await local_only(show, anywhere=True)(from_host("192.0.2.7"))).status_code == 200


async def test_the_subscriber_answers_the_status_it_was_told_for_so_many_times(
    client: Client,
) -> None:
    await client.call("PUT", "/subscriber", json={"status": 503, "times": 1})
    answers = [await client.call("POST", "/subscriber/x", json={"results": []}) for _ in range(2)]
    assert [status for status, _ in answers] == [503, 200]
