"""Loop: claim due messages, send them, settle what became of them.

A message passes three hands here: `run_once` claims it and puts it into the inbox, one of many
sending coroutines makes the attempt, and a group commit settles it with its neighbours. No
transaction is open while LINE is asked. What is claimed and not settled never exceeds `in_flight`:
that many attempts at most are unknown when the process dies.

A claim is also a place in the sender's rate, or a slot of its bulk's pace. So whoever is late to
begin, because the process or its machine stood still, sends nothing and gives the message back.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from linegate.clock import Clock
from linegate.dispatch.attempt_log import AttemptLog, Logged
from linegate.dispatch.claims import Claims
from linegate.dispatch.contents import Content, Contents
from linegate.dispatch.refusals import Refusals
from linegate.dispatch.senders import LiveSender, Senders
from linegate.dispatch.settle import Decided, settle
from linegate.domain.circuit import Hold
from linegate.domain.decide import (
    FailOver,
    Patience,
    TryAgain,
    after_attempt,
    when_closed,
    when_late,
)
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.pace import begin_by
from linegate.domain.phone import line_hash
from linegate.group_commit import GroupCommit
from linegate.line.client import LineClient
from linegate.line.tag import make_tag
from linegate.line.tokens import TokenFailure
from linegate.metrics import Metrics
from linegate.postgres.dispatching import (
    DueMessage,
    Tried,
    give_back,
    renew_leases,
    slow_sender,
    wake_runs,
)
from linegate.postgres.insist import insist
from linegate.postgres.pool import Pool, transaction

__all__ = ["DispatchOptions", "Dispatcher"]

_SLOWED_FOR = timedelta(seconds=1)
_PATIENCE = timedelta(milliseconds=20)  # what a busy process gathers places for
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
    ahead:     how long before its instant a message is claimed, to leave at that instant.
    stale:     how late a slot of a speed limit may be used.
    """

    patience: Patience
    ahead: timedelta = timedelta(milliseconds=60)
    stale: timedelta = timedelta(milliseconds=250)
    in_flight: int = 256
    lease_for: timedelta = timedelta(seconds=15)
    burst: timedelta = timedelta(milliseconds=30)
    linger: timedelta = timedelta(milliseconds=10)


