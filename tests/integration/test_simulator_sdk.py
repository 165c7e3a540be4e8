"""LINE's own SDK, an independent client, finds the simulator in order."""
# mypy: disable-error-code="import-untyped"

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from linebot.v3 import SignatureValidator, WebhookParser
from linebot.v3.messaging import (
    ApiException,
    AsyncApiClient,
    AsyncMessagingApi,
    Configuration,
    FlexBox,
    FlexBubble,
    FlexMessage,
    FlexText,
    PnpMessagesRequest,
    PnpTemplatedMessageRequest,
    SetWebhookEndpointRequest,
    TextMessage,
    ValidateMessageRequest,
)
from linebot.v3.oauth import AsyncApiClient as OAuthClient
from linebot.v3.oauth import AsyncChannelAccessToken
from linebot.v3.oauth import Configuration as OAuthConfiguration
from linebot.v3.webhooks import PnpDeliveryCompletionEvent

from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.numbers import digest_of
from linegate.simulator.settings import ChannelSettings, SimulatorSettings

SECRET = "8c570fa6dd201bb328f1c1eac23a96d8"
TAG = "tag-0123456789abcdef"
DIGEST = digest_of("818000001234")


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    channel = ChannelSettings("1001", SECRET)
    async with running(SimulatorSettings(channels=(channel,), counts_at_once=True)) as served:
        yield served


@pytest.fixture
async def api(sim: RunningSimulator) -> AsyncIterator[AsyncMessagingApi]:
    async with OAuthClient(OAuthConfiguration(host=sim.url)) as oauth:
        issued = await AsyncChannelAccessToken(oauth).issue_stateless_channel_token(
            grant_type="client_credentials", client_id="1001", client_secret=SECRET
        )
    assert issued.expires_in == 900
    configuration = Configuration(host=sim.url, access_token=issued.access_token)
    async with AsyncApiClient(configuration) as client:
        yield AsyncMessagingApi(client)


@pytest.fixture
async def calls(sim: RunningSimulator) -> AsyncIterator[asyncio.Queue[tuple[str, str]]]:
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await queue.put((await request.text(), request.headers["x-line-signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/callback", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    sim.app.channels.by_id["1001"].events.url = url
    yield queue
    await runner.cleanup()


def a_flex() -> FlexMessage:
    body = FlexBox(layout="vertical", contents=[FlexText(text="on its way", size="md")])
    return FlexMessage(alt_text="Your parcel", contents=FlexBubble(body=body))


async def test_a_pushed_message_comes_back_as_an_event_the_sdk_accepts(
    api: AsyncMessagingApi, calls: asyncio.Queue[tuple[str, str]]
) -> None:
    request = PnpMessagesRequest(to=DIGEST, messages=[a_flex()])
    await api.push_messages_by_phone(request, x_line_delivery_tag=TAG)
    async with asyncio.timeout(5):
        body, signature = await calls.get()
    assert SignatureValidator(SECRET).validate(body, signature)
    (event,) = WebhookParser(SECRET).parse(body, signature)
    assert isinstance(event, PnpDeliveryCompletionEvent)
    assert event.delivery.data == TAG
    assert event.delivery_context.is_redelivery is False


async def test_both_kinds_are_counted_apart_on_the_day_in_japan(
    api: AsyncMessagingApi, sim: RunningSimulator
) -> None:
    for _ in range(2):
        await api.push_messages_by_phone(PnpMessagesRequest(to=DIGEST, messages=[a_flex()]))
    template = PnpTemplatedMessageRequest(to=DIGEST, template_key="shipment_completed_ja")
    await api.push_templated_messages_by_phone(template, x_line_delivery_tag=TAG)
    (day,) = {day for day, _ in sim.app.channels.by_id["1001"].tally.by_day}
    flexible = await api.get_pnp_message_statistics(day)
    templated = await api.get_pnp_templated_message_statistics(day)
    assert (flexible.status, flexible.success) == ("ready", 2)
    assert (templated.status, templated.success) == ("ready", 1)


async def test_a_valid_message_passes_validation_and_a_faulty_one_does_not(
    api: AsyncMessagingApi,
) -> None:
    await api.validate_push(ValidateMessageRequest(messages=[a_flex()]))
    faulty = ValidateMessageRequest(messages=[TextMessage(text="")])
    with pytest.raises(ApiException) as refused:
        await api.validate_push(faulty)
    assert refused.value.status == 400
    assert "messages[0].text" in refused.value.body


async def test_a_refusal_reaches_the_sdk_with_its_status(api: AsyncMessagingApi) -> None:
    request = PnpMessagesRequest(to=digest_of("819010001290"), messages=[a_flex()])
    with pytest.raises(ApiException) as refused:
        await api.push_messages_by_phone(request)
    assert refused.value.status == 422


async def test_the_webhook_can_be_set_read_and_tried(
    api: AsyncMessagingApi, sim: RunningSimulator
) -> None:
    url = sim.url + "/subscriber/line"
    await api.set_webhook_endpoint(SetWebhookEndpointRequest(endpoint=url))
    assert (await api.get_webhook_endpoint()).endpoint == url
    tried = await api.test_webhook_endpoint()
    assert (tried.success, tried.status_code) == (True, 200)


async def test_the_bot_is_the_destination_of_its_webhooks(
    api: AsyncMessagingApi, calls: asyncio.Queue[tuple[str, str]]
) -> None:
    info = await api.get_bot_info()
    await api.push_messages_by_phone(PnpMessagesRequest(to=DIGEST, messages=[a_flex()]))
    async with asyncio.timeout(5):
        body, signature = await calls.get()
    payload = WebhookParser(SECRET).parse(body, signature, as_payload=True)
    assert payload.destination == info.user_id


async def test_a_token_ends_after_fifteen_minutes() -> None:
    class Wall:
        now = datetime(2026, 1, 15, tzinfo=UTC).timestamp()

    settings = SimulatorSettings(channels=(ChannelSettings("1001", SECRET),), wall=lambda: Wall.now)
    async with running(settings) as sim:
        async with OAuthClient(OAuthConfiguration(host=sim.url)) as oauth:
            issued = await AsyncChannelAccessToken(oauth).issue_stateless_channel_token(
                grant_type="client_credentials", client_id="1001", client_secret=SECRET
            )
        configuration = Configuration(host=sim.url, access_token=issued.access_token)
        async with AsyncApiClient(configuration) as client:
            api = AsyncMessagingApi(client)
            Wall.now += 899
            await api.get_bot_info()
            Wall.now += 1
            with pytest.raises(ApiException) as refused:
                await api.get_bot_info()
    assert refused.value.status == 401
