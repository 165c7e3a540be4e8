"""Queries of the log's ways in: each gives places of some accounts' messages, the newest first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from linegate.domain.ids import first_id_at, id_time
from linegate.domain.spread import PROMPT_DAYS, IdRange, LateDay
from linegate.postgres.pool import Connection, named_days
from linegate.postgres.queries import bundled

__all__ = [
    "BulkRange",
    "LogFilter",
    "Lying",
    "NewestBulks",
    "PartSums",
    "Place",
    "bulk_ranges",
    "late_days",
    "log_accounts",
    "log_bulks",
    "log_by_sms",
    "log_horizons",
    "log_messages",
    "log_network",
    "log_unfinished",
    "newest_bulks",
    "open_bulks",
    "part_bulks",
    "sums_of_part",
]

_MICROSECOND = timedelta(microseconds=1)
_OPEN_BULKS = 1000
_LOOKED_AT = 50_000  # of all accounts' unfinished messages
_WAITS = 26  # the public status of what has not been handed over

Place = tuple[datetime, int]
"""Where a message stands in the log: when it was sent, or ended (LogFilter.by_end), and its id."""


class LogFilter(NamedTuple):
    """What every way in filters by; None means any. before: a cursor's place, exclusive.

    by_end: messages stand at their end, and not at when they were sent. by_sms: only those that
    their SMS leg ended.
    """

    account_ids: Sequence[int]
    statuses: Sequence[int]
    since: datetime
    until: datetime
    before: Place
    limit: int
    sender_id: int | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaigns: Sequence[str] | None = None
    by_end: bool = False
    by_sms: bool = False

    @property
    def names_a_part(self) -> bool:
        """Whether some of an account's messages are meant, by what their objects say."""
        parts = (self.sender_id, self.entity_id, self.application_id, self.campaigns)
        return any(part is not None for part in parts)

    @property
    def part(self) -> dict[str, object]:
        """What their objects must say."""
        names = ("sender_id", "entity_id", "application_id", "campaigns")
        return {name: getattr(self, name) for name in names}

    def of(self, account_ids: Iterable[int]) -> "LogFilter":
        """The same of some accounts only."""
        return self._replace(account_ids=list(account_ids))


class Lying(NamedTuple):
    """Where the ids of a bulk lie: behind its own, up to the last, which is one of them."""

    id: int
    last_id: int

    def within(self, after: int, before: int) -> "Lying":
        """Two ids between which its messages lie, as far as they lie between these."""
        return Lying(max(self.id, after), min(self.last_id + 1, before))


class BulkRange(NamedTuple):
    """A bulk's first and last id. finished_at: nothing of it was unfinished; None: unknown."""

    id: int
    last_id: int
    messages: int
    finished_at: datetime | None
    account_id: int


class NewestBulks(NamedTuple):
    """The newest bulks of a part; rest_before: others lie before this id; None: these are all."""

    ids: Sequence[int]
    rest_before: int | None


class PartSums(NamedTuple):
    """Sums of a part of an account in some days; 1 may stand for what is not added up yet.

    ended: with the statuses, and in the leg, that are asked for; around: the same of the whole
    account. is_all: not only of some of the account's sums.
    """

    accepted: int
    ended: int
    around: int
    is_all: bool


async def late_days(conn: Connection, account_ids: Sequence[int], since: date) -> list[LateDay]:
    """Days of which something of these accounts ended late, on `since` (UTC+9) or after."""
    rows = await bundled().late_days.many(
        conn, account_ids=account_ids, since=since, prompt=PROMPT_DAYS
    )
    return [LateDay(*row) for row in rows]


async def sums_of_part(
    conn: Connection, asked: LogFilter, ids: IdRange, *, most: int
) -> dict[int, PartSums]:
    """How much there is of the part that is asked for, by account, of what some days accepted.

    most: sums of an account that are read.
    """
    first_day, end_day = ids.days()
    rows = await bundled().sums_of_part.many(
        conn,
        account_ids=asked.account_ids,
        statuses=asked.statuses,
        by_sms=asked.by_sms,
        most=most,
        first_day=first_day,
        end_day=end_day,
        first_id=ids.first,
        end_id=ids.end,
        **asked.part,
    )
    return {account_id: PartSums(*sums) for account_id, *sums in rows}


