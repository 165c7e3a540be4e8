"""Daily limits, exact over all API processes: what a limit has left is a row of the database.

A process takes from it in small portions, so that a limit of many messages does not cost an
update a request, and gives back what it did not use when it stops. A process that is killed takes
at most a thousandth of the limit with it.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog

from linegate.postgres.divisions import give_back_quota, take_quota
from linegate.postgres.pool import AWAY, Pool

__all__ = ["Quotas", "Wanted"]

_log = structlog.get_logger()
_LARGEST_PORTION = 500
_PORTION = 1000  # of a limit one such part

Subject = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many messages of a subject's daily limit. subject: `account`, `key 17`, `entity tokyo`."""

    subject: str
    messages: int
    most: int


class Quotas:
    """Uses daily limits up."""

    def __init__(self, pool: Pool) -> None:
        """Count over `pool`."""
        self._pool = pool
        self._left: dict[Subject, tuple[date, int]] = {}
        self._asking = asyncio.Lock()

    async def take(self, account_id: int, wanted: list[Wanted], now: datetime) -> Wanted | None:
        """Use all of it or nothing; gives the one whose day has too little left."""
        day = now.astimezone(UTC).date()
        taken: list[Wanted] = []
        for each in wanted:
            if not await self._take(account_id, each, day):
                self.give_back(account_id, taken, now)
                return each
            taken.append(each)
        return None

    def give_back(self, account_id: int, taken: list[Wanted], now: datetime) -> None:
        """It was not used after all."""
        day = now.astimezone(UTC).date()
        for each in taken:
            key = (account_id, each.subject)
            self._left[key] = (day, self._left_of(key, day) + each.messages)

    async def aclose(self) -> None:
        """Give back what was taken ahead."""
        left, self._left = self._left, {}
        try:
            async with self._pool.acquire() as conn:
                for (account_id, subject), (day, messages) in sorted(left.items()):
                    if messages:
                        await give_back_quota(conn, account_id, subject, day, amount=messages)
        except AWAY as error:  # no reason not to stop: a thousandth of the day is lost
            _log.warning("quota.not_given_back", error=type(error).__name__)

    async def _take(self, account_id: int, wanted: Wanted, day: date) -> bool:
        key = (account_id, wanted.subject)
        if self._use(key, wanted.messages, day):
            return True
        async with self._asking:  # others of this process wait for the portion
            # Again if smaller requests have meanwhile used what was left here.
            while not self._use(key, wanted.messages, day):
                if not await self._fetch(account_id, wanted, day):
                    return False
        return True

    async def _fetch(self, account_id: int, wanted: Wanted, day: date) -> bool:
        """Take a portion from the day's limit, or what is needed; False: that is not left."""
        key = (account_id, wanted.subject)
        needed = wanted.messages - self._left_of(key, day)
        portion = max(needed, min(wanted.most // _PORTION, _LARGEST_PORTION))
        for amount in sorted({portion, needed}, reverse=True):
            async with self._pool.acquire() as conn:
                got = await take_quota(
                    conn, account_id, wanted.subject, day, amount=amount, most=wanted.most
                )
            if got:
                self._left[key] = (day, self._left_of(key, day) + amount)
                return True
        return False

    def _use(self, key: Subject, messages: int, day: date) -> bool:
        left = self._left_of(key, day)
        if left < messages:
            return False
        self._left[key] = (day, left - messages)
        return True

    def _left_of(self, key: Subject, day: date) -> int:
        since, left = self._left.get(key, (day, 0))
        return left if since == day else 0
