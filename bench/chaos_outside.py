"""What stands outside of linegate and fails on demand: endpoints, a way to the SMSC, name servers.

They run in the process of the bench, on loopback, and count what reaches them.
"""

import asyncio
import socket
import time
from collections import Counter, defaultdict

import msgspec
from aiohttp import web

__all__ = ["NameServer", "Receiver", "Relay"]

_SERVFAIL = 2
_A, _IN = 1, 1


class _Report(msgspec.Struct, rename="camel"):
    message_id: str


class _Reports(msgspec.Struct):
    results: list[_Report]


_decode = msgspec.json.Decoder(_Reports).decode


class Receiver:
    """All clients' report endpoints, one path each: `/ACCOUNT/ENDPOINT`.

    by_account: how often each message was reported; first_at: when first, by the steady clock, for
    the accounts in `timed`; by_path: reports of one endpoint; back_at: its first one since `open`.
    """

    def __init__(self, *timed: str) -> None:
        """Begin closed."""
        self.by_account: dict[str, Counter[str]] = defaultdict(Counter)
        self.first_at: dict[str, float] = {}
        self.by_path: Counter[str] = Counter()
        self.back_at: dict[str, float] = {}
        self.port = 0
        self._timed = timed
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self.back_at.clear()
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/{account}/{endpoint}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def close(self) -> None:
        """Refuse connections, and end those there are."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        reports = _decode(await request.read()).results
        now = time.monotonic()
        account = request.match_info["account"]
        self.by_path[request.path] += len(reports)
        self.back_at.setdefault(request.path, now)
        if account == "crowd":  # a million ids are not kept
            return web.Response()
        self.by_account[account].update(each.message_id for each in reports)
        if account in self._timed:
            for each in reports:
                self.first_at.setdefault(each.message_id, now)
        return web.Response()


class Relay:
    """A TCP way to a port of this machine that can be cut and mended."""

    def __init__(self, target: int) -> None:
        """Lead to this port; closed at first."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            writer.close()
            far_writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the other direction ends with it
    writer.transport.abort()


class NameServer(asyncio.DatagramProtocol):
    """Says 127.0.0.1 of every name, but nothing of `silent` ones and SERVFAIL of `failing` ones.

    silent, failing: how such names end; ("",) means all. asked: queries by name.
    Source: RFC 1035, sections 4.1 and 3.4.1.
    """

    def __init__(self) -> None:
        """Answer everything."""
        self.silent: tuple[str, ...] = ()
        self.failing: tuple[str, ...] = ()
        self.asked: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen where resolv.conf of our own namespace says."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 53))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go through."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one query, or not."""
        name, end = _name_of(data)
        self.asked[name] += 1
        if self._transport is None or name.endswith(self.silent):
            return
        self._transport.sendto(_answer(data, end, fails=name.endswith(self.failing)), addr)


def _name_of(query: bytes) -> tuple[str, int]:
    """The first question's name, and where the question ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels).lower(), at + 5


def _answer(query: bytes, end: int, *, fails: bool) -> bytes:
    kind = int.from_bytes(query[end - 4 : end - 2], "big")
    found = kind == _A and not fails
    flags = 0x8180 | (_SERVFAIL if fails else 0)
    counts = b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
    head = query[:2] + flags.to_bytes(2, "big") + counts
    record = b"\xc0\x0c" + _A.to_bytes(2, "big") + _IN.to_bytes(2, "big") + (1).to_bytes(4, "big")
    address = record + b"\0\4" + socket.inet_aton("127.0.0.1")
    return head + query[12:end] + (address if found else b"")
