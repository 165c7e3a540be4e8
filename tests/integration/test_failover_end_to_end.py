"""From the request to the report: API, worker, simulated LINE and a simulated SMSC, for real."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from linegate.cli.keys import create_key
from linegate.cli.sms_routes import RouteAsked, create_route
from linegate.clock import SystemClock
from linegate.metrics import Metrics
from linegate.service import running_worker
from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.gateway import (
    ACCOUNT,
    CHANNEL_SECRET,
    SENDER,
    Gateway,
    a_request,
    running_api,
    settings_for,
)

_TEXT = "お荷物をお届けしました 📦 " * 12


@dataclass(slots=True)
class Installation:
    dsn: str
    gateway: Gateway
    simulator: RunningSimulator
    key: str

    async def send(self, number: str) -> None:
        failover = {"text": _TEXT, "sender": "Shop"}
        answer = await self.gateway.call(
            "POST",
            "/line/1/messages",
            authorization=self.key,
            json=a_request(number, options={"smsFailover": failover}),
        )
        assert answer.status == 200

    async def report(self) -> dict[str, Any]:
        """The next final report."""
        async with asyncio.timeout(30):
            while True:
                answer = await self.gateway.call("GET", "/line/1/reports", authorization=self.key)
                if answer.json["results"]:
                    (result,) = answer.json["results"]
                    found: dict[str, Any] = result
                    return found
                await asyncio.sleep(0.05)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():  # noqa: ASYNC110 - the other end of a socket rings no bell
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[asyncio.Task[None]]:
        """A worker; cancelled at the end of the block, if it was not before."""
        settings = settings_for(self.dsn, line_api_url=self.simulator.url)
        async with running_worker(settings, SystemClock(), Metrics(CollectorRegistry())) as made:
            task = asyncio.create_task(made.run())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def installation(database_url: str) -> AsyncIterator[Installation]:
    smpp = socket.create_server(("127.0.0.1", 0))
    port = smpp.getsockname()[1]
    async with running_api(database_url, SystemClock()) as gateway:
        channel = ChannelSettings(
            "1", CHANNEL_SECRET, webhook_url=f"{gateway.url}/line/webhook/{SENDER}"
        )
        settings = SimulatorSettings(channels=(channel,), delay_factor=0.01, smpp=smpp)
        async with running(settings) as simulator:
            url = f"smpp://user:pass@127.0.0.1:{port}"
            await create_route(gateway.store, ACCOUNT, RouteAsked("main", url))
            key = "App " + await create_key(gateway.store, ACCOUNT, name="test")
            yield Installation(database_url, gateway, simulator, key)


async def test_a_refused_message_reaches_the_phone_by_sms_and_the_report_says_so(
    installation: Installation,
) -> None:
    async with installation.worker():
        await installation.send("819010000090")
        report = await installation.report()
    assert (report["status"]["id"], report["sender"]) == (5, "Shop")
    (shown,) = installation.simulator.app.smsc.phones.shown
    assert (shown.to, shown.text) == ("819010000090", _TEXT)
    assert report["messageCount"] == shown.parts > 1
    path = f"/line/1/messages/{report['messageId']}"
    answer = await installation.gateway.call("GET", path, authorization=installation.key)
    events = [(each["event"], each.get("leg")) for each in answer.json["timeline"]]
    assert ("ATTEMPT", "LINE") in events
    assert ("ATTEMPT", "SMS") in events
    assert ("SMS_RECEIPT", "SMS") in events


async def test_a_delivered_message_leaves_no_sms(installation: Installation) -> None:
    async with installation.worker():
        await installation.send("819010000001")
        report = await installation.report()
    assert (report["status"]["id"], report["sender"]) == (5, SENDER)
    assert not installation.simulator.app.smsc.phones.shown


async def test_a_submit_whose_connection_broke_goes_once_more(installation: Installation) -> None:
    smsc = installation.simulator.app.smsc
    smsc.set_switch("closed")
    async with installation.worker():
        await installation.send("819010000090")
        await installation.until(lambda: smsc.counts["submits"] > 0)
        smsc.set_switch("normal")
        report = await installation.report()
    assert report["status"]["id"] == 5
    assert [shown.text for shown in smsc.phones.shown] == [_TEXT]
