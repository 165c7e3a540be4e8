"""The client of a bench run, as a process of its own: many requests over a few connections.

It reads what to do as one line of JSON from standard input, makes every body, prints `ready`,
waits for another line, sends everything and prints the result as JSON. It speaks just enough
HTTP/1.1 to be cheap: the gateway is to be measured, not the client.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Generic, Protocol, TypeVar, cast

import msgspec
import uvloop

__all__ = [
    "Connection",
    "Job",
    "Result",
    "Run",
    "bodies_of",
    "body_of",
    "main",
    "numbers",
    "refused_numbers",
    "request_head",
]

# The simulator's three blocks; the last two digits 00-79 mean: delivered at once.
_BLOCKS = ("8190100", "668100", "8869100")
_DELIVERED = 80
_NUMBERS_OF_A_BLOCK = 1000 * _DELIVERED


class Job(msgspec.Struct):
    """What to send. per_request: destinations of one request; first: number of the first one;
    by_sms: to numbers that LINE refuses and an SMS reaches.
    """

    host: str
    port: int
    key: str
    senders: list[str]
    requests: int
    per_request: int
    connections: int
    first: int = 0
    by_sms: bool = False


class Result(msgspec.Struct):
    """What came of it. Times are seconds: of a steady clock (began, ended), of one request (p*)."""

    began: float
    ended: float
    accepted_requests: int
    answered_ids: int
    problem: str
    p50: float
    p99: float


def numbers(first: int) -> Iterator[str]:
    """Valid numbers of three countries, all delivered at once; different ones for 240,000."""
    place = first
    while True:
        index = place // len(_BLOCKS) % _NUMBERS_OF_A_BLOCK
        hundreds, rest = divmod(index, _DELIVERED)
        yield f"{_BLOCKS[place % len(_BLOCKS)]}{hundreds:03d}{rest:02d}"
        place += 1


def refused_numbers() -> Iterator[str]:
    """Valid numbers that LINE refuses (90) and the SMSC delivers to (0 before it)."""
    for place in count():
        tens = place // len(_BLOCKS) % 100
        yield f"{_BLOCKS[place % len(_BLOCKS)]}{tens:02d}090"


def bodies_of(job: Job) -> list[bytes]:
    """The requests, each of one sender in turn."""
    number = refused_numbers() if job.by_sms else numbers(job.first)
    made = []
    for index in range(job.requests):
        sender = job.senders[index % len(job.senders)]
        to = [next(number) for _ in range(job.per_request)]
        made.append(body_of(index, sender, to, by_sms=job.by_sms))
    return made


def body_of(index: int, sender: str, to: list[str], *, by_sms: bool) -> bytes:
    """One request: the `index`-th order's notification, to numbers; by_sms: with a failover."""
    message = {
        "sender": sender,
        "destinations": [{"to": number} for number in to],
        "content": _content(index),
    }
    if by_sms:
        message["options"] = {"smsFailover": {"text": "Your order has shipped"}}
    return msgspec.json.encode({"messages": [message]})


def request_head(host: str, port: int, key: str) -> bytes:
    """What stands before the length and the body of each request."""
    return (
        f"POST /line/1/messages HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: App {key}\r\nContent-Type: application/json\r\nContent-Length: "
    ).encode()


def _content(index: int) -> dict[str, object]:
    """A notification as shops send it: a heading, four rows, a button (1.3 KB)."""
    rows = {
        "Order": f"A-{index:07d}",
        "Carrier": "Yamato Transport",
        "Arrives": "tomorrow, 09:00-12:00",
        "Amount": "4,980 yen",
    }
    contents = [_row(name, value) for name, value in rows.items()]
    action = {"type": "URI", "label": "Track the parcel", "uri": "https://example.com/track"}
    bubble = {
        "type": "BUBBLE",
        "header": _box("VERTICAL", _text("Your order has shipped", weight="BOLD", size="lg")),
        "body": _box("VERTICAL", *contents, spacing="md"),
        "footer": _box("VERTICAL", {"type": "BUTTON", "style": "PRIMARY", "action": action}),
    }
    alt_text = f"Your order A-{index:07d} has shipped"
    return {"type": "LINE_NOTIFICATION", "altText": alt_text, "contents": bubble}


