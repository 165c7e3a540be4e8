"""A request to an endpoint as it is kept: everything but secrets and the body.

The body is made again from its reports when somebody looks; its digest tells whether that is what
was sent. So a request costs one row, and a person who is erased is in no copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from linegate.postgres.posts import Post
from linegate.postgres.reporting import DueReport
from linegate.report.target import Target
from linegate.webhook.client import PushOutcome

__all__ = ["OURS", "Letter", "digest_of_body", "post_of", "unsent"]

OURS = ("webhook-id", "webhook-timestamp", "webhook-signature")
"""Headers that every request has."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What was sent. body: None if nothing was."""

    body: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


def unsent() -> Letter:
    """Nothing was sent: the endpoint's token could not be had."""
    return Letter(None)


def digest_of_body(body: bytes) -> bytes:
    """What two bodies that are equal have in common."""
    return sha256(body).digest()


def post_of(
    target: Target,
    batch: Sequence[DueReport],
    letter: Letter,
    outcome: PushOutcome,
    *,
    started: datetime,
    ended: datetime,
) -> Post:
    """The row of a request that has ended."""
    body = letter.body
    return Post(
        endpoint_id=target.id,
        started_at=started,
        duration_ms=max(0, (ended - started) // timedelta(milliseconds=1)),
        url=target.url,
        content_type=target.content_type,
        headers=[name for name in letter.headers if name not in OURS],
        body_size=0 if body is None else len(body),
        body_digest=None if body is None else digest_of_body(body),
        code=outcome.code,
        detail=outcome.detail,
        answer=outcome.answer,
        reports=[(report.message.id, report.number) for report in batch],
    )
