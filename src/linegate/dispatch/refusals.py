"""Contents that LINE refuses whoever they go to: after twenty equal 400s in a row one is stopped.

The message object alone: nothing of it is tried, its validity stands still, and the operator
hears of it; `linegate bulk resume` lets it go on. What is in flight meanwhile goes back unsent.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from linegate.clock import Clock
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.metrics import Metrics
from linegate.postgres.insist import insist
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.refusing import hold_object

__all__ = ["IN_A_ROW", "Refusals"]

IN_A_ROW = 20
_REMEMBERED = 10_000  # contents
_STOPPED_FOR = timedelta(seconds=15)  # what was claimed before has gone back by then
_log = structlog.get_logger()


class _Row(NamedTuple):
    """Equal refusals of one content, one after the other."""

    detail: str
    times: int


class Refusals:
    """What LINE says of each content, and the stop."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics) -> None:
        """Stop over `pool`."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._rows: OrderedDict[int, _Row] = OrderedDict()
        self._stopped: dict[int, datetime] = {}

    def is_stopped(self, object_id: int, now: datetime) -> bool:
        """Whether a content was stopped while its message was on its way here."""
        until = self._stopped.get(object_id)
        return until is not None and now < until

    async def learn(self, object_id: int, sender_id: int, outcome: Outcome) -> None:
        """Take one of LINE's answers; the twentieth equal refusal in a row stops the content."""
        if outcome.kind is not OutcomeKind.REFUSED or outcome.code != 400:
            if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REFUSED):
                self._rows.pop(object_id, None)
            return
        row = self._rows.pop(object_id, _Row(outcome.detail, 0))
        times = row.times + 1 if row.detail == outcome.detail else 1
        if times < IN_A_ROW:
            self._rows[object_id] = _Row(outcome.detail, times)
            if len(self._rows) > _REMEMBERED:
                self._rows.popitem(last=False)
            return
        await self._stop(object_id, sender_id, outcome.detail)

    async def _stop(self, object_id: int, sender_id: int, detail: str) -> None:
        now = self._clock.now()
        if self.is_stopped(object_id, now):
            return
        self._stopped = {id_: until for id_, until in self._stopped.items() if now < until}
        self._stopped[object_id] = now + _STOPPED_FOR

        async def hold() -> int:
            async with transaction(self._pool) as conn:
                return await hold_object(conn, object_id, sender_id, reason=detail, now=now)

        parked = await insist(hold, clock=self._clock)
        self._metrics.holds.labels("content").inc()
        _log.warning("content.stopped", object=object_id, detail=detail, parked=parked)
