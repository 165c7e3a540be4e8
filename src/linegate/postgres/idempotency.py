"""Queries about requests with an Idempotency-Key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Asked",
    "Kept",
    "claim_keys",
    "forget_keys",
    "free_keys",
    "keep_answers",
    "kept_answer",
    "kept_answers",
]


class Asked(NamedTuple):
    """A key as its account chose it."""

    account_id: int
    key: str


class Kept(NamedTuple):
    """The first request with a key: SHA-256 of its body, and its answer, deflated."""

    body_digest: bytes
    answer: bytes


async def claim_keys(
    conn: Connection, asked: Mapping[Asked, bytes], *, expired: datetime, now: datetime
) -> set[Asked]:
    """Take keys, given with the digests of their bodies; gives those that were free.

    In the order of account and key, so that two groups never wait for each other in a circle.
    expired: what was accepted until then does not count any more.
    """
    ordered = sorted(asked.items())
    rows = await bundled().claim_keys.many(
        conn,
        **_columns([each for each, _ in ordered]),
        digests=[digest for _, digest in ordered],
        expired=expired,
        now=now,
    )
    return {Asked(*row) for row in rows}


async def kept_answers(conn: Connection, asked: Sequence[Asked]) -> dict[Asked, Kept]:
    """What was answered to keys that others have taken."""
    rows = await bundled().kept_answers.many(conn, **_columns(asked))
    return {
        Asked(account_id, key): Kept(digest, answer) for account_id, key, digest, answer in rows
    }


async def kept_answer(conn: Connection, asked: Asked, *, expired: datetime) -> Kept | None:
    """What was answered to a key, if anything and after `expired`."""
    row = await bundled().kept_answer.one(
        conn, account_id=asked.account_id, key=asked.key, expired=expired
    )
    return None if row is None else Kept(*row)


async def keep_answers(conn: Connection, answers: Mapping[Asked, bytes]) -> None:
    """Keep the answers, deflated, of keys that this transaction took."""
    await bundled().keep_answers.exec(
        conn, **_columns(list(answers)), answers=list(answers.values())
    )


async def free_keys(conn: Connection, asked: Sequence[Asked]) -> None:
    """Let go of keys that this transaction took."""
    await bundled().free_keys.exec(conn, **_columns(asked))


async def forget_keys(conn: Connection, *, expired: datetime, limit: int) -> int:
    """Remove what was accepted until `expired`, oldest first; gives how many."""
    return await bundled().forget_keys.exec(conn, expired=expired, limit=limit)


def _columns(asked: Sequence[Asked]) -> dict[str, object]:
    return {
        "account_ids": [each.account_id for each in asked],
        "keys": [each.key for each in asked],
    }
