"""Which reports go together in one post.

Reports that failed together go together again and alone, so that a repeat is the same body under
the same id and its receiver can tell it. This file knows neither HTTP nor SQL.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from linegate.postgres.reporting import DueReport

__all__ = ["batches_of", "delivery_id"]


def batches_of(due: Sequence[DueReport], size: int) -> Iterator[list[DueReport]]:
    """Parts of at most `size`, in order; due: in the order of their places."""
    batch: list[DueReport] = []
    for report in due:
        if batch and (len(batch) >= size or report.retry_at != batch[0].retry_at):
            yield batch
            batch = []
        batch.append(report)
    if batch:
        yield batch


def delivery_id(batch: Sequence[DueReport]) -> str:
    """The `webhook-id` of a post: equal for the same reports, and for no others."""
    named = ",".join(f"{report.message.id}.{report.number}" for report in batch)
    return "msg_" + sha256(named.encode()).hexdigest()[:32]
