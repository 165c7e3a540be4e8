"""Queries about receipts of SMS, and about senders that hear nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.decide_sms import PartState, SmsUnfinished
from linegate.domain.transport import Receipt
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Ear",
    "Met",
    "count_unheard",
    "drop_told_parts",
    "forget_early",
    "forget_parts",
    "hear",
    "insert_late_receipts",
    "insert_receipts",
    "keep_early",
    "load_ears",
    "lock_legs",
    "mark_deaf",
    "mark_parts",
    "match_early",
    "match_receipts",
    "parts_of",
    "take_early",
]


class Met(NamedTuple):
    """Which message and part a receipt is about."""

    message_id: int
    part: int


class Ear(NamedTuple):
    """What a sender handed over since it last heard an event."""

    sender_id: int
    unheard: int
    unheard_since: datetime
    deaf_at: datetime | None


async def match_receipts(
    conn: Connection, receipts: Sequence[tuple[int, Receipt]]
) -> dict[int, Met]:
    """What the receipts (with their routes) are about, by position; others met no part."""
    positions, routes, keys, ranks, destinations = [], [], [], [], []
    for position, (route_id, receipt) in enumerate(receipts):
        for rank, key in enumerate(receipt.ids):
            positions.append(position)
            routes.append(route_id)
            keys.append(key)
            ranks.append(rank)
            destinations.append(receipt.destination)
    rows = await bundled().match_receipts.many(
        conn,
        positions=positions,
        route_ids=routes,
        keys=keys,
        ranks=ranks,
        destinations=destinations,
    )
    return {row["position"]: Met(row["message_id"], row["number"]) for row in rows}


async def lock_legs(conn: Connection, ids: Sequence[int]) -> dict[int, SmsUnfinished]:
    """The SMS legs of messages, locked; without those that have ended."""
    rows = await bundled().lock_sms_legs.many(conn, ids=sorted(ids))
    return {row["id"]: SmsUnfinished(*row) for row in rows}


async def mark_parts(conn: Connection, told: Mapping[Met, Receipt]) -> None:
    """Keep the newest receipt of each part that has not ended."""
    ordered = sorted(told.items(), key=lambda each: each[0])
    await bundled().mark_sms_parts.exec(
        conn,
        ids=[met.message_id for met, _ in ordered],
        numbers=[met.part for met, _ in ordered],
        statuses=[receipt.status for _, receipt in ordered],
        errors=[receipt.error for _, receipt in ordered],
    )


async def parts_of(conn: Connection, ids: Sequence[int]) -> dict[int, list[PartState]]:
    """What is known of the parts of messages."""
    found: dict[int, list[PartState]] = {}
    for row in await bundled().sms_parts_of.many(conn, ids=ids):
        found.setdefault(row["message_id"], []).append(PartState(row["status"], row["error"]))
    return found


async def insert_receipts(
    conn: Connection, told: Sequence[tuple[Met, int, Receipt]], *, now: datetime
) -> None:
    """Write the time line; each as the part, the route and the receipt."""
    await bundled().insert_sms_receipts.exec(conn, **_columns(told), now=now)


async def insert_late_receipts(
    conn: Connection, told: Sequence[tuple[Met, int, Receipt]], *, now: datetime
) -> int:
    """The same for messages that have ended; gives how many of these there were."""
    return len(await bundled().insert_late_receipts.many(conn, **_columns(told), now=now))


async def drop_told_parts(conn: Connection, parts: Sequence[Met]) -> None:
    """Expect nothing more of these parts of ended messages."""
    ordered = sorted(parts)
    await bundled().drop_told_parts.exec(
        conn, ids=[met.message_id for met in ordered], numbers=[met.part for met in ordered]
    )


async def keep_early(
    conn: Connection, waiting: Sequence[tuple[int, Receipt, str]], *, now: datetime
) -> None:
    """Keep receipts that met no part: route, the receipt, the same as JSON."""
    flat = [
        (position, route_id, key, receipt.destination, text)
        for position, (route_id, receipt, text) in enumerate(waiting)
        for key in receipt.ids
    ]
    await bundled().keep_early.exec(
        conn,
        positions=[position for position, *_ in flat],
        route_ids=[route_id for _, route_id, *_ in flat],
        keys=[key for _, _, key, _, _ in flat],
        destinations=[destination for _, _, _, destination, _ in flat],
        receipts=[text for *_, text in flat],
        now=now,
    )


async def take_early(
    conn: Connection, parts: Sequence[tuple[int, str, str]]
) -> list[tuple[int, str]]:
    """Receipts that waited for these parts (route, key, number): route and JSON."""
    rows = await bundled().take_early.many(
        conn,
        route_ids=[route for route, _, _ in parts],
        keys=[key for _, key, _ in parts],
        destinations=[number for _, _, number in parts],
    )
    return [(row["route_id"], row["receipt"]) for row in rows]


async def match_early(conn: Connection, *, since: datetime, limit: int) -> list[tuple[int, str]]:
    """Receipts whose part was written while they were: route and JSON."""
    rows = await bundled().match_early.many(conn, since=since, limit=limit)
    return [(row["route_id"], row["receipt"]) for row in rows]


async def forget_early(conn: Connection, *, before: datetime) -> int:
    """Drop receipts that nobody claimed; gives how many rows."""
    return await bundled().forget_early.exec(conn, before=before)


async def forget_parts(conn: Connection, *, before: datetime) -> int:
    """Expect nothing more of messages that ended before then; gives how many parts."""
    return await bundled().forget_parts.exec(conn, before=before)


async def hear(conn: Connection, sender_ids: Sequence[int]) -> None:
    """Events of these senders reach us."""
    await bundled().hear.exec(conn, sender_ids=sorted(sender_ids))


async def count_unheard(conn: Connection, handed_over: Mapping[int, int], *, now: datetime) -> None:
    """Add hand-overs of senders to what they have not heard of."""
    ids = sorted(handed_over)
    await bundled().count_unheard.exec(
        conn, sender_ids=ids, handed_over=[handed_over[id_] for id_ in ids], now=now
    )


async def load_ears(conn: Connection) -> list[Ear]:
    """Senders that have handed over something and heard nothing since."""
    return [Ear(*row) for row in await bundled().load_ears.many(conn)]


async def mark_deaf(conn: Connection, sender_ids: Sequence[int], *, now: datetime) -> None:
    """Count these senders as deaf from now on."""
    await bundled().mark_deaf.exec(conn, sender_ids=sorted(sender_ids), now=now)


def _columns(told: Sequence[tuple[Met, int, Receipt]]) -> dict[str, Sequence[object]]:
    return {
        "ids": [met.message_id for met, _, _ in told],
        "parts": [met.part for met, _, _ in told],
        "route_ids": [route_id for _, route_id, _ in told],
        "done_ats": [receipt.done_at for _, _, receipt in told],
        "statuses": [receipt.status for _, _, receipt in told],
        "errors": [receipt.error for _, _, receipt in told],
        "details": [receipt.detail for _, _, receipt in told],
    }
