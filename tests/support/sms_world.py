"""A world with an SMS route, a scripted provider and everything the SMS leg runs, on one clock."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from linegate.dispatch.receipts import Receipts
from linegate.dispatch.settle import Decided, settle
from linegate.dispatch.sms_dispatcher import SmsDispatcher
from linegate.dispatch.sms_receipts import SmsReceipts
from linegate.dispatch.sms_routes import SmsRoutes
from linegate.dispatch.sms_sweeper import SmsSweeper
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience, after_attempt
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.transport import OnReceipts, Receipt, Submission, Submitted
from linegate.postgres.dispatching import Tried
from linegate.postgres.sms_routes import NewRoute, RouteRow, insert_route
from support.world import World

__all__ = ["ACCEPTED", "REFUSED", "ScriptedProvider", "SmsWorld", "sms_world"]

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, code=200)
REFUSED = Outcome(OutcomeKind.REFUSED, error=7002, status=9, code=422)


@dataclass(slots=True)
class ScriptedProvider:
    """A transport that answers as told and keeps what it was handed.

    answers: one for each submission, the last again and again; ids are made where it accepts.
    before:  awaited before a submission is answered.
    """

    answers: list[Outcome] = field(default_factory=lambda: [ACCEPTED])
    seen: list[Submission] = field(default_factory=list)
    up: bool = True
    parts: int = 1
    final: bool = False
    before: Callable[[Submission], Awaitable[None]] | None = None
    take: OnReceipts | None = None

    @property
    def is_up(self) -> bool:
        return self.up

    @property
    def trouble(self) -> str:
        return "" if self.up else "scripted"

    def places(self) -> int:
        return 50 if self.up else 0

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def submit(self, submission: Submission) -> Submitted:
        self.seen.append(submission)
        number = len(self.seen)
        outcome = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.before is not None:
            await self.before(submission)
        ids = tuple(f"{number:x}-{part}" for part in range(1, self.parts + 1))
        taken = outcome.kind is OutcomeKind.ACCEPTED
        return Submitted(outcome, ids if taken else (), self.parts, self.final)

    async def receipt(
        self, key: str, status: int = 5, error: int = 0, *, to: str = "", **more: Any
    ) -> bool:
        """Hand a receipt in, as the provider would."""
        assert self.take is not None
        return await self.take([Receipt((key,), to, status, error, **more)])


@dataclass(slots=True)
class SmsWorld:
    """Loops of the SMS leg over a world; a test turns them by hand."""

    world: World
    provider: ScriptedProvider
    routes: SmsRoutes
    dispatcher: SmsDispatcher
    sweeper: SmsSweeper
    line_sweeper: Sweeper
    line_events: Receipts
    receipts: SmsReceipts
    route: int

    async def accept(
        self, count: int = 1, *, sms_validity: timedelta = timedelta(hours=1), **changed: Any
    ) -> list[int]:
        """Messages with an SMS for each."""
        sms = {"text": "hello", "sender": "Shop", "validity": int(sms_validity.total_seconds())}
        return await self.world.accept(count, sms_failover=json.dumps(sms), **changed)

    async def line_says(self, outcome: Outcome) -> None:
        """Claim everything due and settle it as if LINE had answered so."""
        now = self.world.now
        decided = []
        for due in await self.world.claim():
            message = due.unfinished
            step = after_attempt(message, outcome, now, Patience(), 0.0)
            tried = Tried(message.id, message.attempt, now, now, outcome)
            decided.append(Decided(message, step, tried))
        await settle(self.world.pool, decided, now)

    async def sweep(self) -> None:
        """Everything that looks at the time."""
        await self.line_sweeper.run_once()
        await self.sweeper.run_once()

    async def send(self) -> int:
        """Claim and hand over what may go now, to its end; gives how many."""
        await self.routes.run_once()
        claimed = await self.dispatcher.run_once()
        await self.rest()
        return claimed

    async def rest(self) -> None:
        """Until nothing is under way."""
        async with asyncio.timeout(10):
            while self.dispatcher.under_way:  # noqa: ASYNC110 - the database rings no bell
                await asyncio.sleep(0)

    async def event(self, id_: int, attempt: int = 1) -> None:
        """LINE's delivery event."""
        await self.line_events.take([self.world.an_event(id_, attempt)])

    async def legs(self) -> dict[int, str]:
        """Every SMS leg's step."""
        return {row["id"]: row["step"] for row in await self.world.rows("SELECT * FROM sms_leg")}


@asynccontextmanager
async def sms_world(world: World, *, resends: int = 1) -> AsyncIterator[SmsWorld]:
    """The SMS leg of a world, with one route that takes everything."""
    provider = ScriptedProvider()
    pool, clock, metrics = world.pool, world.clock, world.metrics
    receipts = SmsReceipts(pool, clock, metrics, linger=timedelta(milliseconds=1))

    def opened(row: RouteRow, take: OnReceipts) -> ScriptedProvider:
        provider.take = take
        return provider

    routes = SmsRoutes(pool, clock, 1, opened, receipts.taker)
    route = await new_route(world, "main")
    made = SmsWorld(
        world,
        provider,
        routes,
        SmsDispatcher(pool, clock, routes, metrics, resends=resends),
        SmsSweeper(pool, clock, metrics, resends=resends),
        Sweeper(pool, clock, Patience(), metrics),
        Receipts(pool, clock, metrics, linger=timedelta(milliseconds=1)),
        receipts,
        route,
    )
    try:
        yield made
    finally:
        await made.dispatcher.aclose()
        await receipts.aclose()


async def new_route(
    world: World,
    name: str,
    *,
    account: int | None = None,
    prefixes: tuple[str, ...] = (),
    senders: tuple[str, ...] = (),
    default_sender: str | None = None,
    priority: int = 0,
) -> int:
    """One more route."""
    new = NewRoute(
        account or world.account,
        name,
        "smpp",
        b"sealed",
        "smpp://x",
        prefixes,
        senders,
        default_sender,
        priority,
        f"token-{name}",
    )
    async with world.pool.acquire() as conn:
        id_ = await insert_route(conn, new, now=world.now)
    assert id_ is not None
    return id_
