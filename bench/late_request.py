"""A request to LINE that was given up does not arrive when the network comes back.

Two machines of network namespaces (root and iproute2): the cable is pulled out while a request is
on its way, and put in again after linegate has stopped waiting. By default the kernel would go on
trying, and LINE get a message that another worker has sent long ago. Ends with 1 if one arrives.
"""

import asyncio
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from machines import Machine, enter, machines

from linegate.line.client import LineClient, Timeouts

_PORT = 9000
_WAIT = Timeouts(total=timedelta(seconds=1), connect=timedelta(seconds=0.5))
_AWAY = 2.0  # seconds; then the kernel's next tries would come after 3.0 and 6.2
_LONGER = 5.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Line:
    """A server that answers everything and keeps the tags of what came."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.writers.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, OSError):
                return
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
            found = {name.lower(): value for name, value in fields.items()}
            await reader.readexactly(int(found["content-length"]))
            self.tags.append(found["x-line-delivery-tag"])
            writer.write(_ANSWER)
            await writer.drain()


async def push(client: LineClient, tag: str) -> str:
    """Send one message; its outcome."""
    outcome = await client.push(
        token="t",  # noqa: S106
        to_hash="0" * 64,
        message_json=b"{}",
        tag=tag,
        templated=False,
    )
    return outcome.kind.value


async def serve() -> None:
    """Be LINE until standard input ends, then say what came."""
    line = Line()
    server = await asyncio.start_server(line.take, "0.0.0.0", _PORT)  # noqa: S104 - a namespace
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    for writer in line.writers:
        writer.close()
    await asyncio.sleep(0.1)  # for those who serve them to see it
    sys.stdout.write(" ".join(line.tags) + "\n")


async def ask(line: Machine, ours: Machine, log: Path) -> bool:
    """Send before, while and after the network is away; whether all is as it must be."""
    process = await line.start(
        *(sys.executable, __file__, "serve"), env=os.environ, log=log, piped=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    url = f"http://{line.address}:{_PORT}"
    async with LineClient(url, timeouts=_WAIT) as client:
        outcomes = [await push(client, "before")]
        ours.cut()
        outcomes.append(await push(client, "lost"))
        await asyncio.sleep(_AWAY - _WAIT.total.total_seconds())
        ours.heal()
        await asyncio.sleep(_LONGER)
        outcomes.append(await push(client, "after"))
    process.stdin.close()
    came = (await process.stdout.read()).decode().split()
    await process.wait()
    sys.stdout.write(f"outcomes: {', '.join(outcomes)}; LINE got: {', '.join(came)}\n")
    return outcomes == ["accepted", "unknown", "accepted"] and came == ["before", "after"]


def main() -> int:
    """Run; 0 if nothing came late."""
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return 0
    with tempfile.TemporaryDirectory() as folder, machines(("line", "ours")) as made:
        enter(made["ours"])
        log = Path(folder) / "line.log"
        well = asyncio.run(ask(made["line"], made["ours"], log))
        if not well:
            sys.stdout.write(log.read_text())
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
