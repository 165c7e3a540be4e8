"""A dispatcher at work against a simulated LINE, on the test's database and clock."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from linegate.dispatch.dispatcher import Dispatcher, DispatchOptions
from linegate.dispatch.senders import Senders
from linegate.domain.decide import Patience
from linegate.line.client import LineClient, Timeouts
from linegate.line.tokens import FixedToken
from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.waiting import until
from support.world import SECOND, World

__all__ = ["TOKEN", "Sending", "sending"]

TOKEN = "word"


@dataclass(slots=True)
class Sending:
    """What runs; the simulated LINE tells no events, since its channel has no webhook."""

    world: World
    line: RunningSimulator
    client: LineClient
    senders: Senders
    dispatcher: Dispatcher

    async def turn(self) -> int:
        """Claim once and wait until everything claimed is settled; gives how many."""
        await self.senders.run_once()
        claimed = await self.dispatcher.run_once()
        await until(self.is_settled)
        return claimed

    async def is_settled(self) -> bool:
        return "sending" not in (await self.world.steps()).values()

    async def switch(self, fate: str) -> None:
        """Give all messages one fate; `normal`: as the number says."""
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self.line.url}/simulator/fate", json={"all": fate}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def requests(self) -> int:
        """How many requests LINE has seen."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.line.url}/simulator/stats") as answer,
        ):
            stats: dict[str, Any] = await answer.json()
        return int(stats["channels"]["1"]["requests"])

    async def hold(self) -> str | None:
        """Why the sender is held, as every process reads it."""
        (row,) = await self.world.rows("SELECT hold FROM sender WHERE id = $1", self.world.sender)
        hold: str | None = row["hold"]
        return hold

    def fresh_senders(self) -> Senders:
        """The senders as another process, or this one after a restart, sees them."""
        world = self.world
        return Senders(world.pool, world.clock, world.metrics, lambda _: FixedToken(TOKEN))

    def fresh_dispatcher(self, senders: Senders, in_flight: int = 256) -> Dispatcher:
        world = self.world
        options = DispatchOptions(Patience(), in_flight=in_flight, burst=SECOND)
        return Dispatcher(world.pool, world.clock, senders, self.client, world.metrics, options)


@asynccontextmanager
async def sending(world: World) -> AsyncIterator[Sending]:
    """A dispatcher and its LINE while the block lasts."""
    async with AsyncExitStack() as stack:
        settings = SimulatorSettings(
            channels=(ChannelSettings("1", "secret", access_token=TOKEN),), delay_factor=0.05
        )
        line = await stack.enter_async_context(running(settings))
        timeouts = Timeouts(total=timedelta(seconds=1.5), connect=timedelta(seconds=0.5))
        client = await stack.enter_async_context(LineClient(line.url, timeouts=timeouts))
        made = Sending(world, line, client, None, None)  # type: ignore[arg-type]
        made.senders = made.fresh_senders()
        made.dispatcher = made.fresh_dispatcher(made.senders)
        await made.senders.run_once()
        yield made
        await made.dispatcher.aclose()
