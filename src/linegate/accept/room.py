"""Limits of waiting messages, exact over all processes: what is accepted is counted by the
transaction that writes it, behind a lock of the account's and the key's count.

Only requests that have such a limit take that lock. What has ended is taken off by the rollup, so a
count is at most too high, by what ended in the last second.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from linegate.accept.accepted import Full
from linegate.domain.policy import Room
from linegate.postgres.backlog import Counter, add_waiting, lock_waiting
from linegate.postgres.pool import Connection

__all__ = ["Wanted", "count_in", "fit", "hold"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request's wish. messages: without those that are rejected at once; written: with them."""

    account_id: int
    room: Room
    messages: int
    written: int


async def hold(conn: Connection, asked: Iterable[Wanted]) -> dict[Counter, int]:
    """How many messages wait where these requests have a limit; held until the transaction ends."""
    rows = {row for each in asked if each.room.is_limited for row in _rows(each)}
    return await lock_waiting(conn, rows) if rows else {}


def fit(asked: Mapping[int, Wanted], held: Mapping[Counter, int]) -> dict[int, Full]:
    """Those of the requests, in order, for which there is no room; held: as `hold` gave it."""
    waiting = dict(held)
    full = {}
    for id_, each in asked.items():
        if not each.room.is_limited:
            continue
        refused = _refused(each, waiting)
        if refused is not None:
            full[id_] = refused
            continue
        for row in _rows(each):
            waiting[row] += each.written
    return full


async def count_in(conn: Connection, accepted: Iterable[Wanted]) -> None:
    """These were written: they wait."""
    more: dict[Counter, int] = {}
    for each in accepted:
        if each.room.is_limited:
            for row in _rows(each):
                more[row] = more.get(row, 0) + each.written
    if more:
        await add_waiting(conn, more)


def _refused(each: Wanted, held: Mapping[Counter, int]) -> Full | None:
    room = each.room
    own, keys = held[each.account_id, 0], held.get((each.account_id, room.key_id or 0), 0)
    if room.of_key is not None and keys + each.messages > room.of_key:
        return Full("key", each.messages, keys, room.of_key)
    if room.of_account is not None and own + each.messages > room.of_account:
        return Full("account", each.messages, own, room.of_account)
    return None


def _rows(each: Wanted) -> list[Counter]:
    account = (each.account_id, 0)
    return [account] if each.room.key_id is None else [account, (each.account_id, each.room.key_id)]
