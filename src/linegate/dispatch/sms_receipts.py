"""Receipts of SMS providers: on disk before they are acknowledged, decided about under a lock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import structlog

from linegate.clock import Clock
from linegate.domain.decide import Finish
from linegate.domain.decide_sms import PartState, SmsUnfinished, after_receipts
from linegate.domain.ids import read_public_id
from linegate.domain.transport import OnReceipts, Receipt
from linegate.group_commit import GroupCommit, Overloaded
from linegate.metrics import Metrics
from linegate.postgres.pool import AWAY, Connection, Pool, transaction
from linegate.postgres.sms import SmsEnd, finish_sms
from linegate.postgres.sms_receipts import (
    Met,
    drop_told_parts,
    insert_late_receipts,
    insert_receipts,
    keep_early,
    lock_legs,
    mark_parts,
    match_early,
    match_receipts,
    parts_of,
    take_early,
)

__all__ = ["SmsReceipts", "settle_receipts", "take_crossed", "take_waiting"]

_log = structlog.get_logger()
_PER_COMMIT = 500
_WAITING = 10_000
_NOT_NOW: tuple[type[Exception], ...] = (Overloaded, *AWAY)
_CROSS_WITHIN = timedelta(minutes=1)
_WHOLE = 0  # the part of a receipt that is about a whole message

Told = tuple[int, Receipt]
"""A receipt with its route."""


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A receipt that met its message."""

    met: Met
    route_id: int
    receipt: Receipt


class SmsReceipts:
    """Takes receipts of concurrent calls and sessions and writes them together."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics, *, linger: timedelta) -> None:
        """Write over `pool`; `linger` is how long a small group may wait for company."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._group: GroupCommit[Sequence[Told], None] = GroupCommit(
            self._flush,
            max_items=_PER_COMMIT,
            max_weight=_PER_COMMIT,
            weigh=len,
            capacity=_WAITING,
            max_waiting=_WAITING,
            linger=linger,
            writers=1,
        )

    async def take(self, route_id: int, receipts: Sequence[Receipt]) -> None:
        """Write the receipts of one call. When this returns, they are on disk.

        Raises: Overloaded when too many calls wait for the database; what the database raises.
        """
        if receipts:
            await self._group.submit([(route_id, receipt) for receipt in receipts])

    def taker(self, route_id: int) -> OnReceipts:
        """What a route's transport hands its receipts to: False while the database is away."""

        async def take(receipts: list[Receipt]) -> bool:
            try:
                await self.take(route_id, receipts)
            except _NOT_NOW as error:
                _log.warning("sms_receipts.not_kept", error=type(error).__name__)
                return False
            return True

        return take

    async def aclose(self) -> None:
        """Write what waits, then stop."""
        await self._group.aclose()

    async def _flush(self, group: Sequence[Sequence[Told]]) -> list[None]:
        told = [each for call in group for each in call]
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            taken = await settle_receipts(conn, told, now)
        if taken["early"]:
            async with transaction(self._pool) as conn:
                await _look_again(conn, told, now)
        for result, receipts in taken.items():
            self._metrics.sms_receipts.labels(result).inc(receipts)
        return [None] * len(group)


async def settle_receipts(conn: Connection, told: Sequence[Told], now: datetime) -> Counter[str]:
    """Take receipts into what is known of their messages, in the caller's transaction.

    Gives how many `met` a message that is open, came `late`, were too `early`, and are `unknown`.
    Those of SMPP that met none wait for the id.
    """
    meetings, strangers = await _meet(conn, told)
    waiting = [
        (route_id, receipt, _packed(receipt))
        for route_id, receipt in strangers
        if not receipt.reference
    ]
    if waiting:
        await keep_early(conn, waiting, now=now)
    taken = Counter(early=len(waiting))
    if meetings:
        legs = await lock_legs(conn, sorted({each.met.message_id for each in meetings}))
        taken["met"] = await _decide(conn, meetings, legs, now)
        taken["late"] = await _note_late(
            conn, [each for each in meetings if each.met.message_id not in legs], now
        )
    taken["unknown"] = len(told) - taken.total()
    return taken


async def take_waiting(
    conn: Connection, parts: Sequence[tuple[int, str, str]], now: datetime
) -> None:
    """Take along receipts that came before these ids (route, key, number) were written."""
    waiting = await take_early(conn, parts)
    if waiting:
        await settle_receipts(conn, [_unpacked(*each) for each in waiting], now)