class _Claimed(NamedTuple):
    message: DueMessage
    content: Content
    line_message: bytes
    asked_at: datetime
    begin_by: datetime


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
        attempt_log: AttemptLog | None = None,
    ) -> None:
        """Send through `line` for `senders`, over `pool`; attempts are told to `attempt_log`."""
        self._attempt_log = attempt_log
        self._pool = pool
        self._clock = clock
        self._senders = senders
        self._line = line
        self._metrics = metrics
        self._options = options
        self._contents = Contents(pool)
        self._refusals = Refusals(pool, clock, metrics)
        self._claims = Claims(
            pool,
            clock,
            ahead=options.ahead,
            burst=options.burst,
            stale=options.stale,
            lease_for=options.lease_for,
        )
        self._inbox: asyncio.Queue[_Claimed] = asyncio.Queue()
        self._held: dict[int, int] = {}  # message id -> attempt, from claim to settle
        self._room = asyncio.Event()
        self._settling: GroupCommit[Decided, None] = GroupCommit(
            self._settle,
            max_items=options.in_flight,
            capacity=options.in_flight,
            linger=options.linger,
            writers=1,  # a second one would halve the batches, and a statement's price is per batch
        )
        self._hands: list[asyncio.Task[None]] = []
        self._begun_after = timedelta(0)  # how long after its claim the last attempt could begin
        self._next_at: datetime | None = None

    async def run_once(self) -> int:
        """Claim what there is room for and start sending it; gives how many."""
        self._reap()
        self._metrics.in_flight.set(len(self._held))
        free = await self._wait_for_room()
        now = self._clock.now()
        wanted = self._senders.wanted(free, now)
        self._next_at = now + _PATIENCE if self._is_crowded() else None
        if not wanted:
            return 0
        lease_until = now + self._options.lease_for
        claimed, next_at = await self._claims.take(wanted, free, now)
        if next_at is not None:
            at = next_at - self._options.ahead
            self._next_at = min(at, self._next_at or at)
        if claimed:
            begin_bys = [
                begin_by(
                    each.due_at if each.paced else None,
                    asked_at=now,
                    usual=self._begun_after,
                    lease_until=lease_until,
                )
                for each in claimed
            ]
            await self._take(claimed, begin_bys, lease_until)
        await self._claims.sweep()
        return len(claimed)

    def next_at(self) -> datetime | None:
        """When the next message that is not due yet may be claimed."""
        return self._next_at

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
        unstarted: list[DueMessage] = []
        while not self._inbox.empty():
            unstarted.append(self._inbox.get_nowait().message)
        if unstarted:
            await self._give_back(unstarted)
        while self._held:
            self._room.clear()
            await self._room.wait()
        for hand in self._hands:
            hand.cancel()
        await asyncio.gather(*self._hands, return_exceptions=True)
        await self._settling.aclose()

    async def _wait_for_room(self) -> int:
        """Places to fill. A claim costs a round trip, so a busy process waits for a few of them.

        Not for long, once there is any: LINE may be slow for those who hold the others.
        """
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                while self._is_crowded():
                    await self._room_changed()
        except TimeoutError:
            while len(self._held) >= self._options.in_flight:
                await self._room_changed()
        return self._options.in_flight - len(self._held)

    def _is_crowded(self) -> bool:
        return len(self._held) > self._options.in_flight * 9 // 16

    async def _room_changed(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _reap(self) -> None:
        """Raise what ended hands, for the supervisor to tell; their messages' leases run out.

        All of them at once: each raise costs a pause, and there are as many hands as places.
        """
        ended = [each for each in self._hands if each.done()]
        self._hands = [each for each in self._hands if not each.done()]
        errors = [error for each in ended if (error := each.exception()) is not None]
        if errors:
            raise BaseExceptionGroup("sending ended", errors)

    async def _give_back(self, unstarted: Sequence[DueMessage]) -> None:
        held = [(each.unfinished.id, each.unfinished.attempt) for each in unstarted]
        for message in unstarted:
            self._drop(message)
        object_ids = [each.object_id for each in unstarted]
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            await give_back(conn, held, now=now)
            await wake_runs(conn, object_ids, parked=True, now=now)

    async def _take(
        self, claimed: Sequence[DueMessage], begin_bys: Sequence[datetime], lease_until: datetime
    ) -> None:
        asked_at = lease_until - self._options.lease_for
        for message in claimed:
            self._held[message.unfinished.id] = message.unfinished.attempt
            sender = self._senders.get(message.sender_id)
            if sender is not None:
                sender.in_flight += 1
        self._metrics.claimed.inc(len(claimed))
        self._metrics.in_flight.set(len(self._held))
        objects = {message.object_id for message in claimed}
        try:
            contents = await insist(lambda: self._contents.load(objects), clock=self._clock)
            ready = await insist(
                lambda: self._filled(claimed, begin_bys, asked_at, contents), clock=self._clock
            )
        except BaseException:  # raised on: their leases must not be renewed for ever
            for message in claimed:
                self._drop(message)
            raise
        if self._clock.now() >= lease_until:  # the database was away: others may have them now
            await self._give_back(claimed)
            return
        while len(self._hands) < min(self._options.in_flight, len(self._held)):
            self._hands.append(asyncio.create_task(self._send_always()))
        for each in ready:
            self._inbox.put_nowait(each)

    async def _filled(
        self,
        claimed: Sequence[DueMessage],
        begin_bys: Sequence[datetime],
        asked_at: datetime,
        contents: Mapping[int, Content],
    ) -> list[_Claimed]:
        """Each message with its JSON; texts are read only for those that have their own."""
        personal = [
            each.unfinished.id for each in claimed if contents[each.object_id].form is not None
        ]
        texts = await self._contents.texts(sorted(personal)) if personal else {}
        return [
            _Claimed(each, content, content.filled(texts.get(each.unfinished.id)), asked_at, until)
            for each, until in zip(claimed, begin_bys, strict=True)
            for content in (contents[each.object_id],)
        ]

    async def _send_always(self) -> None:
        while True:
            claimed = await self._inbox.get()
            try:
                await self._settling.submit(await self._send(claimed))
            finally:
                self._drop(claimed.message)

    def _drop(self, message: DueMessage) -> None:
        self._held.pop(message.unfinished.id, None)
        sender = self._senders.get(message.sender_id)
        if sender is not None and sender.in_flight > 0:
            sender.in_flight -= 1
        self._room.set()

    async def _send(self, claimed: _Claimed) -> Decided:
        message, content = claimed.message, claimed.content
        unfinished = message.unfinished
        started = self._clock.now()
        if message.due_at > started:
            await self._clock.sleep_until(message.due_at)
            started = self._clock.now()
        opens_at = content.opens_at(message.destination, started)
        if opens_at is not None:
            return Decided(unfinished, when_closed(unfinished, opens_at), None)
        sender = self._senders.get(message.sender_id)
        if sender is None:
            raise LookupError(f"sender {message.sender_id} is not known here")
        if self._refusals.is_stopped(message.object_id, started):
            return Decided(unfinished, TryAgain(started + _SLOWED_FOR, unfinished.failures), None)
        outcome = await self._attempt(sender, claimed)
        ended = self._clock.now()
        if outcome is None:
            self._metrics.unbegun.labels("LINE").inc()
            return Decided(unfinished, when_late(unfinished, ended), None)
        await self._learn(sender, outcome)
        await self._refusals.learn(message.object_id, message.sender_id, outcome)
        self._metrics.late_seconds.observe((started - message.due_at).total_seconds())
        self._metrics.line_seconds.observe((ended - started).total_seconds())
        spread = random.uniform(-1, 1)  # noqa: S311 - spreads retries, guards nothing
        step = after_attempt(unfinished, outcome, ended, self._options.patience, spread)
        tried = Tried(unfinished.id, unfinished.attempt, started, ended, outcome)
        return Decided(unfinished, step, tried, content.intermediate, content.trace_id)

    async def _attempt(self, sender: LiveSender, claimed: _Claimed) -> Outcome | None:
        """Ask LINE once, and once more with a new token if it does not know this one.

        None: LINE was not asked, or had refused, when it was too late to begin.
        """
        refusal = sender.refusal()
        if refusal is not None:
            return _AS_BEFORE[refusal]
        token = await sender.tokens.token()
        if isinstance(token, TokenFailure):
            return token.outcome()
        outcome = await self._push(token, claimed)
        if outcome is None or outcome.kind is not OutcomeKind.UNAUTHORISED:
            return outcome
        renewed = await sender.tokens.renew(token)
        if isinstance(renewed, TokenFailure):
            return renewed.outcome()
        return await self._push(renewed, claimed)

    async def _push(self, token: str, claimed: _Claimed) -> Outcome | None:
        now = self._clock.now()
        self._begun_after = now - claimed.asked_at
        if now > claimed.begin_by:
            return None
        message, content, line_message = claimed[:3]
        return await self._line.push(
            token=token,
            to_hash=line_hash(message.destination),
            message_json=line_message,
            tag=make_tag(message.unfinished.id, message.unfinished.attempt),
            templated=content.templated,
        )

    async def _learn(self, sender: LiveSender, outcome: Outcome) -> None:
        now = self._clock.now()
        await self._senders.learn(sender, outcome, now)
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._senders.handed_over[sender.row.id] += 1
        if outcome.kind is OutcomeKind.SLOWED:
            await insist(lambda: self._slow(sender, now + _SLOWED_FOR), clock=self._clock)

    async def _slow(self, sender: LiveSender, until: datetime) -> None:
        async with self._pool.acquire() as conn:
            await slow_sender(conn, sender.row.id, until=until)

    async def _settle(self, group: Sequence[Decided]) -> list[None]:
        now = self._clock.now()
        written = await insist(lambda: settle(self._pool, group, now), clock=self._clock)
        if written < len(group):
            self._metrics.fenced.inc(len(group) - written)
        for decided in group:
            if isinstance(decided.step, FailOver):
                self._metrics.failovers.labels("refused").inc()
            if decided.tried is not None:
                self._tell(decided.tried, decided.trace_id)
        return [None] * len(group)

    def _tell(self, tried: Tried, trace_id: str) -> None:
        """Count an attempt that is written, and log it."""
        outcome = tried.outcome
        self._metrics.attempts.labels(outcome.kind.value, str(outcome.code)).inc()
        if self._attempt_log is not None:
            self._attempt_log.tell(Logged("LINE", *tried, trace_id))
