"""Passwords: argon2, beside the event loop, remembered briefly, and guessed only slowly.

A verification takes some 50 ms and 64 MB on purpose. So it runs in a thread of its own, equal ones
at the same time are one, and a password that was right is known again for a minute: by a keyed
digest, never by itself. Every guess is charged to the caller's address and to the user before it
is verified, so that many at once gain nothing. A password that is remembered passes whatever the
count, and guesses from where the user has logged in before are counted by themselves: who guesses
at a name from elsewhere cannot lock its owner out.

Source: RFC 9106 (argon2id, second recommended option: 64 MiB, t=3, p=4).
"""

import asyncio
import hmac
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from linegate.api.throttle import Throttle

__all__ = ["Passwords", "TooManyGuesses", "hash_password"]

_REMEMBERED_FOR = timedelta(seconds=60)
_REMEMBERED = 1000
_HOMES = 10_000
_WAITING = 100
_LONGEST = 1024  # characters of a password that is worth hashing
_HASHER = PasswordHasher()
# What is verified for a user that does not exist, so that the time says nothing.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5LW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


@dataclass(frozen=True, slots=True)
class TooManyGuesses:
    """Nothing was verified; retry_after: seconds."""

    retry_after: int


class Passwords:
    """Verifies passwords for one process."""

    def __init__(
        self,
        *,
        by_address: Throttle | None = None,
        by_user: Throttle | None = None,
    ) -> None:
        """Wrong ones a minute: 30 from one address, 10 for one user, unless given otherwise."""
        self._by_address = by_address or Throttle(30, timedelta(minutes=1))
        self._by_user = by_user or Throttle(10, timedelta(minutes=1))
        self._threads = ThreadPoolExecutor(2, "argon2")
        self._secret = os.urandom(32)
        self._right: dict[bytes, datetime] = {}
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[bool]] = {}

    async def are_right(
        self,
        name: str,
        password: str,
        *,
        stored: str | None,
        address: str | None,
        now: datetime,
    ) -> bool | TooManyGuesses:
        """Whether it is the password behind a stored hash.

        stored:  None for a user that does not exist: false, as slowly as for one that does.
        address: of the caller, as `plain_address` gives it.
        """
        mark = self._mark(stored or _NOBODY, password)
        known = self._right.get(mark)
        if known is not None and now - known < _REMEMBERED_FOR:
            return True
        asked = self._asked.get(mark)
        if asked is not None:
            return await asyncio.shield(asked)
        subnet = _subnet(address)
        whose = (name, subnet) if (name, subnet) in self._at_home else name
        wait = max(self._by_address.wait(subnet, now), self._by_user.wait(whose, now))
        if wait == 0 and len(self._asked) >= _WAITING:
            wait = 1
        if wait:
            return TooManyGuesses(wait)
        self._by_address.charge(subnet, now)
        self._by_user.charge(whose, now)
        if await asyncio.shield(self._verify(mark, stored or _NOBODY, password)):
            self._by_address.refund(subnet)
            self._by_user.refund(whose)
            self._remember(mark, now)
            self._know_home((name, subnet))
            return True
        return False

    def _mark(self, stored: str, password: str) -> bytes:
        """What stands for a password here; with the stored hash, so that a new one ends it."""
        return hmac.digest(self._secret, f"{stored}\0{password}".encode(), "sha256")

    def _verify(self, mark: bytes, stored: str, password: str) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, _is_right, stored, password)
        self._asked[mark] = work
        work.add_done_callback(lambda _: self._asked.pop(mark, None))
        return work

    def _remember(self, mark: bytes, now: datetime) -> None:
        self._right[mark] = now
        while len(self._right) > _REMEMBERED:
            del self._right[next(iter(self._right))]

    def _know_home(self, home: tuple[str, str]) -> None:
        """Remember from where a user logs in."""
        self._at_home[home] = None
        self._at_home.move_to_end(home)
        if len(self._at_home) > _HOMES:
            self._at_home.popitem(last=False)


def hash_password(password: str) -> str:
    """What is stored of a password; takes some 50 ms."""
    return _HASHER.hash(password)


def _is_right(stored: str, password: str) -> bool:
    if len(password) > _LONGEST:
        return False
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _subnet(address: str | None) -> str:
    """Whom to charge: one IPv4 address, or the /64 that one IPv6 customer has for itself."""
    if address is None:
        return ""
    if isinstance(ip_address(address), IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return address
