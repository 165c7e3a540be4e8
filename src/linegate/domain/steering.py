"""The words for where a bulk is, and which of them an operator may say when.

Words: published (`/sms/1/bulks/status`); which may follow which is ours.
"""

from datetime import datetime
from enum import Enum

__all__ = ["MOVES", "BulkStatus", "run_word", "status_of", "why_not"]


class BulkStatus(Enum):
    """Where a bulk is."""

    PENDING = "PENDING"  # its time has not come, or it is still being imported
    PROCESSING = "PROCESSING"
    PAUSED = "PAUSED"
    CANCELED = "CANCELED"
    FINISHED = "FINISHED"  # every message has its final report
    FAILED = "FAILED"  # an import that was refused or given up: nothing of it was sent


_B = BulkStatus

MOVES: dict[BulkStatus, frozenset[BulkStatus]] = {
    _B.PENDING: frozenset({_B.PAUSED, _B.CANCELED}),
    _B.PROCESSING: frozenset({_B.PAUSED, _B.CANCELED}),
    # PENDING and PROCESSING both mean "go on": which of the two it becomes, its sendAt says.
    _B.PAUSED: frozenset({_B.PENDING, _B.PROCESSING, _B.CANCELED}),
    _B.CANCELED: frozenset(),
    _B.FINISHED: frozenset(),
    _B.FAILED: frozenset(),
}
"""What may be asked of a bulk besides the status it has already, which changes nothing."""

_HINTS = {
    (_B.PENDING, _B.PROCESSING): "it begins at its sendAt: change that to begin earlier",
    (_B.PROCESSING, _B.PENDING): "it has begun: pause it, then change its sendAt",
}


def status_of(
    run: str | None, *, send_at: datetime, is_finished: bool, now: datetime
) -> BulkStatus:
    """The public word.

    run: of the bulk's row (`run_status`); None for one that was due when it was accepted.
    """
    match run:
        case "cancelled":
            return BulkStatus.CANCELED
        case "failed":
            return BulkStatus.FAILED
        case "importing":
            return BulkStatus.PENDING
    if is_finished:
        return BulkStatus.FINISHED
    if run == "paused":
        return BulkStatus.PAUSED
    return BulkStatus.PENDING if send_at > now else BulkStatus.PROCESSING


def why_not(current: BulkStatus, wanted: BulkStatus) -> str | None:
    """Why a bulk cannot be given a status; None if it can."""
    if wanted is current or wanted in MOVES[current]:
        return None
    hint = _HINTS.get((current, wanted))
    if hint is None:
        allowed = ", ".join(sorted(each.value for each in MOVES[current]))
        hint = f"only {allowed} may follow" if allowed else "nothing may follow"
    return f"cannot become {wanted.value} from {current.value}: {hint}"


def run_word(wanted: BulkStatus) -> str:
    """How the row of a bulk says it (`run_status`)."""
    words = {BulkStatus.PAUSED: "paused", BulkStatus.CANCELED: "cancelled"}
    return words.get(wanted, "processing")
