"""A server that misbehaves exactly as told, on raw streams: no HTTP library decides for it.

Each connection is given to one behaviour, a coroutine that reads and writes as
it likes; when it returns, the connection is closed. The server counts what it
was sent, so that a test can say how often a request arrived.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

__all__ = ["Behaviour", "Connection", "FaultServer", "Received", "answering", "serving"]


@dataclass(frozen=True, slots=True)
class Received:
    """One whole request: its first line, its headers in lower case, its body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class FaultServer:
    """What has come in so far."""

    url: str = ""
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """One connection, from the server's side."""

    def __init__(
        self,
        server: FaultServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def read_request(self) -> Received:
        """Read one request whole and count it."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)
        }
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(line, headers, body)
        self.server.requests.append(received)
        self.server.arrived.set()
        return received

    async def send(self, data: bytes) -> None:
        """Write these bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, code: int = 200, body: bytes = b"{}", *headers: str) -> None:
        """Write one correct answer."""
        head = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers]
        await self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    async def hold(self) -> None:
        """Say nothing more until the other side leaves."""
        await self.reader.read()
        self.server.left.set()

    def reset(self) -> None:
        """Make the close that follows a reset."""
        opened = self.writer.get_extra_info("socket")
        opened.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


Behaviour = Callable[[Connection], Awaitable[None]]


def answering(code: int = 200, body: bytes = b"{}", *headers: str) -> Behaviour:
    """A server that answers every request alike and keeps its connections."""

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.answer(code, body, *headers)

    return behave


@asynccontextmanager
async def serving(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultServer]:
    """Serve on a free port of 127.0.0.1 until the block is left."""
    server = FaultServer()
    running: set[asyncio.Task[None]] = set()
    opened: list[asyncio.StreamWriter] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            await behave(Connection(server, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            server.left.set()  # the other side left while we read or wrote
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        task = asyncio.create_task(run(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(running):
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        for writer in opened:
            writer.transport.abort()  # a close would wait for a reader that may be gone
        await asyncio.sleep(0)  # the aborts take effect in the loop's next turn
        await listener.wait_closed()
        # A mistake in a behaviour must fail the test and not only the connection.
        for error in ended:
            if isinstance(error, Exception):
                raise error
