"""Writes what was decided about SMS legs after a provider's answer: many in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.dispatch.sms_receipts import take_waiting
from linegate.domain.decide import ENROUTE, Finish
from linegate.domain.decide_sms import SmsAgain, SmsSent, SmsStep
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.sms import (
    DueSms,
    SmsEnd,
    SmsInterim,
    SmsPart,
    SmsTried,
    finish_sms,
    insert_parts,
    insert_sms_attempts,
    insert_sms_interim,
    move_sms,
)

__all__ = ["SettledSms", "settle_sms"]


class SettledSms(NamedTuple):
    """What was tried with an SMS, and what follows from it.

    tried:          None: its window had closed, nothing was tried.
    interim_sender: the SMS sender, if the client hears of a hand-over; None if it does not.
    """

    sms: DueSms
    step: SmsStep
    tried: SmsTried | None
    interim_sender: str | None = None
    trace_id: str = ""  # for the log


async def settle_sms(pool: Pool, settled: Sequence[SettledSms], now: datetime) -> int:
    """Write attempts and what follows from them; gives how many legs were still ours.

    Legs that move and legs that end go in transactions of their own, each in ascending order.
    """
    moved = [each for each in settled if not isinstance(each.step, Finish)]
    ended = [each for each in settled if isinstance(each.step, Finish)]
    written = 0
    if moved:
        async with transaction(pool) as conn:
            await _tell(conn, moved)
            ours, parts = await _move(conn, moved, now)
        written += ours
        if parts:
            # Now that the ids can be seen: a receipt is looked for by whoever was written last.
            async with transaction(pool) as conn:
                await take_waiting(conn, parts, now)
    if ended:
        async with transaction(pool) as conn:
            await _tell(conn, ended)
            written += await _end(conn, ended, now)
    return written


async def _tell(conn: Connection, settled: Sequence[SettledSms]) -> None:
    tried = [each.tried for each in settled if each.tried is not None]
    if tried:
        await insert_sms_attempts(conn, tried)


async def _end(conn: Connection, ended: Sequence[SettledSms], now: datetime) -> int:
    ends = [
        SmsEnd(each.sms.leg.id, each.sms.leg.attempt, each.step, parts=_parts(each))
        for each in ended
        if isinstance(each.step, Finish)
    ]
    return len(await finish_sms(conn, ends, now=now))


async def _move(
    conn: Connection, moved: Sequence[SettledSms], now: datetime
) -> tuple[int, list[tuple[int, str, str]]]:
    """Move legs and write the ids of what was handed over.

    Gives how many legs were ours, and the ids as route, key, number.
    """
    steps = [
        (each.sms.leg, each.step, _parts(each))
        for each in moved
        if isinstance(each.step, SmsSent | SmsAgain)
    ]
    ours = await move_sms(conn, steps)
    sent = [each for each in moved if each.sms.leg.id in ours and isinstance(each.step, SmsSent)]
    told = [_interim(each, each.interim_sender, now) for each in sent if each.interim_sender]
    if told:
        await insert_sms_interim(conn, told, now=now)
    parts = [part for each in sent for part in _handed_over(each)]
    if parts:
        await insert_parts(conn, parts)
    return len(ours), [(part.route_id, part.key, part.destination) for part in parts]


def _parts(settled: SettledSms) -> int:
    return settled.tried.submitted.parts if settled.tried else 1


def _handed_over(settled: SettledSms) -> list[SmsPart]:
    tried = settled.tried
    if tried is None:
        return []
    return [
        SmsPart(tried.message_id, number, tried.route_id, key, settled.sms.destination)
        for number, key in enumerate(tried.submitted.ids, 1)
    ]


def _interim(settled: SettledSms, sender: str | None, now: datetime) -> SmsInterim:
    leg = settled.sms.leg
    return SmsInterim(leg.id, 2 * leg.attempt, ENROUTE, now, sender or "")
