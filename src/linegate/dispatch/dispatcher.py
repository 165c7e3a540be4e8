"""Loop: claim due messages, send them, settle what became of them.

A message passes three hands here: `run_once` claims it and puts it into the inbox, one of many
sending coroutines makes the attempt, and a group commit settles it with its neighbours. No
transaction is open while LINE is asked. What is claimed and not settled never exceeds `in_flight`:
that many attempts at most are unknown when the process dies.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from linegate.clock import Clock
from linegate.dispatch.contents import Contents
from linegate.dispatch.senders import LiveSender, Senders
from linegate.dispatch.settle import Decided, settle
from linegate.domain.circuit import Hold
from linegate.domain.decide import Patience, after_attempt
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.phone import line_hash
from linegate.group_commit import GroupCommit
from linegate.line.client import LineClient
from linegate.line.tag import make_tag
from linegate.line.tokens import TokenFailure
from linegate.metrics import Metrics
from linegate.postgres.dispatching import (
    DueMessage,
    Tried,
    claim_due,
    give_back,
    renew_leases,
    slow_sender,
)
from linegate.postgres.pool import Pool

__all__ = ["DispatchOptions", "Dispatcher"]

_SLOWED_FOR = timedelta(seconds=1)
# What LINE said twenty times in a row is not asked again (decision 7).
_AS_BEFORE = {
    Hold.FORBIDDEN: Outcome(OutcomeKind.FORBIDDEN, error=7005, status=4, detail="not asked again"),
    Hold.MONTHLY_LIMIT: Outcome(
        OutcomeKind.MONTHLY_LIMIT, error=7011, status=4, detail="not asked again this month"
    ),
}


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """How much at once, and how patient.

    in_flight: attempts claimed and not settled, at most.
    burst:     how far a sender may run ahead of LINE's even pace.
    """

    patience: Patience
    in_flight: int = 256
    lease_for: timedelta = timedelta(seconds=15)
    burst: timedelta = timedelta(milliseconds=30)
    linger: timedelta = timedelta(milliseconds=4)


class Dispatcher:
    """Sends what is due. Any number of processes may run one."""

    name = "dispatcher"
    interval = timedelta(milliseconds=500)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        senders: Senders,
        line: LineClient,
        metrics: Metrics,
        options: DispatchOptions,
    ) -> None:
        """Send through `line` for `senders`, over `pool`."""
        self._pool = pool
        self._clock = clock
        self._senders = senders
        self._line = line
        self._metrics = metrics
        self._options = options
        self._contents = Contents(pool)
        self._inbox: asyncio.Queue[DueMessage] = asyncio.Queue()
        self._held: dict[int, int] = {}  # message id -> attempt, from claim to settle
        self._room = asyncio.Event()
        self._settling: GroupCommit[Decided, None] = GroupCommit(
            self._settle,
            max_items=options.in_flight,
            capacity=options.in_flight,
            linger=options.linger,
            writers=2,
        )
        self._hands: list[asyncio.Task[None]] = []

    async def run_once(self) -> int:
        """Claim what there is room for and start sending it; gives how many."""
        self._reap()
        free = await self._wait_for_room()
        now = self._clock.now()
        wanted = self._senders.wanted(free, now)
        if not wanted:
            return 0
        async with self._pool.acquire() as conn:
            claimed = await claim_due(
                conn,
                wanted=wanted,
                limit=free,
                burst=self._options.burst,
                lease_until=now + self._options.lease_for,
                now=now,
            )
        if claimed:
            await self._take(claimed)
        return len(claimed)

    async def renew(self) -> int:
        """Keep the leases of what is still being sent; gives how many."""
        held = list(self._held.items())
        if held:
            async with self._pool.acquire() as conn:
                until = self._clock.now() + self._options.lease_for
                await renew_leases(conn, held, lease_until=until)
        return 0

    async def aclose(self) -> None:
        """Stop claiming, give back what was not started, settle what was."""
        unstarted: list[tuple[int, int]] = []
        while not self._inbox.empty():
            message = self._inbox.get_nowait()
            unstarted.append((message.unfinished.id, message.unfinished.attempt))
            self._drop(message)
        if unstarted:
            async with self._pool.acquire() as conn:
                await give_back(conn, unstarted, now=self._clock.now())
        while self._held:
            self._room.clear()
            await self._room.wait()
        for hand in self._hands:
            hand.cancel()
        await asyncio.gather(*self._hands, return_exceptions=True)
        await self._settling.aclose()

    async def _wait_for_room(self) -> int:
        """Places to fill. A claim costs a round trip, so a busy process waits for a few of them."""
        limit = self._options.in_flight
        while (free := limit - len(self._held)) < limit // 4 and free < limit:
            self._room.clear()
            await self._room.wait()
        return free

    def _reap(self) -> None:
        """Raise what ended a hand, for the supervisor to tell; its message's lease runs out."""
        for hand in [each for each in self._hands if each.done()]:
            self._hands.remove(hand)
            hand.result()

    async def _take(self, claimed: Sequence[DueMessage]) -> None:
        for message in claimed:
            self._held[message.unfinished.id] = message.unfinished.attempt
            sender = self._senders.get(message.sender_id)
            if sender is not None:
                sender.in_flight += 1
        self._metrics.claimed.inc(len(claimed))
        await self._contents.load(message.object_id for message in claimed)
        while len(self._hands) < min(self._options.in_flight, len(self._held)):
            self._hands.append(asyncio.create_task(self._send_always()))
        for message in claimed:
            self._inbox.put_nowait(message)

    async def _send_always(self) -> None:
        while True:
            message = await self._inbox.get()
            try:
                await self._settling.submit(await self._send(message))
            finally:
                self._drop(message)

    def _drop(self, message: DueMessage) -> None:
        self._held.pop(message.unfinished.id, None)
        sender = self._senders.get(message.sender_id)
        if sender is not None and sender.in_flight > 0:
            sender.in_flight -= 1
        self._room.set()

    async def _send(self, message: DueMessage) -> Decided:
        unfinished = message.unfinished
        started = self._clock.now()
        sender = self._senders.get(message.sender_id)
        if sender is None:
            raise LookupError(f"sender {message.sender_id} is not known here")
        outcome = await self._attempt(sender, message)
        ended = self._clock.now()
        await self._learn(sender, outcome)
        self._metrics.line_seconds.observe((ended - started).total_seconds())
        spread = random.uniform(-1, 1)  # noqa: S311 - spreads retries, guards nothing
        step = after_attempt(unfinished, outcome, ended, self._options.patience, spread)
        tried = Tried(unfinished.id, unfinished.attempt, started, ended, outcome)
        return Decided(unfinished, step, tried)

    async def _attempt(self, sender: LiveSender, message: DueMessage) -> Outcome:
        """Ask LINE once, and once more with a new token if it does not know this one."""
        refusal = sender.refusal()
        if refusal is not None:
            return _AS_BEFORE[refusal]
        token = await sender.tokens.token()
        if isinstance(token, TokenFailure):
            return token.outcome()
        outcome = await self._push(token, message)
        if outcome.kind is not OutcomeKind.UNAUTHORISED:
            return outcome
        renewed = await sender.tokens.renew(token)
        if isinstance(renewed, TokenFailure):
            return renewed.outcome()
        return await self._push(renewed, message)

    async def _push(self, token: str, message: DueMessage) -> Outcome:
        templated, content = self._contents.get(message.object_id)
        return await self._line.push(
            token=token,
            to_hash=line_hash(message.destination),
            message_json=content,
            tag=make_tag(message.unfinished.id, message.unfinished.attempt),
            templated=templated,
        )

    async def _learn(self, sender: LiveSender, outcome: Outcome) -> None:
        now = self._clock.now()
        await self._senders.learn(sender, outcome, now)
        if outcome.kind is OutcomeKind.SLOWED:
            async with self._pool.acquire() as conn:
                await slow_sender(conn, sender.row.id, until=now + _SLOWED_FOR)

    async def _settle(self, group: Sequence[Decided]) -> list[None]:
        written = await settle(self._pool, group, self._clock.now())
        if written < len(group):
            self._metrics.fenced.inc(len(group) - written)
        for decided in group:
            outcome = decided.tried.outcome
            self._metrics.attempts.labels(outcome.kind.value, str(outcome.code)).inc()
        return [None] * len(group)
