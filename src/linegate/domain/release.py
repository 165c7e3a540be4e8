"""How many messages of a bulk may become due now, and when to look again.

The same input gives the same plan; what it says is written by `shape/shaper.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.domain.pace import Pace
from linegate.domain.window import DeliveryWindow

__all__ = ["LEAD", "Release", "Run", "Take", "Track", "behind", "plan_release"]

LEAD = timedelta(milliseconds=300)
"""How far ahead messages become due: the dispatcher holds each until its instant, so that none is
late for want of a round trip."""

_AGAIN = timedelta(milliseconds=150)
_MOST_BEHIND = timedelta(seconds=5)
_NOT_BEHIND = timedelta(0)


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


def behind(took: Sequence[timedelta]) -> timedelta:
    """How far behind its plan is what writes it, after so many looks that took so long each.

    On a slow database slots that begin at once would be over before they are written, and a bulk
    would stand still. Only what is always slow counts: the shortest, and no little time.
    """
    shortest = min(took, default=_NOT_BEHIND)
    return min(shortest, _MOST_BEHIND) if shortest > _AGAIN else _NOT_BEHIND


def plan_release(
    run: Run,
    tracks: Sequence[Track],
    *,
    room: int,
    turns: int,
    now: datetime,
    behind: timedelta = _NOT_BEHIND,
) -> Release:
    """What becomes due of a bulk.

    room:   how many more due messages the sender can do with, where there is no pace.
    turns:  how many messages came back and want another slot.
    behind: until this plan is written, and again until the next one is: slots begin after the
            first and last until the second is over.
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
        first = max(start if turns else max(start, opening), now + behind)
        until = now + 2 * behind + LEAD
        instants, free_at = run.pace.slots(run.free_at, now=first, until=until, limit=wanted)
        takes = _paced(ready, openings, instants[turns:])
    released = sum(len(take.due_ats) for take in takes)
    left = sum(track.remaining for track in waiting) - released
    # With slots to give, again before the last one is used, and early enough to write.
    soon = max(free_at - _AGAIN - behind, now + _AGAIN)
    next_at = _next_at(run, waiting, openings, soon, now) if left else None
    if turns > len(instants) and run.pace:
        next_at = min(filter(None, (next_at, soon)))
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
    """Each slot to the first track that is open then and has messages left."""
    taken: dict[int, list[datetime]] = {track.id: [] for track in ready}
    for slot in slots:
        for track in ready:
            has_more = len(taken[track.id]) < track.remaining
            if has_more and openings[track.id] <= slot and _is_open(track, slot):
                taken[track.id].append(slot)
                break
    return [Take(track, taken[track.id]) for track in ready if taken[track.id]]


def _is_open(track: Track, slot: datetime) -> bool:
    return track.window is None or track.window.contains(slot)


def _next_at(
    run: Run,
    waiting: Sequence[Track],
    openings: dict[int, datetime],
    soon: datetime,
    now: datetime,
) -> datetime:
    """The next opening or slot, whichever there is to wait for; soon again while it is busy."""
    opening = min(openings[track.id] for track in waiting) - LEAD
    over = [track.eligible_at + track.validity for track in waiting if track.eligible_at]
    soonest = max(now + _AGAIN, opening)
    if run.pace is not None:
        soonest = max(soonest, soon)
    return min([soonest, *over])
