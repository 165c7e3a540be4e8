"""Receivers of delivery reports, as a process of its own: one port takes, one never answers.

Prints `{"takes": PORT, "hangs": PORT}` and then, for each line it reads, how many reports it has
taken. It speaks just enough HTTP/1.1 to be cheap: the pusher is to be measured.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import cast

import uvloop

__all__ = ["Taking"]

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Taking(asyncio.Protocol):
    """Hands the body of each request to `note` and answers it when it is whole."""

    def __init__(self, note: Callable[[bytes], None]) -> None:
        self._note = note
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection's other side."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            self._note(bytes(self._buffer[end + 4 : whole]))
            del self._buffer[:whole]
            if self._transport is not None:
                self._transport.write(_ANSWER)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _serve() -> None:
    loop, taken = asyncio.get_running_loop(), 0

    def note(body: bytes) -> None:
        nonlocal taken
        taken += body.count(b'"messageId"')

    takes = await loop.create_server(lambda: Taking(note), "127.0.0.1", 0)
    hangs = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (takes, hangs)]
    _say(json.dumps({"takes": ports[0], "hangs": ports[1]}))
    while await loop.run_in_executor(None, sys.stdin.readline):
        _say(str(taken))


if __name__ == "__main__":
    uvloop.run(_serve())
