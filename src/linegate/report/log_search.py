"""The newest places of some accounts' log, by whatever their message objects are known for.

A search goes back in spans of time and names the days of each (domain/spread.py): the last day
first, then twice as much each time until the page is full. In each span the sums of the statistics
say how much each account has of what is looked for, and so which way reads least.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from linegate.domain.ids import day_start, first_id_at, id_time
from linegate.domain.spread import AHEAD, IdRange, days_ended_since, id_ranges, spans
from linegate.postgres.log_ways import (
    BulkRange,
    LogFilter,
    Lying,
    PartSums,
    Place,
    bulk_ranges,
    late_days,
    log_accounts,
    log_bulks,
    log_by_sms,
    log_horizons,
    log_unfinished,
    newest_bulks,
    open_bulks,
    part_bulks,
    sums_of_part,
)
from linegate.postgres.pool import Connection, named_days

__all__ = [
    "USUAL_DEPTH",
    "Depth",
    "find_in_bulks",
    "find_newest",
    "find_unfinished",
]

_DAY = timedelta(days=1)
_UNFINISHED = {7, 26}  # the public statuses of what has not ended
_LIVES = timedelta(days=8)  # of most messages, from acceptance to the last event that may come
_LAST_ID = (1 << 63) - 2
_MUCH = 1_000_000
_FEW_OBJECTS = 500  # whose bulks are gone through for what has not ended


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is looked through in one way before another is taken.

    sums:  of an account in some days that are read; with more, what it has counts as much.
    least: messages of a part's newest bulks that are read of each account, though fewer may do.
    first: messages of these that are read at most before it is asked what is left.
    front: ended messages of each status that are looked through next.
    few:   messages of an account's part in some days that all its bulks lead to then.
    many:  messages of parts that all bulks lead to, if there is not less to go past.
    large: bulks of more messages are not read one by one.
    dear:  for one message that its bulk leads to, so many of the account can be gone past.
    """

    sums: int = 2000
    least: int = 2000
    first: int = 20_000
    front: int = 1000
    few: int = 5000
    many: int = 100_000
    large: int = 10_000
    dear: int = 3


USUAL_DEPTH = Depth()


async def find_newest(
    conn: Connection, asked: LogFilter, depth: Depth, now: datetime
) -> set[Place]:
    """The newest that have ended, at most a page."""
    found = set[Place]()
    async with named_days(conn):
        for span in spans(asked.since, min(asked.until, asked.before[0]), now):
            rest = asked._replace(since=span.since, until=span.until)
            late = await late_days(conn, asked.account_ids, days_ended_since(span))
            for ids in id_ranges(span, late, now):
                found |= set(await _in_days(conn, rest, ids, depth))
            if len(found) >= asked.limit:
                break
    return set(sorted(found, reverse=True)[: asked.limit])


async def _in_days(conn: Connection, asked: LogFilter, ids: IdRange, depth: Depth) -> list[Place]:
    """The newest that have ended of some days."""
    if not asked.names_a_part:
        return await _all(conn, asked, ids)
    sums = await _sums(conn, asked, ids, depth)
    if not sums:
        return []
    asked = asked.of(sums)
    ids = ids.until(min(asked.until, asked.before[0]))  # nothing is sent before it is accepted
    if sum(known.around for known in sums.values()) <= depth.dear * _two_pages(asked, sums, depth):
        return await _all(conn, asked, ids)
    newest = await _in_newest_bulks(conn, asked, ids, sums, depth)
    rest = asked.of(newest.behind)
    if not rest.account_ids:
        return newest.places
    if len(newest.places) == asked.limit:
        older = IdRange(ids.first, min(ids.end, newest.behind_before))
        rest = rest._replace(since=newest.places[-1][0])
        return newest.places + await _all(conn, rest, older)
    return newest.places + await _behind(conn, rest, ids, sums, depth)


async def _sums(
    conn: Connection, asked: LogFilter, ids: IdRange, depth: Depth
) -> dict[int, PartSums]:
    """Of the accounts that may have anything of the part that ended as is asked."""
    sums = await sums_of_part(conn, asked, ids, most=depth.sums)
    return {
        id_: known if known.is_all else _at_least(known)
        for id_, known in sums.items()
        if known.ended or not known.is_all
    }


def _at_least(known: PartSums) -> PartSums:
    """What is taken to be of an account with more sums than are read: a large part of much."""
    ended = max(1, known.ended)
    return PartSums(_MUCH * max(ended, known.accepted), _MUCH * ended, _MUCH * ended, is_all=False)


