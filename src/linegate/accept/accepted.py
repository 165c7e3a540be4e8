"""What accepting a bulk gives."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Accepted", "BulkIdTaken", "Full"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is now on disk.

    bulk_id:     as the client sees it.
    message_ids: as the client sees them, in the request's order.
    duplicates:  positions of messages whose messageId was used before; they were not taken.
    """

    bulk_id: str
    message_ids: list[str]
    duplicates: frozenset[int]


@dataclass(frozen=True, slots=True)
class BulkIdTaken:
    """The account has used this bulkId before: nothing was taken."""


@dataclass(frozen=True, slots=True)
class Full:
    """Too many messages of the account or of the key wait: nothing was taken.

    of: whose limit it is. wanted: messages of the request; waiting: those that have not ended.
    """

    of: Literal["account", "key"]
    wanted: int
    waiting: int
    most: int
