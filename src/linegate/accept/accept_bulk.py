"""Stage 1: a checked bulk becomes rows, in one commit shared with the requests beside it.

What `accept` has answered is on disk. Ids that the client chose are taken in the same transaction:
a bulkId that was used before refuses the whole bulk, a messageId that was used before only its own
message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.ids import IdMaker, public_id
from linegate.group_commit import GroupCommit
from linegate.postgres.bulks import AcceptedRows, claim_client_ids, insert_accepted
from linegate.postgres.pool import Connection, Pool, transaction

__all__ = ["Accepted", "Acceptor", "BulkIdTaken"]

ALONE_AT_MOST = 10  # destinations of a request whose messages go before those of bulks
_MESSAGES_PER_COMMIT = 20_000
_REQUESTS_PER_COMMIT = 500
_WAITING_REQUESTS = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is now on disk.

    bulk_id:     as the client sees it.
    message_ids: as the client sees them, in the request's order.
    duplicates:  positions of messages whose messageId was used before; they were not taken.
    """

    bulk_id: str
    message_ids: list[str]
    duplicates: frozenset[int]


@dataclass(frozen=True, slots=True)
class BulkIdTaken:
    """The account has used this bulkId before: nothing was taken."""


@dataclass(slots=True)
class _Numbered:
    """A bulk with its ids: the bulk's, then one per object, then one per message."""

    bulk: Bulk
    ids: list[int]
    size: int

    @property
    def objects_end(self) -> int:
        return 1 + len(self.bulk.objects)


class Acceptor:
    """Takes bulks of concurrent requests and writes them together."""

    def __init__(self, pool: Pool, ids: IdMaker, *, linger: timedelta) -> None:
        """Write over `pool`; `linger` is how long a small group may wait for company."""
        self._pool = pool
        self._ids = ids
        self._group: GroupCommit[_Numbered, Accepted | BulkIdTaken] = GroupCommit(
            self._flush,
            max_items=_REQUESTS_PER_COMMIT,
            max_weight=_MESSAGES_PER_COMMIT,
            weigh=lambda each: each.size,
            capacity=_WAITING_REQUESTS,
            linger=linger,
            writers=2,
        )

    async def accept(self, bulk: Bulk) -> Accepted | BulkIdTaken:
        """Take a bulk. When this returns, it is on disk.

        Raises: Overloaded when too many requests wait for the database; what the database raises.
        """
        size = bulk.messages
        ids = self._ids.block(1 + len(bulk.objects) + size, bulk.accepted_at)
        return await self._group.submit(_Numbered(bulk, ids, size))

    async def aclose(self) -> None:
        """Write what waits, then stop."""
        await self._group.aclose()

    async def _flush(self, group: Sequence[_Numbered]) -> list[Accepted | BulkIdTaken]:
        named = any(_names_bulk(each) or _names_messages(each) for each in group)
        if not named:
            async with self._pool.acquire() as conn:
                await insert_accepted(conn, _rows(group, frozenset()), now=_latest(group))
            return [_answer(each, frozenset()) for each in group]
        async with transaction(self._pool) as conn:
            return await self._flush_named(conn, group)

    async def _flush_named(
        self, conn: Connection, group: Sequence[_Numbered]
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
            await insert_accepted(conn, _rows(kept, duplicates), now=_latest(kept))
        return [
            BulkIdTaken() if each.ids[0] in taken else _answer(each, duplicates) for each in group
        ]


def _names_bulk(each: _Numbered) -> bool:
    return each.bulk.client_id is not None


def _names_messages(each: _Numbered) -> bool:
    return any(any(part.client_ids) for part in each.bulk.objects)


def _latest(group: Sequence[_Numbered]) -> datetime:
    return max(each.bulk.accepted_at for each in group)


def _message_names(each: _Numbered) -> list[tuple[int, str, int]]:
    account = each.bulk.account_id
    names = (name for part in each.bulk.objects for name in part.client_ids)
    ids = each.ids[each.objects_end :]
    return [(account, name, id_) for name, id_ in zip(names, ids, strict=True) if name is not None]


def _rows(group: Sequence[_Numbered], duplicates: frozenset[int]) -> AcceptedRows:
    rows = AcceptedRows()
    for each in group:
        bulk, ids = each.bulk, each.ids
        rows.bulks.append((ids[0], bulk.account_id, bulk.client_id, each.size))
        start = each.objects_end
        alone = each.size <= ALONE_AT_MOST
        for number, part in enumerate(bulk.objects, 1):
            rows.objects.append(_object_row(part, ids[number], ids[0], bulk.account_id, alone))
            end = start + len(part.destinations)
            _add_messages(rows, part, ids[start:end], duplicates)
            start = end
    return rows


def _object_row(
    part: MessageObject, id_: int, bulk_id: int, account_id: int, alone: bool
) -> tuple[object, ...]:
    return (
        id_,
        bulk_id,
        account_id,
        part.sender_id,
        part.endpoint_id,
        alone,
        part.templated,
        part.line_message,
        part.entity_id,
        part.application_id,
        part.campaign,
        part.callback_data,
        part.validity,
        part.delivery_window,
        part.sms_failover,
        part.intermediate,
    )


def _add_messages(
    rows: AcceptedRows, part: MessageObject, ids: list[int], duplicates: frozenset[int]
) -> None:
    all_ids, positions, destinations, client_ids, statuses, errors = rows.messages
    position = len(rows.objects)  # arrays of SQL count from 1
    if not duplicates and not part.rejections:
        all_ids.extend(ids)
        positions.extend([position] * len(ids))
        destinations.extend(part.destinations)
        client_ids.extend(part.client_ids)
        nothing = [None] * len(ids)
        statuses.extend(nothing)
        errors.extend(nothing)
        return
    for at, id_ in enumerate(ids):
        if id_ in duplicates:
            continue
        rejection = part.rejections.get(at)
        all_ids.append(id_)
        positions.append(position)
        destinations.append(part.destinations[at])
        client_ids.append(part.client_ids[at])
        statuses.append(rejection.status if rejection else None)
        errors.append(rejection.error if rejection else None)


def _answer(each: _Numbered, duplicates: frozenset[int]) -> Accepted:
    ids = each.ids[each.objects_end :]
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
