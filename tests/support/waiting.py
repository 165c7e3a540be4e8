"""Waiting for what another task or process does, with a bound and never longer than needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["until"]

Answer = TypeVar("Answer")


async def until(
    check: Callable[[], Awaitable[Answer]], *, within: float = 15.0, every: float = 0.01
) -> Answer:
    """The first true answer of `check`; the test fails with the last one after `within` seconds."""
    ends_at = time.monotonic() + within
    while not (answer := await check()):
        if time.monotonic() >= ends_at:
            raise AssertionError(f"not within {within} s: the last answer was {answer!r}")
        await asyncio.sleep(every)
    return answer
