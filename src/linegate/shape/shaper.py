"""Loop: bulks that wait become due: at their time, in their windows, at their pace.

A bulk is looked at by one shaper at a time, under the lock of its row: what is to become due is
planned by `domain/release.py` and written at once, a third of a second ahead; on a slow database,
as far ahead as the writing takes. What was released
and not sent in time comes back here for another slot, so that a stand-still of any kind is never
followed by a burst. Pausing and cancelling are a word in the bulk's row; this loop does the rest.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.decide import CANCELLED, EXPIRED_WAITING, Finish
from linegate.domain.decide_sms import start_sms
from linegate.domain.pace import LATEST
from linegate.domain.release import LEAD, Release, Run, Track, behind, plan_release
from linegate.low_water import LowWater
from linegate.metrics import Metrics
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.shaping import (
    RunState,
    WaitingTrack,
    bulk_objects,
    count_due,
    end_due,
    end_waiting,
    give_slots,
    hold_due,
    load_tracks,
    mark_eligible,
    next_run_at,
    next_turn_at,
    pace_due,
    release,
    shift_tracks,
    take_runs,
    take_turns,
    tell_dispatcher,
    unhold,
    unpace,
    write_run,
)
from linegate.postgres.sms import end_due_sms, fail_over_waiting, track_sms

__all__ = ["STALE_AFTER", "Shaper"]

STALE_AFTER = LATEST
"""How late a slot may be used; the dispatcher leaves older ones to us."""

_RUNS_AT_ONCE = 4  # under the locks of one transaction: who steers a bulk waits for its row
_ROOM = 2000  # due messages of a sender: a second of LINE's rate
_SMALL = 50  # messages of a bulk that always have room
_CHUNK = 1000  # messages ended in one transaction
_TURNS = 1000
_SOON = timedelta(milliseconds=150)
_LAST_LOOKS = 3


class Shaper:
    """Releases what waits. Any number of processes may run one."""

    name = "shaper"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics) -> None:
        """Release over `pool`."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._next_at: datetime | None = None
        self._low: defaultdict[int, LowWater[None]] = defaultdict(LowWater)
        self._took: deque[timedelta] = deque(maxlen=_LAST_LOOKS)

    async def run_once(self) -> int:
        """Look at bulks whose time has come; gives how many."""
        async with transaction(self._pool) as conn:
            now = self._clock.now()
            runs = await take_runs(conn, limit=_RUNS_AT_ONCE, now=now)
            released = 0
            for run in runs:
                released += await self._look_at(conn, run, now)
            if released:
                await tell_dispatcher(conn)
            self._next_at = await next_run_at(conn)
        if runs:
            self._took.append(self._clock.now() - now)
        self._metrics.released.inc(released)
        return len(runs) if self._next_at is not None and self._next_at <= now else 0

    def next_at(self) -> datetime | None:
        """When the next bulk wants looking at."""
        return self._next_at

    async def _look_at(self, conn: Connection, run: RunState, now: datetime) -> int:
        has_more = run.has_begun or run.paused_at is not None or run.repace
        # Most bulks are looked at once, at their time: what can be spared them is.
        objects = list(await bulk_objects(conn, run.bulk_id)) if has_more else []
        if run.status == "paused":
            await hold_due(conn, run.bulk_id, run.last_id, objects)
            await self._write(conn, run, run.free_at, None)
            return 0
        if run.status == "cancelled":
            await self._cancel(conn, run, objects, now)
            return 0
        if has_more and run.send_at - now <= LEAD:
            run = await self._go_on(conn, run, objects, now)
        return await self._release(conn, run, objects, now)

    async def _go_on(
        self, conn: Connection, run: RunState, object_ids: Sequence[int], now: datetime
    ) -> RunState:
        """Let go what was parked, and what is due take turns or not, as the bulk goes now."""
        at = max(now, run.send_at)
        shift = timedelta(0) if run.paused_at is None else max(at - run.paused_at, timedelta(0))
        await unhold(conn, object_ids, shift=shift, at=at)
        if shift:
            await shift_tracks(conn, run.bulk_id, shift=shift)
        if run.repace and run.pace is None:
            await unpace(conn, object_ids, now=now)
        elif run.repace:
            await pace_due(conn, run.bulk_id, run.last_id, object_ids)
        return run._replace(paused_at=None, repace=False)

    async def _release(
        self, conn: Connection, run: RunState, objects: Sequence[int], now: datetime
    ) -> int:
        tracks = await load_tracks(conn, run.bulk_id)
        waiting = [each for each in tracks if each.end is None]
        rejected = [each for each in tracks if each.end is not None]
        for each in rejected[:1]:
            await self._end(conn, each.track.id, each.end or CANCELLED, now)
        turns: list[int] = []
        room = 0
        if run.pace is not None:
            turns = await take_turns(conn, objects, limit=_TURNS, stale=now - STALE_AFTER, now=now)
        elif waiting:
            room = await self._room(conn, waiting, now)
        plan = plan_release(
            Run(run.send_at, run.free_at, run.pace),
            [each.track for each in waiting],
            room=room,
            turns=len(turns),
            now=now,
            behind=behind(self._took),
        )
        released = await _carry_out(conn, plan, turns, paced=run.pace is not None)
        for track in plan.expired:
            if not await self._fail_over(conn, track, now):
                await self._end(conn, track.id, EXPIRED_WAITING, now)
        next_at = plan.next_at
        if run.pace is not None:
            known = sorted({*objects, *(each.object_id for each in waiting)})
            turn_at = await self._next_turn(conn, known, now)
            next_at = min(filter(None, (next_at, turn_at)), default=None)
        if rejected:
            next_at = now  # there may be more of them
        await self._write(conn, run, plan.free_at, next_at)
        return released

    async def _fail_over(self, conn: Connection, track: Track, now: datetime) -> bool:
        """Send a chunk of a track by SMS that is too late for LINE; False if it has no SMS."""
        sms = await track_sms(conn, track.id)
        if sms is None:
            return False
        validity = timedelta(seconds=sms.validity)
        opens_at = track.window.next_open(now) if track.window else None
        due_at, deadline_at = start_sms(validity, opens_at, now)
        await fail_over_waiting(
            conn,
            track.id,
            line_end=EXPIRED_WAITING,
            due_at=due_at,
            deadline_at=deadline_at,
            sender=sms.sender,
            limit=_CHUNK,
            now=now,
        )
        return True

    async def _room(self, conn: Connection, waiting: Sequence[WaitingTrack], now: datetime) -> int:
        """How many more due messages the busiest of the bulk's senders can do with."""
        total = sum(each.track.remaining for each in waiting)
        if total <= _SMALL:
            return total  # not worth counting
        sender_ids = {each.sender_id for each in waiting}
        counts = [await self._due(conn, sender_id, now + LEAD) for sender_id in sender_ids]
        return _ROOM - max(counts, default=0)

    async def _due(self, conn: Connection, sender_id: int, until: datetime) -> int:
        low = self._low[sender_id]
        look = low.look(self._clock.now())
        count, oldest = await count_due(
            conn, sender_id, limit=_ROOM, since=look.since(None), until=until
        )
        look.ended(self._clock.now())
        low.learn({None: oldest}, self._clock.now())
        return count

    async def _next_turn(
        self, conn: Connection, object_ids: Sequence[int], now: datetime
    ) -> datetime | None:
        """When to look again for what was released and has not gone, or came back."""
        at = await next_turn_at(conn, object_ids)
        return None if at is None else max(at + STALE_AFTER, now + _SOON)

    async def _cancel(
        self, conn: Connection, run: RunState, object_ids: Sequence[int], now: datetime
    ) -> None:
        """End a chunk of a cancelled bulk; what is being sent goes its way."""
        ended = await end_due(
            conn,
            run.bulk_id,
            run.last_id,
            object_ids,
            status=CANCELLED.status,
            error=CANCELLED.error,
            limit=_CHUNK,
            now=now,
        )
        ended += await end_due_sms(
            conn, run.bulk_id, run.last_id, object_ids, end=CANCELLED, limit=_CHUNK, now=now
        )
        waiting: list[WaitingTrack] = await load_tracks(conn, run.bulk_id)
        if ended < _CHUNK and waiting:
            ended += await self._end(conn, waiting[0].track.id, waiting[0].end or CANCELLED, now)
        self._metrics.cancelled.inc(ended)
        await self._write(conn, run, run.free_at, now if ended else None)

    async def _end(self, conn: Connection, track_id: int, end: Finish, now: datetime) -> int:
        return await end_waiting(
            conn, track_id, status=end.status, error=end.error, limit=_CHUNK, now=now
        )

    async def _write(
        self, conn: Connection, run: RunState, free_at: datetime, next_at: datetime | None
    ) -> None:
        await write_run(
            conn,
            run.bulk_id,
            free_at=free_at,
            next_at=next_at,
            paused_at=run.paused_at,
            repace=run.repace,
        )


async def _carry_out(conn: Connection, plan: Release, turns: Sequence[int], *, paced: bool) -> int:
    """Write what a plan lets go; gives how many messages became due. turns: who came back."""
    for track, at in plan.eligible:
        await mark_eligible(conn, track.id, eligible_at=at)
    if plan.turns:
        await give_slots(conn, turns[: len(plan.turns)], plan.turns)
    released = len(plan.turns)
    for take in plan.takes:
        eligible_at = None if paced else take.track.eligible_at or take.due_ats[0]
        released += await release(
            conn, take.track.id, take.due_ats, paced=paced, eligible_at=eligible_at
        )
    return released