async def _look_again(conn: Connection, told: Sequence[Told], now: datetime) -> None:
    """Take receipts that were kept as early while their ids were being written."""
    early = [each for each in told if not each[1].reference]
    met = await match_receipts(conn, early)
    keys = [
        (route_id, key, receipt.destination)
        for position, (route_id, receipt) in enumerate(early)
        if position in met
        for key in receipt.ids
    ]
    if keys:
        await take_waiting(conn, keys, now)


async def take_crossed(conn: Connection, now: datetime, *, limit: int) -> int:
    """Join receipts and ids whose process died before it looked again; gives how many."""
    crossed = await match_early(conn, since=now - _CROSS_WITHIN, limit=limit)
    if crossed:
        await settle_receipts(conn, [_unpacked(*each) for each in crossed], now)
    return len(crossed)


async def _meet(conn: Connection, told: Sequence[Told]) -> tuple[list[_Meeting], list[Told]]:
    """Receipts with their messages, and those without."""
    by_part = await match_receipts(conn, told)
    meetings: list[_Meeting] = []
    strangers: list[Told] = []
    for position, (route_id, receipt) in enumerate(told):
        ours = read_public_id(receipt.reference)
        met = by_part.get(position) or (Met(ours, _WHOLE) if ours is not None else None)
        if met is None:
            strangers.append((route_id, receipt))
        else:
            meetings.append(_Meeting(met, route_id, receipt))
    return meetings, strangers


async def _note_late(conn: Connection, late: Sequence[_Meeting], now: datetime) -> int:
    """Put receipts of ended messages on their time line; gives how many."""
    if not late:
        return 0
    told = [(each.met, each.route_id, each.receipt) for each in late]
    noted = await insert_late_receipts(conn, told, now=now)
    await drop_told_parts(conn, [each.met for each in late if not each.receipt.pending])
    return noted


async def _decide(
    conn: Connection,
    meetings: Sequence[_Meeting],
    legs: dict[int, SmsUnfinished],
    now: datetime,
) -> int:
    """Take in what is told of open messages, and end those it ends; gives how many receipts."""
    ours = [  # a provider's call may name any message: only its own route's count
        each
        for each in meetings
        if (leg := legs.get(each.met.message_id)) and leg.route_id == each.route_id
    ]
    if not ours:
        return 0
    told = [(each.met, each.route_id, each.receipt) for each in ours]
    await insert_receipts(conn, told, now=now)
    await mark_parts(conn, {each.met: each.receipt for each in ours if each.met.part != _WHOLE})
    parts = await parts_of(conn, sorted({each.met.message_id for each in ours}))
    ends = _ends(legs, parts, ours)
    if ends:
        await finish_sms(conn, ends, now=now)
    return len(ours)


def _ends(
    legs: dict[int, SmsUnfinished],
    parts: dict[int, list[PartState]],
    meetings: Sequence[_Meeting],
) -> list[SmsEnd]:
    """The ends that follow, each with what the receipts tell of price and network."""
    newest: dict[int, Receipt] = {}
    whole: dict[int, Receipt] = {}
    for each in meetings:
        newest[each.met.message_id] = each.receipt
        if each.met.part == _WHOLE and not each.receipt.pending:
            whole.setdefault(each.met.message_id, each.receipt)
    found: list[SmsEnd] = []
    for id_, last in newest.items():
        receipt = whole.get(id_, last)
        states = parts.get(id_, [])
        if id_ in whole:
            states = [PartState(receipt.status, receipt.error)]
        end = after_receipts(states)
        if end is not None:
            found.append(_end_of(legs[id_], end, receipt))
    return found


def _end_of(leg: SmsUnfinished, end: Finish, receipt: Receipt) -> SmsEnd:
    price = receipt.price
    return SmsEnd(
        leg.id,
        leg.attempt,
        end,
        parts=receipt.parts or 1,
        price=Decimal(str(price.amount)) if price else None,
        currency=price.currency if price else None,
        mcc_mnc=receipt.mcc_mnc,
    )


def _packed(receipt: Receipt) -> str:
    return msgspec.json.encode(replace(receipt, price=None)).decode()


def _unpacked(route_id: int, text: str) -> Told:
    return route_id, msgspec.json.decode(text, type=Receipt)