async def log_accounts(
    conn: Connection,
    asked: LogFilter,
    ids: IdRange,
    *,
    bulk_ids: Sequence[int] | None = None,
    horizons: Mapping[int, datetime] | None = None,
) -> list[Place]:
    """The newest ended of some accounts, of each back to its horizon if it has one.

    bulk_ids: only what belongs to one of these.
    """
    values = _values(asked, without=["by_sms", "since"])
    since = asked.since
    rows = await bundled().log_accounts.many(
        conn,
        sinces=[(horizons or {}).get(account_id, since) for account_id in asked.account_ids],
        bulk_ids=bulk_ids,
        first_id=ids.first,
        end_id=ids.end,
        **values,
    )
    return _places(rows)


async def log_horizons(
    conn: Connection, asked: LogFilter, ids: IdRange, *, most: int
) -> dict[int, datetime]:
    """From when on an account has at most `most` ended messages of each status; absent: always."""
    values = _values(asked, without=["by_sms", "limit", *asked.part])
    rows = await bundled().log_horizons.many(
        conn, most=most, first_id=ids.first, end_id=ids.end, **values
    )
    return dict(rows)


async def log_by_sms(conn: Connection, asked: LogFilter, ids: IdRange) -> list[Place]:
    """The newest that their SMS leg ended, by their end."""
    values = _values(asked, without=["by_end", "by_sms"])
    rows = await bundled().log_by_sms.many(conn, first_id=ids.first, end_id=ids.end, **values)
    return _places(rows)


async def part_bulks(
    conn: Connection, asked: LogFilter, ids: IdRange, *, most: int
) -> list[int] | None:
    """The bulks of the part that is asked for; None if it has more than `most` objects there."""
    rows = await bundled().part_bulks.many(
        conn,
        account_ids=asked.account_ids,
        first_id=ids.first,
        end_id=ids.end,
        limit=most + 1,
        **asked.part,
    )
    return None if len(rows) > most else [row["id"] for row in rows]


async def newest_bulks(
    conn: Connection,
    asked: LogFilter,
    ids: IdRange,
    *,
    most: Sequence[int],
    messages: int,
    large: int,
) -> dict[int, NewestBulks]:
    """The newest bulks of the part that is asked for: of `most` objects, account by account, until
    they have so many messages together, and none that is larger than `large`.
    """
    part, campaign = asked.part, None
    if asked.campaigns is not None and len(asked.campaigns) == 1:
        part["campaigns"], campaign = None, asked.campaigns[0]
    rows = await bundled().newest_bulks.many(
        conn,
        account_ids=asked.account_ids,
        first_id=ids.first,
        end_id=ids.end,
        mosts=most,
        messages=messages,
        large=max(large, messages),
        campaign=campaign,
        **part,
    )
    return {account_id: NewestBulks(bulk_ids or [], rest) for account_id, bulk_ids, rest in rows}


async def bulk_ranges(
    conn: Connection, account_ids: Sequence[int], bulk_ids: Sequence[int]
) -> list[BulkRange]:
    """Where bulks of some accounts lie, the oldest first."""
    async with named_days(conn):
        rows = await bundled().bulk_ranges.many(conn, bulk_ids=bulk_ids, account_ids=account_ids)
    return sorted(BulkRange(*row) for row in rows)


async def log_bulks(
    conn: Connection,
    asked: LogFilter,
    ids: IdRange,
    bulk_ids: Sequence[int],
    *,
    network: str | None = None,
) -> list[Place]:
    """The newest places of some bulks; ids: where these and their messages lie.

    network: only of what ended by SMS in one of these.
    """
    rows = await bundled().log_bulks.many(
        conn,
        bulk_ids=bulk_ids,
        network=network,
        first_id=ids.first,
        end_id=ids.end,
        **_values(asked if network is None else asked._replace(by_sms=True)),
    )
    return _places(rows)


