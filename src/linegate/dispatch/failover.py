"""Writes fail-overs: messages leave their LINE leg, and their SMS leg begins.

Which messages is decided before (`domain/decide.py`); here it is planned when their SMS may go.
"""

from collections.abc import Sequence
from datetime import datetime

from linegate.dispatch.contents import Content
from linegate.dispatch.sms_content import read_sms
from linegate.domain.decide import FailOver, Unfinished
from linegate.domain.decide_sms import start_sms
from linegate.postgres.dispatching import Tried, finish
from linegate.postgres.pool import Connection
from linegate.postgres.reporting import Interim, insert_interim
from linegate.postgres.sms import FailoverFacts, PlannedSms, fail_over, failover_facts

__all__ = ["opens_at", "write_failovers"]


async def write_failovers(
    conn: Connection,
    steps: Sequence[tuple[Unfinished, FailOver]],
    now: datetime,
    tried: Sequence[Tried] = (),
) -> int:
    """Start the SMS legs in the caller's transaction; gives how many messages were still ours.

    Of a bulk that was cancelled meanwhile nothing new goes out: its messages end as LINE's leg did.
    Clients that asked for intermediate reports hear how the LINE leg ended.
    """
    facts = await failover_facts(conn, [message.id for message, _ in steps])
    steps = [(message, step) for message, step in steps if message.id in facts]
    over = [(message, step.line_end) for message, step in steps if facts[message.id].cancelled]
    steps = [(message, step) for message, step in steps if not facts[message.id].cancelled]
    planned = [_plan(message, step, facts[message.id], now) for message, step in steps]
    told = [
        Interim(
            message.id,
            message.attempt,
            2 * message.attempt + 1,
            step.line_end.status,
            step.line_end.error,
            now,
        )
        for message, step in steps
        if facts[message.id].intermediate
    ]
    if told:
        await insert_interim(conn, told, now=now)
    written = await fail_over(conn, planned, tried, now=now) if planned else 0
    if over:
        written += await finish(conn, over, () if planned else tried, now=now)
    return written


def opens_at(window: str | None, destination: str, now: datetime) -> datetime | None:
    """When a message to this number may go, if its window (JSON) is closed now."""
    return Content(False, b"", window).opens_at(destination, now)


def _plan(message: Unfinished, step: FailOver, facts: FailoverFacts, now: datetime) -> PlannedSms:
    sms = read_sms(facts.failover)
    opens = opens_at(facts.window, facts.destination, now)
    due_at, deadline_at = start_sms(sms.valid_for, opens, now)
    return PlannedSms(message, step, due_at, deadline_at, sms.sender)
