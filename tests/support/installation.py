"""A whole installation in the test: API, worker, simulated LINE and a simulated SMSC, for real."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

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

__all__ = ["SMS_TEXT", "Installation", "installed"]

SMS_TEXT = "お荷物をお届けしました 📦 " * 12


@dataclass(slots=True)
class Installation:
    """settings: of its processes; each worker counts in a registry of its own."""

    dsn: str
    gateway: Gateway
    simulator: RunningSimulator
    key: str
    settings: dict[str, str] = field(default_factory=dict)

    async def send(self, number: str, **headers: str) -> str:
        """Send to a number, with an SMS should LINE not do; the message's id."""
        failover = {"text": SMS_TEXT, "sender": "Shop"}
        answer = await self.gateway.call(
            "POST",
            "/line/1/messages",
            authorization=self.key,
            headers=headers,
            json=a_request(number, options={"smsFailover": failover}),
        )
        assert answer.status == 200
        message_id: str = answer.json["messages"][0]["messageId"]
        return message_id

    async def takes_reports(self) -> None:
        """Have the account's reports pushed to the simulator's endpoint for them."""
        async with self.gateway.store.pool.acquire() as conn:
            await conn.execute(
                "INSERT INTO endpoint (account_id, is_default, url, created_at)"
                " SELECT id, true, $1, now() FROM account WHERE name = $2",
                f"{self.simulator.url}/subscriber/{ACCOUNT}",
                ACCOUNT,
            )

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
    async def worker(
        self, metrics: Metrics | None = None, *, line_url: str | None = None
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A worker; cancelled at the end of the block, if it was not before.

        line_url: where it finds LINE, if not at the simulator.
        """
        line_url = line_url or self.simulator.url
        settings = settings_for(self.dsn, line_api_url=line_url, **self.settings)
        counted = metrics or Metrics(CollectorRegistry())
        with_probes = settings.metrics_port > 0
        async with running_worker(
            settings, SystemClock(), counted, with_probes=with_probes
        ) as made:
            task = asyncio.create_task(made.run())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def installed(dsn: str, **settings: str) -> AsyncIterator[Installation]:
    """An API with its LINE and its SMS route while the block lasts."""
    smpp = socket.create_server(("127.0.0.1", 0))
    port = smpp.getsockname()[1]
    async with running_api(dsn, SystemClock(), **settings) as gateway:
        channel = ChannelSettings(
            "1", CHANNEL_SECRET, webhook_url=f"{gateway.url}/line/webhook/{SENDER}"
        )
        simulated = SimulatorSettings(channels=(channel,), delay_factor=0.01, smpp=smpp)
        async with running(simulated) as simulator:
            url = f"smpp://user:pass@127.0.0.1:{port}"
            await create_route(gateway.store, ACCOUNT, RouteAsked("main", url))
            key = "App " + await create_key(gateway.store, ACCOUNT, name="test")
            yield Installation(dsn, gateway, simulator, key, settings)
