"""Writes what was decided: many steps in a few statements.

Every step comes from `domain/decide.py`; nothing is decided here. Rows are fenced by the attempt,
so writing a step twice, or after another worker took the message over, changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.dispatch.failover import write_failovers
from linegate.domain.decide import (
    ENROUTE,
    FailOver,
    Finish,
    State,
    Step,
    TryAgain,
    Unfinished,
    WaitForEvent,
)
from linegate.postgres.dispatching import NOTHING_MOVED, Tried, finish, move, wake_runs
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.reporting import Interim, insert_interim

__all__ = ["Decided", "settle", "write_steps"]


class Decided(NamedTuple):
    """What was tried with a message, and what follows from it."""

    message: Unfinished
    step: Step
    tried: Tried | None  # None: its window had closed, nothing was tried
    wants_interim: bool = False  # its client hears of a hand-over
    trace_id: str = ""  # for the log


async def settle(pool: Pool, decided: Sequence[Decided], now: datetime) -> int:
    """Write attempts and what follows from them; gives how many messages were still ours.

    Moves, ends and fail-overs go in transactions of their own, each in ascending order of ids:
    with two kinds in one, a transaction of delivery events could hold one message and wait for
    another in a circle.
    """
    ended = [each for each in decided if isinstance(each.step, Finish)]
    failed = [each for each in decided if isinstance(each.step, FailOver)]
    moved = [each for each in decided if isinstance(each.step, WaitForEvent | TryAgain)]
    back = [each for each in moved if isinstance(each.step, TryAgain)]
    written = 0
    told = [report for each in moved if (report := _interim(each)) is not None]
    if moved and not back and not told:  # nearly always: a statement is a transaction by itself
        async with pool.acquire() as conn:
            written += await _write(conn, moved, now)
    elif moved:
        async with transaction(pool) as conn:
            written += await _write(conn, moved, now)
            if told:
                await insert_interim(conn, told, now=now)
    if ended:
        async with pool.acquire() as conn:
            written += await _write(conn, ended, now)
    if failed:
        async with transaction(pool) as conn:
            written += await _write(conn, failed, now)
    return written


async def _write(conn: Connection, decided: Sequence[Decided], now: datetime) -> int:
    tried = [each.tried for each in decided if each.tried is not None]
    return await write_steps(conn, [(each.message, each.step) for each in decided], now, tried)


async def write_steps(
    conn: Connection,
    steps: Sequence[tuple[Unfinished, Step]],
    now: datetime,
    tried: Sequence[Tried] = (),
) -> int:
    """Write steps, and the attempts that led to them; gives how many messages were still ours.

    With a TryAgain among them the caller has opened a transaction: the shaper hears of it.
    With moves and ends together, the caller has locked the rows before.
    """
    moves: list[tuple[Unfinished, WaitForEvent | TryAgain]] = []
    ends: list[tuple[Unfinished, Finish]] = []
    failovers: list[tuple[Unfinished, FailOver]] = []
    for message, step in steps:
        if isinstance(step, Finish):
            ends.append((message, step))
        elif isinstance(step, FailOver):
            failovers.append((message, step))
        else:
            moves.append((message, step))
    moved = await move(conn, moves, tried) if moves else NOTHING_MOVED
    ended = await finish(conn, ends, () if moves else tried, now=now) if ends else 0
    if failovers:
        rest = () if moves or ends else tried
        ended += await write_failovers(conn, failovers, now, rest)
    if moved.back:  # after the rows: the shaper locks a bulk first and skips rows that are locked
        await wake_runs(conn, moved.back, parked=moved.parked, now=now)
    return moved.written + ended


def _interim(decided: Decided) -> Interim | None:
    """The report of a hand-over, for clients that asked for it; numbers ascend with attempts."""
    step, attempt = decided.step, decided.message.attempt
    if not decided.wants_interim or not isinstance(step, WaitForEvent):
        return None
    if step.state is not State.SENT:
        return None
    return Interim(decided.message.id, attempt, 2 * attempt, ENROUTE, 0, step.sent_at)
