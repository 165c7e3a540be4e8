"""Time-ordered ids of bulks, message objects and messages.

An id is a positive 63-bit number:

    41 bits  milliseconds since 2020-01-01 UTC   (enough until 2089)
     8 bits  process number                      (from a sequence in the database, modulo 256)
    10 bits  counter within the millisecond
     4 bits  lane                                (fixed at acceptance; all of a bulk share it)

So ids of one bulk are dense, a day is a range of ids (a partition), and no process asks the
database for an id. A process that needs more than 1,024 ids in a millisecond borrows from the
next ones; a clock that goes back is not followed. Ids are never secret: every read is bound to
an account.
"""

from datetime import UTC, date, datetime, timedelta

__all__ = [
    "IdMaker",
    "day_start",
    "first_id_at",
    "id_time",
    "lane_of",
    "public_id",
    "read_public_id",
    "within_ids",
]

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_END = datetime(2089, 1, 1, tzinfo=UTC)
_LANES = 16
_STEP = _LANES  # ids of one block differ by this, so that all share their lane
_PER_MS = 1024
_MS_SHIFT = 22
_PROCESS_SHIFT = 14
_MILLISECOND = timedelta(milliseconds=1)
_PUBLIC_LENGTH = 16


class IdMaker:
    """Makes the ids of one process."""

    def __init__(self, process_number: int) -> None:
        """Take the process number; only its last 8 bits count."""
        self._process = (process_number & 0xFF) << _PROCESS_SHIFT
        self._next = 0  # milliseconds * 1024 + counter: what is free
        self._lane = 0

    def block(self, count: int, now: datetime, *, lane: int | None = None) -> list[int]:
        """Give `count` ids in ascending order, all of one lane: this one, or the next in turn."""
        first = max(self._next, ((now - _EPOCH) // _MILLISECOND) * _PER_MS)
        self._next = first + count
        if lane is None:
            self._lane = lane = (self._lane + 1) % _LANES
        low = self._process | lane
        ids: list[int] = []
        end = first + count
        while first < end:
            ms, counter = divmod(first, _PER_MS)
            upto = min(end - first, _PER_MS - counter)
            start = (ms << _MS_SHIFT) | low | (counter * _STEP)
            ids.extend(range(start, start + upto * _STEP, _STEP))
            first += upto
        return ids


def id_time(id_: int) -> datetime:
    """The instant an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=id_ >> _MS_SHIFT)


def day_start(day: date) -> int:
    """The smallest id of a UTC day: the lower bound of its partition."""
    return first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC))


def first_id_at(at: datetime) -> int:
    """The smallest id whose `id_time` is this instant or later."""
    return max(0, -((_EPOCH - at) // _MILLISECOND)) << _MS_SHIFT


def within_ids(at: datetime) -> datetime:
    """An instant to search by; one before ids begin or after they end is moved there."""
    return min(max(at, _EPOCH), _END)


def lane_of(id_: int) -> int:
    """The lane, 0-15, that everything of one bulk shares."""
    return id_ & (_LANES - 1)


def public_id(id_: int) -> str:
    """The id as clients see it: 16 hexadecimal digits."""
    return f"{id_:016x}"


def read_public_id(text: str) -> int | None:
    """Read an id back; None if the text is not one of ours."""
    if len(text) != _PUBLIC_LENGTH:
        return None
    try:
        value = int(text, 16)
    except ValueError:
        return None
    # int() also reads signs, blanks, underscores and foreign digits: only the round trip is exact.
    return value if 0 <= value < 1 << 63 and public_id(value) == text else None
