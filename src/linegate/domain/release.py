"""How many messages of a bulk may become due now, and when to look again.

The same input gives the same plan; what it says is written by `shape/shaper.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.domain.pace import Pace
from linegate.domain.window import DeliveryWindow

__all__ = ["LEAD", "Release", "Run", "Take", "Track", "plan_release"]

LEAD = timedelta(milliseconds=300)
"""How far ahead messages become due: the dispatcher holds each until its instant, so that none is
late for want of a round trip."""

_AGAIN = timedelta(milliseconds=150)


@dataclass(frozen=True, slots=True)
class Run:
    """A bulk that is under way. pace: None for as fast as LINE takes it."""

    send_at: datetime
    free_at: datetime
    pace: Pace | None


@dataclass(frozen=True, slots=True)
class Track:
    """Messages of one message object in one zone that wait, in order.

    eligible_at: since when their validity runs; None: they could not have gone yet.
    """

    id: int
    remaining: int
    validity: timedelta
    window: DeliveryWindow | None
    eligible_at: datetime | None


@dataclass(frozen=True, slots=True)
class Take:
    """The next messages of a track, one for each of these instants."""

    track: Track
    due_ats: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Release:
    """The plan.

    turns:    slots for messages that had one before, oldest first.
    takes:    what of which track.
    eligible: tracks whose validity begins to run, and from when.
    expired:  tracks whose remaining messages are too late.
    free_at:  the pace's next slot.
    next_at:  when to look again; None: nothing waits any more.
    """

    turns: Sequence[datetime]
    takes: Sequence[Take]
    eligible: Sequence[tuple[Track, datetime]]
    expired: Sequence[Track]
    free_at: datetime
    next_at: datetime | None


def plan_release(
    run: Run, tracks: Sequence[Track], *, room: int, turns: int, now: datetime
) -> Release:
    """What becomes due of a bulk.

    room:  how many more due messages the sender can do with, where there is no pace.
    turns: how many messages came back and want another slot.
    """
    start = max(now, run.send_at)
    if start - now > LEAD:
        return Release((), (), (), (), run.free_at, run.send_at - LEAD)
    expired = [track for track in tracks if _is_over(track, now)]
    waiting = [track for track in tracks if track not in expired]
    openings = {track.id: _opens(track, start) for track in waiting}
    ready = [track for track in waiting if openings[track.id] - now <= LEAD]
    # Under a pace a message's validity begins with its own slot, else with its track's opening.
    eligible = [
        (track, openings[track.id])
        for track in ready
        if run.pace is None and track.eligible_at is None
    ]
    if run.pace is None:
        instants: list[datetime] = []
        takes = _unpaced(ready, openings, room)
        free_at = run.free_at
    else:
        wanted = turns + sum(track.remaining for track in ready)
        # No slot is spent before a window opens that nothing could use.
        opening = min((openings[track.id] for track in ready), default=start)
        first = start if turns else max(start, opening)
        instants, free_at = run.pace.slots(run.free_at, now=first, until=now + LEAD, limit=wanted)
        takes = _paced(ready, openings, instants[turns:])
    released = sum(len(take.due_ats) for take in takes)
    left = sum(track.remaining for track in waiting) - released
    next_at = _next_at(run, waiting, openings, left, free_at, now) if left else None
    if turns > len(instants) and run.pace:
        next_at = min(filter(None, (next_at, max(free_at - _AGAIN, now + _AGAIN))))
    if expired:
        next_at = now  # they end in chunks
    return Release(instants[:turns], takes, eligible, expired, free_at, next_at)


def _is_over(track: Track, now: datetime) -> bool:
    return track.eligible_at is not None and track.eligible_at + track.validity <= now


def _opens(track: Track, start: datetime) -> datetime:
    return track.window.next_open(start) if track.window else start


def _unpaced(ready: Sequence[Track], openings: dict[int, datetime], room: int) -> list[Take]:
    """Tracks in turn, an equal share each, so that no zone waits for another."""
    takes = []
    for left, track in zip(range(len(ready), 0, -1), ready, strict=True):
        count = min(track.remaining, -(-room // left))
        if count > 0:
            takes.append(Take(track, [openings[track.id]] * count))
            room -= count
    return takes


def _paced(
    ready: Sequence[Track], openings: dict[int, datetime], slots: Sequence[datetime]
) -> list[Take]:
    """Each slot to the first track that is open by then and has messages left."""
    taken: dict[int, list[datetime]] = {track.id: [] for track in ready}
    for slot in slots:
        for track in ready:
            if len(taken[track.id]) < track.remaining and openings[track.id] <= slot:
                taken[track.id].append(slot)
                break
    return [Take(track, taken[track.id]) for track in ready if taken[track.id]]


def _next_at(
    run: Run,
    waiting: Sequence[Track],
    openings: dict[int, datetime],
    left: int,
    free_at: datetime,
    now: datetime,
) -> datetime:
    """The next opening or slot, whichever there is to wait for; soon again while it is busy."""
    opening = min(openings[track.id] for track in waiting) - LEAD
    over = [track.eligible_at + track.validity for track in waiting if track.eligible_at]
    soonest = max(now + _AGAIN, opening)
    if run.pace is not None and left:
        soonest = max(soonest, free_at - _AGAIN)
    return min([soonest, *over])
