"""Which reports go together in one post.

Reports that failed together go together again and alone, so that a repeat is the same body under
the same id and its receiver can tell it. This file knows neither HTTP nor SQL.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from linegate.postgres.reporting import DueReport

__all__ = ["batches_of", "delivery_id", "id_of_reports"]


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
    return id_of_reports([(report.message.id, report.number) for report in batch])


def id_of_reports(reports: Iterable[tuple[int, int]]) -> str:
    """The same from message and number of each report."""
    named = ",".join(f"{id_}.{number}" for id_, number in reports)
    return "msg_" + sha256(named.encode()).hexdigest()[:32]
