"""Names to addresses, so that a name without an answer keeps nobody else waiting.

The system's look-up blocks a thread for as long as the name servers are silent (10 s and more),
and nothing can end it. An event loop runs look-ups on a handful of threads (uvloop on four), so a
few dead names would stop every connection that begins with a name. Here each name that is being
looked up has a thread of its own, and everybody who waits for it waits on that one.
"""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["LookUp", "Resolver"]

_AT_ONCE = 512
_PATIENCE = timedelta(seconds=10)
_FLAGS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

LookUp = Callable[[str, int], list[tuple[Any, ...]]]
"""Blocks until the addresses of a name in a family are known, as `getaddrinfo` gives them.

Raises: OSError; ValueError for what is no name.
"""

_Key = tuple[str, int]
_Found = list[tuple[Any, ...]]


def _by_system(host: str, family: int) -> _Found:
    return socket.getaddrinfo(
        host, 0, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )


class Resolver(AbstractResolver):
    """Looks names up on threads of its own; for aiohttp's connector and for our own connections.

    patience: how long one caller waits; the look-up itself goes on, and who asks for the same name
              meanwhile joins it. So a silent name server holds one thread a name.
    at_once:  most names that are looked up at the same time.
    """

    def __init__(
        self,
        *,
        patience: timedelta = _PATIENCE,
        at_once: int = _AT_ONCE,
        look_up: LookUp = _by_system,
    ) -> None:
        self._patience = patience.total_seconds()
        self._at_once = at_once
        self._look_up = look_up
        self._running: dict[_Key, asyncio.Future[_Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name, in the order to try them.

        Raises: OSError where there are none, no answer came in time or too many others wait.
        """
        key = (host, int(family))
        running = self._running.get(key)
        if running is None:
            if len(self._running) >= self._at_once:
                raise OSError(errno.EAGAIN, "too many names are being looked up")
            running = self._start(key)
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.shield(running)
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, "no name server answers") from None
        return [_result(host, port, each) for each in found]

    async def close(self) -> None:
        """Nothing to wait for: the threads end with the process."""

    def _start(self, key: _Key) -> asyncio.Future[_Found]:
        loop = asyncio.get_running_loop()
        running: asyncio.Future[_Found] = loop.create_future()
        running.add_done_callback(lambda done: self._ended(key, done))

        def work() -> None:
            found: _Found | Exception = OSError("the look-up broke")
            try:
                found = self._look_up(*key)
            except (OSError, ValueError) as error:
                found = error
            finally:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_settle, running, found)

        # A daemon, or the process could not end before the name servers answer.
        thread = threading.Thread(target=work, name="look-up", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine gives no more
            raise OSError(errno.EAGAIN, "no thread to look the name up") from error
        self._running[key] = running
        return running

    def _ended(self, key: _Key, done: asyncio.Future[_Found]) -> None:
        self._running.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, since whoever waited may have gone


def _settle(running: asyncio.Future[_Found], found: _Found | Exception) -> None:
    if running.done():
        return
    if isinstance(found, Exception):
        running.set_exception(found)
    else:
        running.set_result(found)


def _result(host: str, port: int, found: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, address = found
    numeric = str(address[0])
    if family == socket.AF_INET6 and address[3] and "%" not in numeric:
        numeric = f"{numeric}%{address[3]}"  # link-local: of no use without its interface
    return ResolveResult(
        hostname=host, host=numeric, port=port, family=family, proto=protocol, flags=_FLAGS
    )
