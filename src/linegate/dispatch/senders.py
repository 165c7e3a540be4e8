"""The senders a worker may send for: their tokens, their circuits, who may claim how much."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.domain.circuit import Circuit, Hold
from linegate.domain.outcome import Outcome
from linegate.domain.share import room_of
from linegate.line.tokens import TokenSource
from linegate.metrics import Metrics
from linegate.postgres.directory import (
    SenderRow,
    end_monthly_holds,
    hold_sender,
    load_senders,
    resume_sender,
)
from linegate.postgres.insist import insist
from linegate.postgres.pool import Pool

__all__ = ["LiveSender", "Senders"]

_log = structlog.get_logger()
_FAULTS = tuple(hold.value for hold in Hold if hold is not Hold.PAUSED)


class LiveSender:
    """One sender in this process."""

    __slots__ = ("circuit", "in_flight", "row", "tokens")

    def __init__(self, row: SenderRow, tokens: TokenSource) -> None:
        """Start with what the database says and no answers of LINE yet."""
        self.row = row
        self.tokens = tokens
        self.circuit = _circuit_of(row)
        self.in_flight = 0

    def refusal(self) -> Hold | None:
        """Why LINE need not be asked at all: it would refuse as it did twenty times before."""
        hold = self.circuit.hold
        return hold if hold in (Hold.FORBIDDEN, Hold.MONTHLY_LIMIT) else None


class Senders:
    """Loop: keeps the senders as the database has them; and tells it what LINE's answers mean."""

    name = "senders"
    interval = timedelta(seconds=1)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        metrics: Metrics,
        token_source: Callable[[SenderRow], TokenSource],
    ) -> None:
        """Read over `pool`; `token_source` builds a sender's tokens from its row."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._token_source = token_source
        self._by_id: dict[int, LiveSender] = {}
        self.handed_over: Counter[int] = Counter()  # by sender; emptied by Ears

    def get(self, sender_id: int) -> LiveSender | None:
        """The sender, if it is known here."""
        return self._by_id.get(sender_id)

    async def run_once(self) -> int:
        """Read the senders anew; gives 0, as there is never more to do at once."""
        async with self._pool.acquire() as conn:
            await end_monthly_holds(conn, now=self._clock.now())
            rows = await load_senders(conn)
        known, self._by_id = self._by_id, {}
        for row in rows:
            self._by_id[row.id] = self._renewed(known.get(row.id), row)
        return 0

    def wanted(self, free: int, now: datetime) -> dict[int, int]:
        """How many messages each sender may have claimed, of `free` places.

        The least busy first, and none more than its share.
        """
        busy = sum(1 for sender in self._by_id.values() if sender.in_flight)
        wanted: dict[int, int] = {}
        for sender in sorted(self._by_id.values(), key=lambda each: each.in_flight):
            if sender.row.suspended_at is not None:
                continue
            others = busy - (1 if sender.in_flight else 0)
            share = min(room_of(free, sender.in_flight), max(1, free // (others + 1)))
            places = sender.circuit.places(share, now)
            if sender.circuit.hold is not None and sender.refusal() is None and sender.in_flight:
                places = 0  # one probe at a time
            if places > 0:
                wanted[sender.row.id] = places
        return wanted

    async def learn(self, sender: LiveSender, outcome: Outcome, now: datetime) -> None:
        """Take one of LINE's answers into the sender's circuit; a change goes to the database."""
        before = sender.circuit
        after = before.after(outcome.kind, now)
        if after is before:
            return
        sender.circuit = after
        if after.hold is before.hold and after.probe_at == before.probe_at:
            return
        await insist(lambda: self._write(sender, after, outcome, now), clock=self._clock)
        self._tell(sender, before, outcome)

    async def _write(
        self, sender: LiveSender, after: Circuit, outcome: Outcome, now: datetime
    ) -> None:
        async with self._pool.acquire() as conn:
            if after.hold is None:
                await resume_sender(conn, sender.row.id, holds=_FAULTS)
            else:
                await hold_sender(
                    conn,
                    sender.row.id,
                    hold=after.hold.value,
                    reason=outcome.detail,
                    until=after.probe_at,
                    now=now,
                )

    def _tell(self, sender: LiveSender, before: Circuit, outcome: Outcome) -> None:
        hold = sender.circuit.hold
        if hold is before.hold:
            return
        if hold is None:
            _log.info("sender.resumed", sender=sender.row.name)
            return
        self._metrics.holds.labels(hold.value).inc()
        _log.warning(
            "sender.held",
            sender=sender.row.name,
            reason=hold.value,
            code=outcome.code,
            detail=outcome.detail,
        )

    def _renewed(self, known: LiveSender | None, row: SenderRow) -> LiveSender:
        if known is None or _credentials(known.row) != _credentials(row):
            fresh = LiveSender(row, self._token_source(row))
            if known is not None:
                fresh.in_flight = known.in_flight
            return fresh
        known.circuit = _merged(known.circuit, row)
        known.row = row
        return known


def _credentials(row: SenderRow) -> tuple[object, ...]:
    return (
        row.channel_id,
        row.channel_secret,
        row.access_token,
        row.assertion_key,
        row.assertion_kid,
    )


def _circuit_of(row: SenderRow) -> Circuit:
    return Circuit(hold=Hold(row.hold), probe_at=row.hold_until) if row.hold else Circuit()


def _merged(own: Circuit, row: SenderRow) -> Circuit:
    """What this process learnt, with what another process or the operator did since."""
    stored = Hold(row.hold) if row.hold else None
    if stored is own.hold:
        return own if own.probe_at == row.hold_until else replace(own, probe_at=row.hold_until)
    return _circuit_of(row)