async def log_network(conn: Connection, asked: LogFilter, network: str) -> list[Place]:
    """The newest places that ended by SMS in a network."""
    values = _values(asked, without=["by_end", "by_sms"])
    known = network.rstrip("_%") if network[0] != "_" else ""
    rows = await bundled().log_network.many(
        conn,
        network=network,
        from_network=known,
        to_network=known + ":",  # what comes after the digits
        **values,
    )
    return _places(rows)


async def open_bulks(conn: Connection, account_ids: Sequence[int]) -> list[Lying]:
    """The newest bulks of each account that may have messages waiting."""
    rows = await bundled().open_bulks.many(conn, account_ids=account_ids, limit=_OPEN_BULKS)
    return [Lying(row["id"], row["last_id"]) for row in rows]


async def log_unfinished(
    conn: Connection,
    asked: LogFilter,
    ranges: Sequence[Lying],
    bulks: Sequence[Lying],
    *,
    since: datetime | None,
) -> list[Place]:
    """The newest that have not ended: in ranges of the queues, and what waits in some bulks.

    They stand where their ids do: at the instant the id was made. since: None: however old.
    """
    after = 0 if since is None else first_id_at(since) - 1
    before = min(_before(asked.before), first_id_at(asked.until + _MICROSECOND))
    within = Lying(after, before)
    lies = [each.within(after, before) for each in ranges]
    lie: dict[str, object] = {
        "after_ids": [each.id for each in lies],
        "before_ids": [each.last_id for each in lies],
        "most": _LOOKED_AT,
        "account_ids": asked.account_ids,
    }
    object_ids = None
    if asked.names_a_part:
        bulk_ids = [each.id for each in bulks]
        rows = await bundled().unfinished_objects.many(conn, bulk_ids=bulk_ids, **lie, **asked.part)
        object_ids = [row["id"] for row in rows]
        if not object_ids:
            return []
    async with named_days(conn):
        rows = await bundled().log_at_line.many(
            conn, object_ids=object_ids, statuses=asked.statuses, limit=asked.limit, **lie
        )
    ids = {row["id"] for row in rows}
    if bulks and _WAITS in asked.statuses:
        ids |= await _waiting(conn, asked, bulks, object_ids, within)
    return [(id_time(id_), id_) for id_ in sorted(ids, reverse=True)[: asked.limit]]


async def _waiting(
    conn: Connection,
    asked: LogFilter,
    bulks: Sequence[Lying],
    object_ids: Sequence[int] | None,
    within: Lying,
) -> set[int]:
    rows = await bundled().log_waiting.many(
        conn,
        bulk_ids=[each.id for each in bulks],
        object_ids=object_ids,
        account_ids=asked.account_ids,
        after_id=max(within.id, min(each.id for each in bulks)),
        before_id=min(within.last_id, max(each.last_id for each in bulks) + 1),
        limit=asked.limit,
    )
    return {row["id"] for row in rows}


async def log_messages(
    conn: Connection,
    asked: LogFilter,
    *,
    message_ids: Sequence[int] = (),
    destination: str | None = None,
    bulk_ids: Sequence[int] | None = None,
    network: str | None = None,
    with_old_unfinished: bool = False,
) -> list[Place]:
    """The places of messages by their ids, or by the number they went to; ended or not.

    with_old_unfinished: what has not ended is meant whenever it was accepted.
    """
    values = _values(asked, without=["by_end", "by_sms"])
    by_number = destination is not None and not message_ids
    rows = await bundled().log_messages.many(
        conn,
        message_ids=message_ids,
        destinations=[destination] if by_number else [],
        destination=None if by_number else destination,
        bulk_ids=bulk_ids,
        names_objects=asked.names_a_part or bulk_ids is not None,
        network=network,
        with_old_unfinished=with_old_unfinished,
        **values,
    )
    return _places(rows)


def _before(place: Place) -> int:
    """The id before which all ids stand before a place."""
    at, id_ = place
    return max(first_id_at(at), min(id_, first_id_at(at + _MICROSECOND)))


def _values(asked: LogFilter, *, without: Collection[str] = ()) -> dict[str, object]:
    values = {name: value for name, value in asked._asdict().items() if name not in without}
    values["before_at"], values["before_id"] = values.pop("before")
    return values


def _places(rows: Sequence[tuple[int, datetime]]) -> list[Place]:
    return [(at, id_) for id_, at in rows]
