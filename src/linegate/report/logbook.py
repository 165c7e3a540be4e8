"""GET /line/1/logs and a message's time line: what became of messages, read any number of times.

Which index leads in is decided here, by what is asked: messages, a number, a network or bulks, and
otherwise the account's newest (log_search.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.ids import read_public_id
from linegate.domain.status import STATUSES
from linegate.postgres.log_ways import LogFilter, Place, log_messages, log_network
from linegate.postgres.logs import (
    Content,
    History,
    Logged,
    find_client_ids,
    find_own_sender,
    load_contents,
    load_history,
    load_logged,
    owns_message,
)
from linegate.postgres.pool import Connection, Pool
from linegate.report.log_search import (
    USUAL_DEPTH,
    Depth,
    find_in_bulks,
    find_newest,
    find_unfinished,
)

__all__ = ["REACH", "Asked", "Logbook", "Page"]

REACH = timedelta(hours=48)
_LAST_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for; None means any.

    before: the place after which the page begins; status_group: a public group's name.
    network: a pattern of mobile country and network codes, with `_` and `%` as in LIKE.
    by_end: what has ended, in the order of its end; by_sms: and in its SMS leg. Neither goes with
    messages, a destination, bulks or a network.
    """

    limit: int
    sender: str | None = None
    destination: str | None = None
    bulk_ids: Sequence[str] | None = None
    message_ids: Sequence[str] | None = None
    status_group: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaigns: Sequence[str] | None = None
    before: Place | None = None
    network: str | None = None
    by_end: bool = False
    by_sms: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; contents by message object; next: where the next page begins, if any may."""

    logged: list[Logged]
    contents: dict[int, Content]
    next: Place | None


class Logbook:
    """Reads the log."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        reach: timedelta = REACH,
        depth: Depth = USUAL_DEPTH,
    ) -> None:
        """Read over `pool`; reach: how far back a search without ids goes.

        What is found does not depend on `depth`, only the time that it takes.
        """
        self._pool = pool
        self._clock = clock
        self._reach = reach
        self._depth = depth

    async def page(self, account_ids: Sequence[int], asked: Asked) -> Page:
        """One page of some accounts' log."""
        logged, after = await self.newest(account_ids, asked)
        async with self._pool.acquire() as conn:
            objects = sorted({each.object_id for each in logged})
            contents = await load_contents(conn, objects)
        return Page(logged, contents, after)

    async def newest(
        self, account_ids: Sequence[int], asked: Asked
    ) -> tuple[list[Logged], Place | None]:
        """A page without contents, and where the next one begins, if any may."""
        async with self._pool.acquire() as conn:
            places = await self._places(conn, account_ids, asked)
            known = await load_logged(conn, [id_ for _, id_ in places])
        logged = [known[id_] for _, id_ in places if id_ in known]
        return logged, places[-1] if len(places) == asked.limit else None

    async def message(self, account_id: int, name: str) -> tuple[Logged, History, Content] | None:
        """Everything about one message of this account; None if it has none of this id."""
        async with self._pool.acquire() as conn:
            (id_,) = await _ids(conn, [account_id], "message", [name]) or [-1]
            if not await owns_message(conn, account_id, id_):
                return None
            logged = (await load_logged(conn, [id_])).get(id_)
            if logged is None:
                return None
            content = (await load_contents(conn, [logged.object_id]))[logged.object_id]
            return logged, await load_history(conn, id_), content

    async def _places(
        self, conn: Connection, account_ids: Sequence[int], asked: Asked
    ) -> list[Place]:
        wanted = await self._filter(conn, account_ids, asked)
        if wanted is None:
            return []
        bulks = None
        if asked.bulk_ids is not None:
            bulks = await _ids(conn, wanted.account_ids, "bulk", asked.bulk_ids)
        if asked.message_ids is not None or asked.destination is not None:
            return await _by_message(conn, asked, wanted, bulks)
        if asked.network is not None and bulks is None:
            return await log_network(conn, wanted, asked.network)
        # What ends between the two is found twice and not missed.
        found = set[Place]()
        if asked.network is None and not wanted.by_end:
            found |= await find_unfinished(conn, wanted, bulks, asked.since, self._depth)
        if bulks is not None:
            found |= await find_in_bulks(conn, wanted, bulks, self._depth, network=asked.network)
        else:
            found |= await find_newest(conn, wanted, self._depth, self._clock.now())
        by_message = {id_: at for at, id_ in sorted(found)}
        places = sorted(((at, id_) for id_, at in by_message.items()), reverse=True)
        return places[: wanted.limit]

    async def _filter(
        self, conn: Connection, account_ids: Sequence[int], asked: Asked
    ) -> LogFilter | None:
        """What all ways in filter by; None where nothing can match."""
        now = self._clock.now()
        sender_id = None
        if asked.sender is not None:
            owned = await find_own_sender(conn, account_ids, asked.sender)
            if owned is None:
                return None
            sender_id, account_ids = owned[0], [owned[1]]
        group = asked.status_group
        return LogFilter(
            account_ids,
            [each.id for each in STATUSES.values() if group in (None, each.group_name)],
            max(asked.since or now - self._reach, now - self._reach),
            asked.until or now + REACH,
            asked.before or (now + REACH, _LAST_ID),
            asked.limit,
            sender_id,
            asked.entity_id,
            asked.application_id,
            asked.campaigns,
            asked.by_end or asked.by_sms,
            asked.by_sms,
        )


async def _by_message(
    conn: Connection, asked: Asked, wanted: LogFilter, bulks: Sequence[int] | None
) -> list[Place]:
    ids: list[int] = []
    if asked.message_ids is not None:
        ids = await _ids(conn, wanted.account_ids, "message", asked.message_ids)
        if not ids:
            return []
    return await log_messages(
        conn,
        wanted,
        message_ids=ids,
        destination=asked.destination,
        bulk_ids=bulks,
        network=asked.network,
        with_old_unfinished=asked.since is None,
    )


async def _ids(
    conn: Connection, account_ids: Sequence[int], kind: str, names: Sequence[str]
) -> list[int]:
    """Our ids behind public ones: the clients' own names first, then ours."""
    chosen = await find_client_ids(conn, account_ids, kind, names)
    found = {id_ for ids in chosen.values() for id_ in ids}
    ours = (read_public_id(name) for name in names if name not in chosen)
    return sorted(found | {id_ for id_ in ours if id_ is not None})
