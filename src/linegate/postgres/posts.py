"""Queries about requests to endpoints: what became of the reports in them, and what is shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.ids import first_id_at
from linegate.domain.report import FinishedMessage
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled
from linegate.postgres.reporting import finished

__all__ = [
    "Failed",
    "Post",
    "PostListed",
    "PostOfMessage",
    "PostShown",
    "find_post",
    "list_posts",
    "post_reports",
    "posts_of_message",
    "replay_posts",
    "reports_failed",
    "reports_taken",
]

_NEWEST = (1 << 63) - 1


class Post(NamedTuple):
    """One request to an endpoint and its answer.

    headers:     names of those that the profile or its security added.
    body_digest: SHA-256 of the body; None: nothing was sent. body_size: in bytes.
    code:        HTTP status, 0 if none came; detail: why it failed, '' if it was taken.
    answer:      how the body of the answer began.
    reports:     message and number of each, in the order of the body.
    """

    endpoint_id: int
    started_at: datetime
    duration_ms: int
    url: str
    content_type: str
    headers: Sequence[str]
    body_size: int
    body_digest: bytes | None
    code: int
    detail: str
    answer: str
    reports: Sequence[tuple[int, int]]


class Failed(NamedTuple):
    """What follows from a failed try; retry_at None: given up."""

    message_id: int
    number: int
    tries: int
    retry_at: datetime | None


class PostListed(NamedTuple):
    """A line in a list of requests; reports: how many were in it."""

    id: int
    started_at: datetime
    duration_ms: int
    code: int
    detail: str
    reports: int


class PostShown(NamedTuple):
    """A request that is kept, by its id."""

    id: int
    post: Post


class PostOfMessage(NamedTuple):
    """With which request a report of a message went out, at an instant."""

    number: int
    tried_at: datetime
    endpoint_id: int
    post_id: int


async def reports_taken(conn: Connection, post: Post, *, now: datetime) -> None:
    """The endpoint has the reports of a request."""
    ordered = sorted(post.reports)
    await bundled().reports_taken.exec(
        conn,
        ids=[id_ for id_, _ in ordered],
        numbers=[number for _, number in ordered],
        now=now,
        **_kept(post),
    )


async def reports_failed(
    conn: Connection, post: Post, failed: Sequence[Failed], *, now: datetime
) -> None:
    """Try the reports of a request again later, or never again."""
    ordered = sorted(failed, key=lambda each: each[:2])
    await bundled().reports_failed.exec(
        conn,
        ids=[each.message_id for each in ordered],
        numbers=[each.number for each in ordered],
        tries=[each.tries for each in ordered],
        retry_ats=[each.retry_at for each in ordered],
        detail=post.detail,
        now=now,
        **_kept(post),
    )


async def list_posts(
    conn: Connection,
    endpoint_id: int,
    *,
    limit: int,
    before: int | None = None,
    only_failed: bool = False,
) -> list[PostListed]:
    """Requests to an endpoint, the newest first; before: an id, to go on from."""
    query = bundled().list_failed_posts if only_failed else bundled().list_posts
    rows = await query.many(
        conn, endpoint_id=endpoint_id, before=_NEWEST if before is None else before, limit=limit
    )
    return [PostListed(*row) for row in rows]


async def find_post(conn: Connection, endpoint_id: int, post_id: int) -> PostShown | None:
    """One request to an endpoint."""
    row = await bundled().find_post.one(conn, endpoint_id=endpoint_id, id=post_id)
    if row is None:
        return None
    facts = {name: row[name] for name in Post._fields if name != "reports"}
    reports = list(zip(row["message_ids"], row["numbers"], strict=True))
    return PostShown(row["id"], Post(**facts, reports=reports))


async def post_reports(conn: Connection, shown: PostShown) -> list[FinishedMessage]:
    """The reports of a request in their order, as they are made today; erased ones are missing."""
    rows = await bundled().post_reports.many(
        conn,
        post_id=shown.id,
        message_ids=[id_ for id_, _ in shown.post.reports],
        numbers=[number for _, number in shown.post.reports],
    )
    return [finished(row) for row in rows]


async def replay_posts(
    conn: Connection, endpoint_id: int, post_ids: Sequence[int], *, now: datetime
) -> int:
    """Queue the reports of an endpoint's requests again; gives how many."""
    count: int = await bundled().replay_posts.exec(
        conn, endpoint_id=endpoint_id, ids=post_ids, now=now
    )
    await bundled().wake_pushers.exec(conn)
    return count


async def posts_of_message(conn: Connection, message_id: int) -> list[PostOfMessage]:
    """With which requests the reports of a message went out."""
    rows = await bundled().posts_of_message.many(conn, id=message_id)
    return [PostOfMessage(*row) for row in rows]


def _kept(post: Post) -> dict[str, object]:
    return {
        "first_id": first_id_at(post.started_at),
        "endpoint_id": post.endpoint_id,
        "started_at": post.started_at,
        "duration_ms": post.duration_ms,
        "url": post.url,
        "content_type": post.content_type,
        "headers": post.headers,
        "body_size": post.body_size,
        "body_digest": post.body_digest,
        "code": post.code,
        "answer": post.answer,
        "message_ids": [id_ for id_, _ in post.reports],
        "message_numbers": [number for _, number in post.reports],
    }
