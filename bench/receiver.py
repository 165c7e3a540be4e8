"""Receivers of delivery reports, as a process of its own: one port takes, one never answers.

Prints `{"takes": PORT, "hangs": PORT}` and then, for each line it reads, how many reports it has
taken. It speaks just enough HTTP/1.1 to be cheap: the pusher is to be measured.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class _Taking(asyncio.Protocol):
    """Counts reports; answers each request when it is whole."""

    taken = 0

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            _Taking.taken += self._buffer.count(b'"messageId"', end, whole)
            del self._buffer[:whole]
            if self._transport is not None:
                self._transport.write(_ANSWER)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    takes = await loop.create_server(_Taking, "127.0.0.1", 0)
    hangs = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (takes, hangs)]
    _say(json.dumps({"takes": ports[0], "hangs": ports[1]}))
    while await loop.run_in_executor(None, sys.stdin.readline):
        _say(str(_Taking.taken))


if __name__ == "__main__":
    uvloop.run(_serve())
