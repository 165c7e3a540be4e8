"""A collector that takes all traces and counts the calls: what tracing costs is ours alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from receiver import Taking

__all__ = ["Collector", "collecting"]

_QUIET_FOR = 3.0  # seconds without a call: nothing is left to tell
_GIVEN_UP_AFTER = 120.0


@dataclass(slots=True)
class Collector:
    """What has come in."""

    url: str
    calls: int = 0
    size: int = 0

    async def is_quiet(self) -> None:
        """Return when nothing has come for three seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _GIVEN_UP_AFTER
        while loop.time() < until:
            before = self.calls
            await asyncio.sleep(_QUIET_FOR)
            if self.calls == before:
                return


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Take OTLP over HTTP on a free port while the block runs."""
    made = Collector("")

    def note(body: bytes) -> None:
        made.calls += 1
        made.size += len(body)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Taking(note), "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
