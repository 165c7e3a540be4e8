"""Requests that come with an Idempotency-Key are taken once, however often they are repeated.

The key is taken in the transaction that writes the messages, so a crash leaves both or neither, and
a repeat that comes meanwhile, to whatever process, waits in the database until it is known which.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.accept.accepted import Accepted, BulkIdTaken, Full
from linegate.postgres.idempotency import (
    Asked,
    Kept,
    claim_keys,
    free_keys,
    keep_answers,
    kept_answer,
    kept_answers,
)
from linegate.postgres.pool import Connection, Pool

__all__ = ["KEPT_FOR", "KeyReused", "Once", "Repeated", "claim", "first_answer", "keep"]

KEPT_FOR = timedelta(hours=24)
"""How long a key gives the first answer again."""

_LARGE = 1000  # messages: from here on the answer is not written between two other requests


@dataclass(frozen=True, slots=True)
class Repeated:
    """The request was taken before; the answer it got then."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key was used before, with another body: nothing was taken."""


@dataclass(frozen=True, slots=True)
class Once:
    """A request's Idempotency-Key.

    body_digest: SHA-256 of its body.
    render:      the body of the answer that goes out if it is taken.
    """

    asked: Asked
    body_digest: bytes
    render: Callable[[Accepted], bytes]


async def first_answer(
    pool: Pool, asked: Asked, body_digest: bytes, now: datetime
) -> Repeated | KeyReused | None:
    """What became of an earlier request with this key; None if there was none in 24 hours."""
    async with pool.acquire() as conn:
        kept = await kept_answer(conn, asked, expired=now - KEPT_FOR)
    return None if kept is None else _outcome(kept, body_digest)


async def claim(
    conn: Connection, group: Sequence[Once], now: datetime
) -> dict[Asked, Repeated | KeyReused]:
    """Take the keys of a group, each at most once in it; gives those that were taken before."""
    digests = {once.asked: once.body_digest for once in group}
    free = await claim_keys(conn, digests, expired=now - KEPT_FOR, now=now)
    taken = sorted(digests.keys() - free)
    kept = await kept_answers(conn, taken) if taken else {}
    return {asked: _outcome(each, digests[asked]) for asked, each in kept.items()}


async def keep(
    conn: Connection, results: Sequence[tuple[Once, Accepted | BulkIdTaken | Full]]
) -> None:
    """Keep the answers of what was taken; let go of the keys of what was not."""
    answers, refused = {}, []
    for once, result in results:
        if isinstance(result, Accepted):
            answers[once.asked] = await _deflated(once, result)
        else:
            refused.append(once.asked)
    if answers:
        await keep_answers(conn, answers)
    if refused:
        await free_keys(conn, refused)


async def _deflated(once: Once, accepted: Accepted) -> bytes:
    if len(accepted.message_ids) < _LARGE:
        return zlib.compress(once.render(accepted), 1)
    return await asyncio.to_thread(lambda: zlib.compress(once.render(accepted), 1))


def _outcome(kept: Kept, body_digest: bytes) -> Repeated | KeyReused:
    if kept.body_digest != body_digest:
        return KeyReused()
    return Repeated(zlib.decompress(kept.answer))
