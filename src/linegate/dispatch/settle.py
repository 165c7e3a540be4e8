"""Writes what was decided: many steps in a few statements.

Every step comes from `domain/decide.py`; nothing is decided here. Rows are fenced by the attempt,
so writing a step twice, or after another worker took the message over, changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.decide import Finish, Step, TryAgain, Unfinished, WaitForEvent
from linegate.postgres.dispatching import Tried, finish, insert_attempts, move
from linegate.postgres.pool import Connection, Pool, transaction

__all__ = ["Decided", "settle", "write_steps"]


class Decided(NamedTuple):
    """What was tried with a message, and what follows from it."""

    message: Unfinished
    step: Step
    tried: Tried


async def settle(pool: Pool, decided: Sequence[Decided], now: datetime) -> int:
    """Write attempts and what follows from them; gives how many messages were still ours.

    Moves and ends go in transactions of their own, each in ascending order of ids: with both in
    one, a transaction of delivery events could hold one message and wait for another in a circle.
    """
    moved = [each for each in decided if not isinstance(each.step, Finish)]
    ended = [each for each in decided if isinstance(each.step, Finish)]
    written = 0
    for part in (moved, ended):
        if part:
            async with transaction(pool) as conn:
                await insert_attempts(conn, [each.tried for each in part])
                steps = [(each.message, each.step) for each in part]
                written += await write_steps(conn, steps, now)
    return written


async def write_steps(
    conn: Connection, steps: Sequence[tuple[Unfinished, Step]], now: datetime
) -> int:
    """Write steps in the caller's transaction; gives how many messages were still ours.

    With moves and ends together, the caller has locked the rows before.
    """
    moves: list[tuple[Unfinished, WaitForEvent | TryAgain]] = []
    ends: list[tuple[Unfinished, Finish]] = []
    for message, step in steps:
        if isinstance(step, Finish):
            ends.append((message, step))
        else:
            moves.append((message, step))
    written = await move(conn, moves) if moves else 0
    if ends:
        written += await finish(conn, ends, now=now)
    return written
