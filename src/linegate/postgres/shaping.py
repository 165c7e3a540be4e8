"""Queries of stage 2: bulks that wait become due."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from linegate.domain.decide import Finish
from linegate.domain.pace import Pace
from linegate.domain.release import Track
from linegate.domain.window import DeliveryWindow
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "RunState",
    "WaitingTrack",
    "bulk_objects",
    "count_due",
    "end_due",
    "end_waiting",
    "give_slots",
    "hold_due",
    "load_tracks",
    "mark_eligible",
    "next_run_at",
    "next_turn_at",
    "pace_due",
    "release",
    "shift_tracks",
    "take_runs",
    "take_turns",
    "tell_dispatcher",
    "unhold",
    "unpace",
    "window_of",
    "write_run",
]


class RunState(NamedTuple):
    """A bulk that wants looking at; locked.

    status:    a word of `run_status`.
    has_begun: whether any of its messages was ever released, so that some may be in the queue.
    """

    bulk_id: int
    account_id: int
    last_id: int
    status: str
    send_at: datetime
    pace: Pace | None
    free_at: datetime
    paused_at: datetime | None
    repace: bool
    has_begun: bool


class WaitingTrack(NamedTuple):
    """A track with what its release needs besides the plan."""

    track: Track
    object_id: int
    sender_id: int
    end: Finish | None = None  # of destinations that cannot be sent to


async def take_runs(conn: Connection, *, limit: int, now: datetime) -> list[RunState]:
    """Bulks that want looking at; locked until the transaction ends."""
    rows = await bundled().take_runs.many(conn, limit=limit, now=now)
    return [
        RunState(
            bulk_id=row["bulk_id"],
            account_id=row["account_id"],
            last_id=row["last_id"],
            status=row["status"],
            send_at=row["send_at"],
            pace=Pace(row["pace_amount"], row["pace_unit"]) if row["pace_amount"] else None,
            free_at=row["free_at"],
            paused_at=row["paused_at"],
            repace=row["repace"],
            has_begun=row["has_begun"],
        )
        for row in rows
    ]


async def next_run_at(conn: Connection) -> datetime | None:
    """When the next bulk wants looking at."""
    at: datetime | None = await bundled().next_run_at.value(conn)
    return at


async def load_tracks(conn: Connection, bulk_id: int) -> list[WaitingTrack]:
    """The tracks of a bulk that have messages waiting."""
    rows = await bundled().load_tracks.many(conn, bulk_id=bulk_id)
    return [
        WaitingTrack(
            Track(
                id=row["id"],
                remaining=row["remaining"],
                validity=row["validity"],
                window=window_of(row["days"], row["opens"], row["closes"], row["zone"]),
                eligible_at=row["eligible_at"],
            ),
            row["object_id"],
            row["sender_id"],
            Finish(row["end_status"], row["end_error"]) if row["end_status"] else None,
        )
        for row in rows
    ]


def window_of(
    days: list[int] | None, opens: int | None, closes: int | None, zone: str
) -> DeliveryWindow | None:
    """The window of a track's row; None if it has none."""
    if days is None:
        return None
    return DeliveryWindow(frozenset(days), opens, closes, ZoneInfo(zone))


async def bulk_objects(conn: Connection, bulk_id: int) -> dict[int, int]:
    """The message objects of a bulk, each with its sender."""
    rows = await bundled().bulk_objects.many(conn, bulk_id=bulk_id)
    return {row["object_id"]: row["sender_id"] for row in rows}


async def count_due(
    conn: Connection, sender_id: int, *, limit: int, since: datetime, until: datetime
) -> tuple[int, datetime | None]:
    """How much of a sender's bulks is due from `since` to `until`, counted up to `limit`.

    The instant is the oldest's; None: nothing is due.
    """
    row = await bundled().count_due.one(
        conn, sender_id=sender_id, limit=limit, since=since, until=until
    )
    assert row is not None  # it counts
    return row["count"], row["due_at"]


