"""The newest places of an account's log, by whatever its message objects are known for.

A search goes back in spans of time and names the days of each (domain/spread.py): the last day
first, then twice as much each time until the page is full. In each span the sums of the statistics
say how much there is of what is looked for, and so which way reads least.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from linegate.domain.ids import day_start, first_id_at, id_time
from linegate.domain.spread import IdRange, days_ended_since, id_ranges, spans
from linegate.postgres.log_ways import (
    BulkRange,
    LogFilter,
    Lying,
    Place,
    accepted_in,
    bulk_ranges,
    late_days,
    log_account,
    log_bulks,
    log_horizon,
    log_unfinished,
    open_bulks,
    part_bulks,
)
from linegate.postgres.pool import Connection, named_days

__all__ = ["USUAL_DEPTH", "Depth", "find_in_bulks", "find_newest", "find_unfinished"]

_DAY = timedelta(days=1)
_UNFINISHED = {7, 26}  # the public statuses of what has not ended
_LIVES = timedelta(days=8)  # of most messages, from acceptance to the last event that may come
_AHEAD = timedelta(minutes=1)  # ids may be of a little later than what they name
_LAST_ID = (1 << 63) - 2
_FEW_OBJECTS = 500  # whose bulks are gone through for what has not ended


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is looked through in one way before another is taken.

    few:   messages of a part in some days that its bulks lead to at once, in any order.
    front: ended messages of each status that are looked through for a larger part.
    many:  messages of a part that its bulks lead to if it was not at the front.
    large: bulks of more messages are not read one by one.
    """

    few: int = 5000
    front: int = 1000
    many: int = 100_000
    large: int = 10_000


USUAL_DEPTH = Depth()


async def find_newest(
    conn: Connection, asked: LogFilter, depth: Depth, now: datetime
) -> set[Place]:
    """The newest that have ended, at most a page."""
    found = set[Place]()
    async with named_days(conn):
        for span in spans(asked.since, min(asked.until, asked.before[0]), now):
            rest = asked._replace(since=span.since, until=span.until)
            late = await late_days(conn, [asked.account_id], days_ended_since(span))
            for ids in id_ranges(span, late, now):
                found |= set(await _in_days(conn, rest, ids, depth))
            if len(found) >= asked.limit:
                break
    return set(sorted(found, reverse=True)[: asked.limit])


async def _in_days(conn: Connection, asked: LogFilter, ids: IdRange, depth: Depth) -> list[Place]:
    """The newest that have ended of some days."""
    if not asked.names_a_part:
        return await log_account(conn, asked, ids)
    of_part = await accepted_in(conn, asked, ids)
    if of_part == 0:
        return []
    if of_part > depth.few:
        horizon = await log_horizon(conn, asked, ids, most=depth.front)
        front = asked if horizon is None else asked._replace(since=horizon)
        found = await log_account(conn, front, ids)
        if horizon is None or len(found) == asked.limit:
            return found
        if of_part > depth.many:
            return await log_account(conn, asked, ids)
    bulks = await part_bulks(conn, asked, ids, most=depth.many)
    if bulks is None:
        return await log_account(conn, asked, ids)
    return await log_bulks(conn, asked, ids, bulks) if bulks else []


async def find_unfinished(
    conn: Connection, asked: LogFilter, bulk_ids: Sequence[int] | None, since: datetime | None
) -> set[Place]:
    """The newest that have not ended, of some bulks or of the account; since: None: however old."""
    if _UNFINISHED.isdisjoint(asked.statuses):
        return set()
    if bulk_ids is not None:
        bulks = await _lying(conn, asked.account_id, bulk_ids)
        return set(await log_unfinished(conn, asked, bulks, bulks, since=since))
    bulks = await open_bulks(conn, asked.account_id)
    ranges = [Lying(0, _LAST_ID)]
    if asked.names_a_part:
        first = day_start((asked.since - _LIVES).date())
        few = await _few_bulks(conn, asked, first)
        if few is not None:
            ranges = sorted({*few, *bulks, Lying(0, first)})
            bulks = sorted({*few, *bulks})
    return set(await log_unfinished(conn, asked, ranges, bulks, since=since))


async def _few_bulks(conn: Connection, asked: LogFilter, first: int) -> list[Lying] | None:
    """The bulks of a part from an id on, if they are few."""
    ids = IdRange(first, max(first, first_id_at(asked.until)))
    async with named_days(conn):
        found = await part_bulks(conn, asked, ids, most=_FEW_OBJECTS)
    return None if found is None else await _lying(conn, asked.account_id, found)


async def _lying(conn: Connection, account_id: int, bulk_ids: Sequence[int]) -> list[Lying]:
    ranges = await bulk_ranges(conn, account_id, bulk_ids)
    return [Lying(each.id, each.last_id) for each in ranges]


async def find_in_bulks(
    conn: Connection,
    asked: LogFilter,
    bulk_ids: Sequence[int],
    depth: Depth,
    *,
    network: str | None = None,
) -> set[Place]:
    """The newest that have ended of some bulks: of large ones, among those of the account that
    were sent while they went.
    """
    found = set[Place]()
    async with named_days(conn):
        for together in _by_days(await bulk_ranges(conn, asked.account_id, bulk_ids)):
            ids = IdRange(together[0].id, max(each.last_id for each in together) + 1)
            wanted = [each.id for each in together]
            if network is None and sum(each.messages for each in together) > depth.large:
                window = _window(asked, together)
                found |= set(await log_account(conn, window, ids, wanted))
            else:
                found |= set(await log_bulks(conn, asked, ids, wanted, network=network))
    return found


def _window(asked: LogFilter, bulks: Sequence[BulkRange]) -> LogFilter:
    """When messages of bulks may have been sent, as far as that is known."""
    ends = [each.finished_at for each in bulks if each.finished_at is not None]
    until = min(asked.until, max(ends)) if len(ends) == len(bulks) else asked.until
    since = max(asked.since, id_time(bulks[0].id) - _AHEAD)
    return asked._replace(since=since, until=until)


def _by_days(bulks: Sequence[BulkRange]) -> Iterator[list[BulkRange]]:
    """Bulks that lie close together, so that no days between them are planned for."""
    together = list(bulks[:1])
    for before, each in pairwise(bulks):
        if id_time(each.id) - id_time(before.id) > _DAY:
            yield together
            together = []
        together.append(each)
    if together:
        yield together