def _two_pages(asked: LogFilter, sums: Mapping[int, PartSums], depth: Depth) -> int:
    """So many messages of the part that those which ended as is asked should fill two pages."""
    accepted = sum(sums[id_].accepted for id_ in asked.account_ids)
    ended = sum(sums[id_].ended for id_ in asked.account_ids)
    return min(depth.first, accepted, 2 * asked.limit * accepted // max(1, ended))


async def _all(conn: Connection, asked: LogFilter, ids: IdRange) -> list[Place]:
    """The newest, each account's in their order, going past all that is not asked for."""
    way = log_by_sms if asked.by_sms else log_accounts
    return await way(conn, asked, ids)


class _Looked(NamedTuple):
    """What was found, and the accounts that have more which was not looked at; with ids before."""

    places: list[Place]
    behind: list[int]
    behind_before: int = _LAST_ID


async def _in_newest_bulks(
    conn: Connection,
    asked: LogFilter,
    ids: IdRange,
    sums: Mapping[int, PartSums],
    depth: Depth,
) -> _Looked:
    """Those of the newest bulks of the part, of each account about as far back as of the others."""
    wanted = _two_pages(asked, sums, depth)
    accepted = sum(sums[id_].accepted for id_ in asked.account_ids)
    share = [wanted * sums[id_].accepted // max(1, accepted) for id_ in asked.account_ids]
    most = [min(depth.first, asked.limit) + 1 + each for each in share]
    messages = min(depth.first, max(depth.least, *most))
    newest = await newest_bulks(conn, asked, ids, most=most, messages=messages, large=depth.large)
    bulks = [bulk_id for known in newest.values() for bulk_id in known.ids]
    places = await log_bulks(conn, asked, ids, bulks) if bulks else []
    rest = {id_: known.rest_before for id_, known in newest.items() if known.rest_before}
    before = max(rest.values(), default=0)
    return _Looked(places, list(rest), first_id_at(id_time(before) + AHEAD))


async def _behind(
    conn: Connection,
    asked: LogFilter,
    ids: IdRange,
    sums: Mapping[int, PartSums],
    depth: Depth,
) -> list[Place]:
    """The newest of accounts whose newest bulks were too large, or ended otherwise: at the front
    of each, then by all bulks or by going past all of their account that have ended alike.
    """
    front = await _at_the_front(conn, asked, ids, depth)
    rest = asked.of(front.behind)
    if len(front.places) == asked.limit:
        rest = rest._replace(since=front.places[-1][0])
    apart = rest.of(id_ for id_ in rest.account_ids if _is_by_bulks(sums[id_], depth))
    bulks = await part_bulks(conn, apart, ids, most=depth.many) if apart.account_ids else []
    if bulks is None:
        return front.places + await _all(conn, rest, ids)
    found = front.places + (await log_bulks(conn, apart, ids, bulks) if bulks else [])
    others = rest.of(id_ for id_ in rest.account_ids if id_ not in apart.account_ids)
    return found + await _all(conn, others, ids) if others.account_ids else found


async def _at_the_front(conn: Connection, asked: LogFilter, ids: IdRange, depth: Depth) -> _Looked:
    """Those among the newest of each account that ended alike."""
    if asked.by_sms:
        return _Looked([], list(asked.account_ids))
    horizons = await log_horizons(conn, asked, ids, most=depth.front)
    found = await log_accounts(conn, asked, ids, horizons=horizons)
    since = found[-1][0] if len(found) == asked.limit else asked.since
    return _Looked(found, [id_ for id_, at in horizons.items() if at > since])


def _is_by_bulks(known: PartSums, depth: Depth) -> bool:
    is_cheaper = known.accepted * depth.dear <= known.around
    return known.accepted <= depth.few or (is_cheaper and known.accepted <= depth.many)


async def find_unfinished(
    conn: Connection,
    asked: LogFilter,
    bulk_ids: Sequence[int] | None,
    since: datetime | None,
    depth: Depth,
) -> set[Place]:
    """The newest that have not ended, of some bulks or of all; since: None: however old."""
    if _UNFINISHED.isdisjoint(asked.statuses):
        return set()
    if bulk_ids is not None:
        bulks = await _lying(conn, asked.account_ids, bulk_ids)
        return set(await log_unfinished(conn, asked, bulks, bulks, since=since))
    bulks = await open_bulks(conn, asked.account_ids)
    ranges = [Lying(0, _LAST_ID)]
    if asked.names_a_part:
        first = day_start((asked.since - _LIVES).date())
        few = await _few_bulks(conn, asked, first, depth)
        if few is not None:
            ranges = sorted({*few, *bulks, Lying(0, first)})
            bulks = sorted({*few, *bulks})
    return set(await log_unfinished(conn, asked, ranges, bulks, since=since))


async def _few_bulks(
    conn: Connection, asked: LogFilter, first: int, depth: Depth
) -> list[Lying] | None:
    """The bulks of a part from an id on, if they are few."""
    ids = IdRange(first, max(first, first_id_at(asked.until)))
    async with named_days(conn):
        sums = await sums_of_part(conn, asked, ids, most=depth.sums)
        having = asked.of(id_ for id_, known in sums.items() if known.accepted or not known.is_all)
        if not having.account_ids:
            return []
        found = await part_bulks(conn, having, ids, most=_FEW_OBJECTS)
    return None if found is None else await _lying(conn, asked.account_ids, found)


async def _lying(
    conn: Connection, account_ids: Sequence[int], bulk_ids: Sequence[int]
) -> list[Lying]:
    ranges = await bulk_ranges(conn, account_ids, bulk_ids)
    return [Lying(each.id, each.last_id) for each in ranges]


async def find_in_bulks(
    conn: Connection,
    asked: LogFilter,
    bulk_ids: Sequence[int],
    depth: Depth,
    *,
    network: str | None = None,
) -> set[Place]:
    """The newest that have ended of some bulks: of large ones, among those of their accounts that
    were sent while they went.
    """
    found = set[Place]()
    async with named_days(conn):
        for together in _by_days(await bulk_ranges(conn, asked.account_ids, bulk_ids)):
            ids = IdRange(together[0].id, max(each.last_id for each in together) + 1)
            wanted = [each.id for each in together]
            if network is None and sum(each.messages for each in together) > depth.large:
                window = _window(asked, together).of({each.account_id for each in together})
                found |= set(await log_accounts(conn, window, ids, bulk_ids=wanted))
            else:
                found |= set(await log_bulks(conn, asked, ids, wanted, network=network))
    return found


def _window(asked: LogFilter, bulks: Sequence[BulkRange]) -> LogFilter:
    """When messages of bulks may have been sent, as far as that is known."""
    ends = [each.finished_at for each in bulks if each.finished_at is not None]
    until = min(asked.until, max(ends)) if len(ends) == len(bulks) else asked.until
    since = max(asked.since, id_time(bulks[0].id) - AHEAD)
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