async def release(
    conn: Connection,
    track_id: int,
    due_ats: Sequence[datetime],
    *,
    paced: bool,
    eligible_at: datetime | None,
) -> int:
    """Make the next messages of a track due, one at each instant; gives how many there were."""
    rows = await bundled().release.many(
        conn,
        track_id=track_id,
        due_ats=due_ats,
        limit=len(due_ats),
        paced=paced,
        eligible_at=eligible_at,
    )
    return rows[0]["released"] if rows else 0


async def take_turns(
    conn: Connection, object_ids: Sequence[int], *, limit: int, stale: datetime, now: datetime
) -> list[int]:
    """Messages of a paced bulk that want a slot; locked."""
    rows = await bundled().take_turns.many(
        conn, object_ids=object_ids, limit=limit, stale=stale, now=now
    )
    return [row["id"] for row in rows]


async def next_turn_at(conn: Connection, object_ids: Sequence[int]) -> datetime | None:
    """When the next message of a paced bulk that has been released goes or wants a slot."""
    at: datetime | None = await bundled().next_turn_at.value(conn, object_ids=object_ids)
    return at


async def give_slots(conn: Connection, ids: Sequence[int], due_ats: Sequence[datetime]) -> None:
    """Give messages that `take_turns` locked their slots."""
    await bundled().give_slots.exec(conn, ids=ids, due_ats=due_ats)


async def unpace(conn: Connection, object_ids: Sequence[int], *, now: datetime) -> None:
    """What waits for a slot is due at once."""
    await bundled().unpace.exec(conn, object_ids=object_ids, now=now)


async def pace_due(conn: Connection, bulk_id: int, last_id: int, object_ids: Sequence[int]) -> None:
    """What is due takes turns from now on."""
    await bundled().pace_due.exec(conn, bulk_id=bulk_id, last_id=last_id, object_ids=object_ids)


async def mark_eligible(conn: Connection, track_id: int, *, eligible_at: datetime) -> None:
    """The validity of a track's messages runs from this instant."""
    await bundled().mark_eligible.exec(conn, track_id=track_id, eligible_at=eligible_at)


async def hold_due(conn: Connection, bulk_id: int, last_id: int, object_ids: Sequence[int]) -> int:
    """Park what is due of a bulk; gives how many."""
    return await bundled().hold_due.exec(
        conn, bulk_id=bulk_id, last_id=last_id, object_ids=object_ids
    )


async def unhold(
    conn: Connection, object_ids: Sequence[int], *, shift: timedelta, at: datetime
) -> int:
    """Let parked messages go on at an instant, with as much validity left as when parked."""
    return await bundled().unhold.exec(conn, object_ids=object_ids, shift=shift, at=at)


async def shift_tracks(conn: Connection, bulk_id: int, *, shift: timedelta) -> None:
    """What waits keeps its validity over a pause."""
    await bundled().shift_tracks.exec(conn, bulk_id=bulk_id, shift=shift)


async def end_due(
    conn: Connection,
    bulk_id: int,
    last_id: int,
    object_ids: Sequence[int],
    *,
    status: int,
    error: int,
    limit: int,
    now: datetime,
) -> int:
    """End messages of a bulk that are due; gives how many."""
    rows = await bundled().end_due.many(
        conn,
        bulk_id=bulk_id,
        last_id=last_id,
        object_ids=object_ids,
        status=status,
        error=error,
        limit=limit,
        now=now,
    )
    return len(rows)


async def end_waiting(
    conn: Connection, track_id: int, *, status: int, error: int, limit: int, now: datetime
) -> int:
    """End messages of a track that were never released; gives how many."""
    rows = await bundled().end_waiting.many(
        conn, track_id=track_id, status=status, error=error, limit=limit, now=now
    )
    return rows[0]["ended"] if rows else 0


async def write_run(
    conn: Connection,
    bulk_id: int,
    *,
    free_at: datetime,
    next_at: datetime | None,
    paused_at: datetime | None,
    repace: bool,
) -> None:
    """Write what was decided about a bulk."""
    await bundled().write_run.exec(
        conn,
        bulk_id=bulk_id,
        free_at=free_at,
        next_at=next_at,
        paused_at=paused_at,
        repace=repace,
    )


async def tell_dispatcher(conn: Connection) -> None:
    """Something is due."""
    await bundled().tell_dispatcher.exec(conn)
