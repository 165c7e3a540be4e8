"""Stage 1: a checked bulk becomes rows, in one commit shared with the requests beside it.

What `accept` has answered is on disk. Ids that the client chose are taken in the same transaction:
a bulkId that was used before refuses the whole bulk, a messageId that was used before only its own
message. A request with an Idempotency-Key takes that first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from linegate.accept.accepted import Accepted, BulkIdTaken, Full
from linegate.accept.once import KeyReused, Once, Repeated, claim, first_answer, keep
from linegate.accept.room import Wanted, count_in, fit, hold
from linegate.accept.rows import Numbered, rows_of
from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.ids import IdMaker, public_id
from linegate.domain.policy import ANYWHERE, Room
from linegate.group_commit import GroupCommit
from linegate.postgres.backlog import Counter
from linegate.postgres.bulks import claim_client_ids, insert_accepted, insert_waiting
from linegate.postgres.idempotency import Asked
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.traces import insert_untold

__all__ = ["Accepted", "Acceptor", "BulkIdTaken"]

Result = Accepted | BulkIdTaken | Full | Repeated | KeyReused

_MESSAGES_PER_COMMIT = 20_000
_REQUESTS_PER_COMMIT = 500
_WAITING_REQUESTS = 10_000
_WAITING_MESSAGES = 200_000
_LOOKED_AT_AFTER = timedelta(seconds=1)


class _Again:
    """A request with the same key is in the same group: come again after it."""


class Acceptor:
    """Takes bulks of concurrent requests and writes them together."""

    def __init__(self, pool: Pool, ids: IdMaker, *, linger: timedelta) -> None:
        """Write over `pool`; `linger` is how long a small group may wait for company."""
        self._pool = pool
        self._ids = ids
        self._group: GroupCommit[Numbered, Result | _Again] = GroupCommit(
            self._flush,
            max_items=_REQUESTS_PER_COMMIT,
            max_weight=_MESSAGES_PER_COMMIT,
            weigh=lambda each: each.size,
            capacity=_WAITING_REQUESTS,
            max_waiting=_WAITING_MESSAGES,
            linger=linger,
            writers=1,
        )

    async def answered(
        self, asked: Asked, body_digest: bytes, now: datetime
    ) -> Repeated | KeyReused | None:
        """What a request with this Idempotency-Key was answered before; None if none was."""
        return await first_answer(self._pool, asked, body_digest, now)

    async def accept(self, bulk: Bulk, room: Room = ANYWHERE) -> Accepted | BulkIdTaken | Full:
        """Take a bulk. When this returns, it is on disk.

        Raises: Overloaded when too many requests wait for the database; what the database raises.
        """
        result = await self._group.submit(self._numbered(bulk, None, room))
        if isinstance(result, Accepted | BulkIdTaken | Full):
            return result
        raise TypeError("only a request with a key can be a repeat")

    async def accept_once(self, bulk: Bulk, once: Once, room: Room = ANYWHERE) -> Result:
        """As `accept`, for a request with a key: a repeat gets the first answer, or is refused."""
        numbered = self._numbered(bulk, once, room)
        while isinstance(result := await self._group.submit(numbered), _Again):
            pass
        return result

    async def aclose(self) -> None:
        """Write what waits, then stop."""
        await self._group.aclose()

    def _numbered(self, bulk: Bulk, once: Once | None, room: Room) -> Numbered:
        size = bulk.messages
        tracks = [_zones_of(part) for part in bulk.objects] if bulk.waits else None
        needed = 1 + len(bulk.objects) + size + sum(map(len, tracks or ()))
        return Numbered(bulk, self._ids.block(needed, bulk.accepted_at), size, tracks, once, room)

    async def _flush(self, group: Sequence[Numbered]) -> Sequence[Result | _Again]:
        if any(each.room.is_limited or each.once is not None for each in group):
            async with transaction(self._pool) as conn:
                return await self._flush_checked(conn, group)
        if any(_needs_more(each) for each in group):
            async with transaction(self._pool) as conn:
                return await self._flush_together(conn, group)
        # Nearly always: one statement, which is a transaction by itself.
        async with self._pool.acquire() as conn:
            await insert_accepted(conn, rows_of(group, frozenset()), now=_latest(group))
        return [_answer(each, frozenset()) for each in group]

    async def _flush_checked(
        self, conn: Connection, group: Sequence[Numbered]
    ) -> Sequence[Result | _Again]:
        """Leaves out repeats, and what has no room. Counts are locked first: whoever waits for them
        holds nothing that another could wait for. A repeat needs no room: it is answered.
        """
        held = await hold(conn, map(_wanted, group))
        first = _first_of_each_key(group)
        onces = [each.once for each in first if each.once is not None]
        before = await claim(conn, onces, _latest(group)) if onces else {}
        fresh = [each for each in first if each.once is None or each.once.asked not in before]
        answers = await self._flush_fitting(conn, fresh, held)
        await keep(
            conn,
            [(each.once, answer) for each, answer in zip(fresh, answers, strict=True) if each.once],
        )
        results: dict[int, Result] = {
            each.ids[0]: before[each.once.asked]
            for each in first
            if each.once is not None and each.once.asked in before
        }
        results |= {each.ids[0]: answer for each, answer in zip(fresh, answers, strict=True)}
        return [results.get(each.ids[0], _Again()) for each in group]

    async def _flush_fitting(
        self, conn: Connection, group: Sequence[Numbered], held: Mapping[Counter, int]
    ) -> list[Accepted | BulkIdTaken | Full]:
        """Take those for which there is room, and count them."""
        full = fit({each.ids[0]: _wanted(each) for each in group}, held)
        kept = [each for each in group if each.ids[0] not in full]
        answered = list(zip(kept, await self._flush_together(conn, kept), strict=True))
        await count_in(
            conn,
            [
                _wanted(each, len(answer.duplicates))
                for each, answer in answered
                if isinstance(answer, Accepted)
            ],
        )
        known = {each.ids[0]: answer for each, answer in answered}
        return [full.get(each.ids[0]) or known[each.ids[0]] for each in group]

    async def _flush_together(
        self, conn: Connection, group: Sequence[Numbered]
    ) -> list[Accepted | BulkIdTaken]:
        bulk_names = [
            (each.bulk.account_id, each.bulk.client_id, each.ids[0])
            for each in group
            if each.bulk.client_id is not None
        ]
        free = await claim_client_ids(conn, "bulk", bulk_names) if bulk_names else set()
        taken = {id_ for _, _, id_ in bulk_names} - free
        kept = [each for each in group if each.ids[0] not in taken]
        asked = [name for each in kept for name in _message_names(each)]
        free = await claim_client_ids(conn, "message", asked) if asked else set()
        duplicates = frozenset(id_ for _, _, id_ in asked) - free
        if kept:
            rows, now = rows_of(kept, duplicates), _latest(kept)
            await insert_accepted(conn, rows, now=now)
            await insert_waiting(conn, rows, now=now)
            if rows.untold:
                await insert_untold(conn, rows.untold, look_at=now + _LOOKED_AT_AFTER)
        return [
            BulkIdTaken() if each.ids[0] in taken else _answer(each, duplicates) for each in group
        ]


def _wanted(each: Numbered, duplicates: int = 0) -> Wanted:
    rejected = sum(len(part.rejections) for part in each.bulk.objects)
    written = each.size - duplicates
    return Wanted(each.bulk.account_id, each.room, each.size - rejected, written)


def _first_of_each_key(group: Sequence[Numbered]) -> list[Numbered]:
    seen = set()
    first = []
    for each in group:
        asked = each.once.asked if each.once is not None else None
        if asked is None or asked not in seen:
            first.append(each)
            seen.add(asked)
    return first


def _zones_of(part: MessageObject) -> list[str]:
    return [part.zones] if isinstance(part.zones, str) else sorted(set(part.zones))


def _needs_more(each: Numbered) -> bool:
    """Whether one statement does not do: it waits, has ids of the client's own, or is traced."""
    return each.tracks is not None or each.bulk.trace is not None or _has_names(each.bulk)


def _has_names(bulk: Bulk) -> bool:
    return bulk.client_id is not None or any(any(part.client_ids) for part in bulk.objects)


def _latest(group: Sequence[Numbered]) -> datetime:
    return max(each.bulk.accepted_at for each in group)


def _message_names(each: Numbered) -> list[tuple[int, str, int]]:
    account = each.bulk.account_id
    names = (name for part in each.bulk.objects for name in part.client_ids)
    return [
        (account, name, id_)
        for name, id_ in zip(names, each.message_ids, strict=True)
        if name is not None
    ]


def _answer(each: Numbered, duplicates: frozenset[int]) -> Accepted:
    ids = each.message_ids
    names = [name for part in each.bulk.objects for name in part.client_ids]
    return Accepted(
        bulk_id=each.bulk.client_id or public_id(each.ids[0]),
        message_ids=[
            name if name is not None else public_id(id_)
            for name, id_ in zip(names, ids, strict=True)
        ],
        duplicates=frozenset(at for at, id_ in enumerate(ids) if id_ in duplicates)
        if duplicates
        else duplicates,
    )