def _row(name: str, value: str) -> dict[str, object]:
    left = _text(name, color="#8C8C8C", size="sm", flex=2)
    return _box("HORIZONTAL", left, _text(value, size="sm", flex=5, wrap=True))


def _box(layout: str, *contents: object, **properties: object) -> dict[str, object]:
    return {"type": "BOX", "layout": layout, "contents": contents, **properties}


def _text(text: str, **properties: object) -> dict[str, object]:
    return {"type": "TEXT", "text": text, **properties}


Known = TypeVar("Known")


class Run(Protocol[Known]):
    """What the connections serve; Known: what it wants to be told again with an answer."""

    def take(self) -> tuple[bytes, Known] | None:
        """The next request; None: there is none."""

    def rest(self, connection: "Connection[Known]") -> None:
        """A connection found no request; it looks again when `send_next` is called."""

    def answered(self, answer: bytes, known: Known) -> None:
        """A request is answered."""

    def lost(self, connection: "Connection[Known]", known: Known | None, problem: str) -> None:
        """A connection is lost, and the request with it that it had; None: it was at rest."""


class Connection(asyncio.Protocol, Generic[Known]):
    """One kept-alive connection that takes the next request when the last is answered."""

    def __init__(self, run: Run[Known]) -> None:
        self._run = run
        self._received = b""
        self._length = -1
        self._known: Known | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection's other side."""
        # uvloop's transports are not asyncio's by class.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that it is gone."""
        problem = f"the connection ended: {error or 'closed by the server'}"
        self._run.lost(self, self._known, problem)

    def send_next(self) -> None:
        """Take a request, or rest until this is called again."""
        taken = self._run.take()
        if taken is None:
            self._run.rest(self)
        elif self._transport is not None:
            request, self._known = taken
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._received += data
        if self._length < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end].lower()
            at = head.index(b"content-length:") + 15
            self._length = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._received) >= self._length:
            answer, self._received, self._length = self._received, b"", -1
            known, self._known = self._known, None
            if known is not None:
                self._run.answered(answer, known)
            self.send_next()


class _Run:
    """All requests of a job, and what was answered."""

    def __init__(self, job: Job) -> None:
        self._job = job
        head = request_head(job.host, job.port, job.key)
        self._requests = [head + b"%d\r\n\r\n" % len(body) + body for body in bodies_of(job)]
        self._requests.reverse()
        self._to_answer = job.requests
        self._times: list[float] = []
        self._ids = 0
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def take(self) -> tuple[bytes, float] | None:
        return (self._requests.pop(), time.monotonic()) if self._requests else None

    def rest(self, connection: Connection[float]) -> None:
        """Nothing falls due any more."""

    def answered(self, answer: bytes, known: float) -> None:
        if not answer.startswith(b"HTTP/1.1 200"):
            self.stop(f"not accepted: {answer[:400].decode('utf-8', 'replace')}")
            return
        self._times.append(time.monotonic() - known)
        self._ids += answer.count(b'"messageId":')
        self._to_answer -= 1
        if self._to_answer == 0:
            self.stop("")

    def lost(self, connection: Connection[float], known: float | None, problem: str) -> None:
        """None is to be spared."""
        self.stop(problem)

    def stop(self, problem: str) -> None:
        if not self._over.done():
            self._over.set_result(problem)

    async def connect(self) -> list[Connection[float]]:
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Connection(self), self._job.host, self._job.port)
            for _ in range(self._job.connections)
        ]
        return [connection for _, connection in made]

    async def send_all(self, connections: list[Connection[float]]) -> Result:
        began = time.monotonic()
        for connection in connections:
            connection.send_next()
        problem = await self._over
        ended = time.monotonic()
        times = sorted(self._times) or [0.0]
        return Result(
            began,
            ended,
            accepted_requests=len(self._times),
            answered_ids=self._ids,
            problem=problem,
            p50=times[len(times) // 2],
            p99=times[len(times) * 99 // 100],
        )


async def main() -> None:
    """Do the one job that standard input tells."""
    run = _Run(msgspec.json.decode(sys.stdin.buffer.readline(), type=Job))
    connections = await run.connect()
    _say(b"ready")
    if sys.stdin.buffer.readline():
        _say(msgspec.json.encode(await run.send_all(connections)))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main())
