"""What Infobip is sent, against the published request, and what Twilio is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from linegate.clock import SystemClock
from linegate.domain.transport import Submission, Transport
from linegate.sms.infobip.transport import InfobipOptions, InfobipTransport
from linegate.sms.twilio.transport import TwilioOptions, TwilioTransport
from support.sms_providers import HttpProvider, infobip_app, served, twilio_app

_REGIONAL = {"indiaDlt": {"principalEntityId": "9"}, "southKorea": {"resellerCode": 7}}
_SMS = Submission(0xABC, "Shop", "819010000001", "สวัสดี", timedelta(seconds=90.2), _REGIONAL)


@asynccontextmanager
async def opened(transport: Transport) -> AsyncIterator[Transport]:
    task = asyncio.create_task(transport.run())
    await until(lambda: transport.is_up)
    yield transport
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - a transport rings no bell
            await asyncio.sleep(0.01)


def app_of(
    make: Callable[[HttpProvider], web.Application], provider: HttpProvider
) -> Callable[[], web.Application]:
    return lambda: make(provider)


async def test_infobip_gets_our_id_validity_regional_options_and_where_to_report() -> None:
    provider = HttpProvider()
    async with served(app_of(infobip_app, provider)) as url:
        options = InfobipOptions(url, "KEY")
        made = InfobipTransport(options, SystemClock(), callback_url="https://us/sms/receipts/t")
        async with opened(made) as transport:
            await transport.submit(_SMS)
    assert provider.headers[0]["Authorization"] == "App KEY"
    assert provider.seen == [
        {
            "messages": [
                {
                    "sender": "Shop",
                    "destinations": [{"to": "819010000001", "messageId": "0000000000000abc"}],
                    "content": {"text": "สวัสดี"},
                    "options": {
                        "validityPeriod": {"amount": 91, "timeUnit": "SECONDS"},
                        "regional": _REGIONAL,
                    },
                    "webhooks": {
                        "delivery": {"url": "https://us/sms/receipts/t"},
                        "contentType": "application/json",
                        "callbackData": "0000000000000abc",
                    },
                }
            ],
            "options": {"includeSmsCountInResponse": True},
        }
    ]


async def test_infobip_refuses_a_repetition_and_that_is_a_success() -> None:
    async with served(app_of(infobip_app, HttpProvider())) as url:
        made = InfobipTransport(InfobipOptions(url, "KEY"), SystemClock(), callback_url="")
        async with opened(made) as transport:
            first = await transport.submit(_SMS)
            second = await transport.submit(_SMS)
    assert first.ids == second.ids == ("0000000000000abc",)
    assert first.final  # nobody will tell more


async def test_twilio_gets_international_numbers_and_where_to_call_back() -> None:
    provider = HttpProvider()
    async with served(app_of(twilio_app, provider)) as url:
        options = TwilioOptions(url, "AC1", "TOKEN")
        made = TwilioTransport(options, SystemClock(), callback_url="https://us/sms/receipts/t")
        async with opened(made) as transport:
            await transport.submit(_SMS)
    assert provider.headers[0]["Authorization"] == "Basic QUMxOlRPS0VO"
    assert provider.seen == [
        {
            "To": "+819010000001",
            "From": "Shop",
            "Body": "สวัสดี",
            "ValidityPeriod": "91",
            "StatusCallback": "https://us/sms/receipts/t?ref=0000000000000abc",
        }
    ]
