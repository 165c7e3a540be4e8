"""A way to the database that can be cut: whoever connects through it finds nobody there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

__all__ = ["Line", "line_to"]


class Line:
    """dsn: the database at the other end. It lets through until it is cut, and once mended."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        socket = f".s.PGSQL.{query.get('port', '5432')}"
        self._there = Path(query["host"]) / socket
        self._here = folder / socket
        self.dsn = urlunsplit(parts._replace(query=urlencode({**query, "host": str(folder)})))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        """Let through."""
        self._server = await asyncio.start_unix_server(self._carry, str(self._here))

    async def cut(self) -> None:
        """End what is connected and let nobody in."""
        if self._server is not None:
            self._server.close()
        self._here.unlink(missing_ok=True)
        for writer in [*self._open]:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._there))
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._open -= ends
            for each in ends:
                each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:  # it was cut
        return
    finally:
        writer.close()


@asynccontextmanager
async def line_to(dsn: str, folder: Path) -> AsyncIterator[Line]:
    """A line to a database that listens on a Unix socket; `folder` has a short path."""
    line = Line(dsn, folder)
    await line.mend()
    try:
        yield line
    finally:
        await line.cut()
