"""The gate before acceptance: limits of account and caller, and what the machine can bear.

A request that is one too many is refused here, before anything of it is written. What passes is
counted; what is then not taken after all is given back.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from linegate.accept.accepted import Accepted, Full
from linegate.api.auth import Refused
from linegate.api.directory import Directory
from linegate.api.pressure import Pressure
from linegate.api.quotas import Quotas, Wanted
from linegate.domain.bulk import Bulk
from linegate.domain.caller import Caller
from linegate.domain.policy import AccountPolicy, Room
from linegate.domain.violation import Violation

__all__ = ["Gate"]

Answer = TypeVar("Answer")


class Gate:
    """Lets bulks through to be accepted."""

    def __init__(self, directory: Directory, quotas: Quotas, pressure: Pressure) -> None:
        """Know limits through `directory`; daily ones are used up in `quotas`."""
        self._directory = directory
        self._quotas = quotas
        self._pressure = pressure

    async def through(
        self,
        bulk: Bulk,
        caller: Caller,
        accept: Callable[[Room], Awaitable[Answer | Full]],
        now: datetime,
    ) -> Answer:
        """What `accept` answers, if the bulk may pass and finds room.

        Raises: Refused 429 with Retry-After for a limit that is reached, 503 if the machine can
                take no more; what `accept` raises.
        """
        if refusal := await self._pressure.refusal(now):
            reason = f"{refusal}: nothing of the request was taken, repeat it later"
            raise Refused(503, [Violation("$", reason)], {"Retry-After": "30"})
        policy = await self._directory.policy(bulk.account_id, now)
        wanted = _wanted(bulk, caller, policy)
        short = await self._quotas.take(bulk.account_id, wanted, now) if wanted else None
        if short is not None:
            raise _used_up(short, now)
        taken = False
        try:
            await self._directory.divisions.ensure(bulk, now)
            answer = await accept(policy.room(caller))
            taken = isinstance(answer, Accepted)
        finally:
            if wanted and not taken:
                self._quotas.give_back(bulk.account_id, wanted, now)
        if isinstance(answer, Full):
            raise _full(answer)
        return answer


def _full(full: Full) -> Refused:
    reason = (
        f"the {full.of} may have {full.most} messages that have not ended and has {full.waiting}:"
        f" the {full.wanted} of this request are too many. Nothing was taken"
    )
    return Refused(429, [Violation("$", reason)], {"Retry-After": "10"})


def _wanted(bulk: Bulk, caller: Caller, policy: AccountPolicy) -> list[Wanted]:
    """What of which daily limit the bulk uses; messages that are rejected use none."""
    counts: dict[tuple[str, int], int] = {}
    own = policy.callers.get(caller.name)
    for part in bulk.objects:
        messages = len(part.destinations) - len(part.rejections)
        limits = (
            ("account", policy.limits.messages_per_day),
            (caller.subject, own.messages_per_day if own else None),
            policy.quota(part.application_id, part.entity_id) or ("", None),
        )
        for subject, most in limits:
            if most is not None and messages:
                counts[subject, most] = counts.get((subject, most), 0) + messages
    return [Wanted(subject, count, most) for (subject, most), count in sorted(counts.items())]


def _used_up(short: Wanted, now: datetime) -> Refused:
    tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    seconds = int((tomorrow - now).total_seconds()) + 1
    reason = (
        f"the daily limit of {short.subject}, {short.most} messages, has too few left for the"
        f" {short.messages} of this request; the next day begins at 00:00 UTC. Nothing was taken"
    )
    return Refused(429, [Violation("$", reason)], {"Retry-After": str(seconds)})
