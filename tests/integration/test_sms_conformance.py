"""One suite for every transport: whoever carries the SMS, the same things are true."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import pytest

from linegate.clock import Clock, SystemClock
from linegate.domain.outcome import OutcomeKind
from linegate.domain.transport import OnReceipts, Receipt, Submission, Transport
from linegate.simulator.smsc import Smsc, SmscSettings
from linegate.sms.infobip.transport import InfobipTransport
from linegate.sms.route_url import read_route_url
from linegate.sms.smpp.transport import SmppOptions, SmppTransport
from linegate.sms.twilio.transport import TwilioTransport
from support.sms_providers import HttpProvider, infobip_app, served, twilio_app

_NUMBERS = "8190100%02d%d01"


@dataclass(slots=True)
class World:
    """A provider that runs, and how to make a transport to it or to nobody."""

    open: Callable[[], Transport]
    dead: Callable[[], Transport]


class Provider(Protocol):
    def __call__(
        self, clock: Clock, on_receipts: OnReceipts
    ) -> contextlib.AbstractAsyncContextManager[World]: ...


@contextlib.asynccontextmanager
async def _smpp(clock: Clock, on_receipts: OnReceipts) -> AsyncIterator[World]:
    smsc = Smsc(SmscSettings(system_id="user", password="pass"))
    port = await smsc.start()

    def made(at: int) -> Transport:
        options = read_route_url(f"smpp://user:pass@127.0.0.1:{at}?response_timeout=1").options
        assert isinstance(options, SmppOptions)
        return SmppTransport(options, clock, on_receipts)

    try:
        yield World(lambda: made(port), lambda: made(_closed_port()))
    finally:
        await smsc.close()


@contextlib.asynccontextmanager
async def _infobip(clock: Clock, on_receipts: OnReceipts) -> AsyncIterator[World]:
    def made(base: str) -> Transport:
        options = read_route_url(base.replace("http://", "infobip://KEY@")).options
        return InfobipTransport(options, clock, callback_url="http://us/x")  # type: ignore[arg-type]

    async with served(lambda: infobip_app(HttpProvider())) as url:
        yield World(lambda: made(url), lambda: made(f"http://127.0.0.1:{_closed_port()}"))


@contextlib.asynccontextmanager
async def _twilio(clock: Clock, on_receipts: OnReceipts) -> AsyncIterator[World]:
    def made(base: str) -> Transport:
        options = read_route_url(base.replace("http://", "twilio://AC1:TOKEN@")).options
        return TwilioTransport(options, clock, callback_url="http://us/x")  # type: ignore[arg-type]

    async with served(lambda: twilio_app(HttpProvider())) as url:
        yield World(lambda: made(url), lambda: made(f"http://127.0.0.1:{_closed_port()}"))


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sms(fate: int, text: str = "Your parcel is here", who: int = 0) -> Submission:
    to = _NUMBERS % (who, fate)
    return Submission((1 << 40) + who, "Shop", to, text, timedelta(hours=1))


async def _nowhere(receipts: list[Receipt]) -> bool:
    return True


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - a transport rings no bell
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _running(transport: Transport) -> AsyncIterator[Transport]:
    task = asyncio.create_task(transport.run())
    try:
        await _until(lambda: transport.is_up)
        yield transport
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=[_smpp, _infobip, _twilio], ids=["smpp", "infobip", "twilio"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    provider: Provider = request.param
    async with provider(SystemClock(), _nowhere) as made:
        yield made


async def test_what_is_taken_has_an_id(world: World) -> None:
    async with _running(world.open()) as transport:
        submitted = await transport.submit(_sms(0))
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    assert len(submitted.ids) == 1
    assert submitted.ids[0] == submitted.ids[0].lower()
    assert submitted.parts == 1


async def test_a_long_text_counts_its_parts(world: World) -> None:
    async with _running(world.open()) as transport:
        submitted = await transport.submit(_sms(0, "a" * 300))
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    assert submitted.parts == 2


async def test_a_bad_number_is_refused_for_good(world: World) -> None:
    async with _running(world.open()) as transport:
        submitted = await transport.submit(_sms(3))
        assert transport.is_up
    assert submitted.outcome.kind is OutcomeKind.REFUSED
    assert submitted.outcome.status == 52
    assert not submitted.ids


async def test_a_throttled_submission_slows_the_route(world: World) -> None:
    async with _running(world.open()) as transport:
        submitted = await transport.submit(_sms(4))
        assert transport.places() == 0
        assert transport.is_up
    assert submitted.outcome.kind is OutcomeKind.SLOWED


async def test_a_submission_without_an_answer_is_unknown(world: World) -> None:
    async with _running(world.open()) as transport:
        submitted = await transport.submit(_sms(5))
    assert submitted.outcome.kind is OutcomeKind.UNKNOWN
    assert submitted.outcome.error == 502


async def test_a_submission_that_never_left_is_unsent(world: World) -> None:
    transport = world.dead()
    task = asyncio.create_task(transport.run())
    await _until(lambda: transport.is_up or "cannot connect" in transport.trouble)
    submitted = await transport.submit(_sms(0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert submitted.outcome.kind is OutcomeKind.UNSENT


async def test_a_closed_route_takes_nothing(world: World) -> None:
    transport = world.open()
    assert not transport.is_up
    assert transport.places() == 0
    assert transport.trouble
    submitted = await transport.submit(_sms(0))
    assert submitted.outcome.kind is OutcomeKind.UNSENT


async def test_many_submissions_at_once_each_have_their_own_id(world: World) -> None:
    async with _running(world.open()) as transport:
        sent = await asyncio.gather(*(transport.submit(_sms(0, who=n)) for n in range(60)))
    assert len({submitted.ids for submitted in sent}) == 60
