"""A client that sends at a steady rate and takes the reports, as a process of its own.

It prints `{"reports": URL}`, reads what to do as one line of JSON, and then prints a line of
figures for each window until standard input ends; then it waits for the last reports and prints
the books. A request falls due by the clock whether or not the last one is answered, and its time
counts from then: a gateway that stands still cannot hide behind a client that waits for it.
"""

import asyncio
import re
import sys
import time
from collections import deque
from dataclasses import dataclass

import msgspec
import uvloop
from load import Connection, body_of, numbers, refused_numbers, request_head
from receiver import Taking

__all__ = ["Books", "Steady", "Told", "Window"]

_CONNECTIONS = 32
_TICK = 0.005
_STALLED_AFTER = 90  # seconds without a report, at the end
_ids_of = re.compile(rb'"messageId":"([0-9a-f]{16})"').findall


@dataclass(frozen=True, slots=True)
class _Stream:
    """Requests of one kind. share: of the messages; per_request: destinations of one."""

    name: str
    share: float
    per_request: int
    by_sms: bool = False


_STREAMS = (
    _Stream("bulk", 0.7, 100),
    _Stream("single", 0.2, 1),
    _Stream("sms", 0.1, 10, by_sms=True),
)


_Sent = tuple[_Stream, float]
"""A request's kind, and when it fell due."""


class Told(msgspec.Struct):
    """What to do; told again while it runs, its rate, cap and window count from then.

    rate:         messages a second.
    most_waiting: hold back while so many are unreported.
    window:       seconds of one line of figures.
    """

    host: str
    port: int
    key: str
    senders: list[str]
    rate: float
    most_waiting: int
    window: float


class Window(msgspec.Struct):
    """What happened in one window. Times in seconds, 50 % and 99 %, by kind of request:
    answers: from due to answered; reports: from due to the delivery report.
    """

    seconds: float
    accepted: int
    reported: int
    waiting: int
    answers: dict[str, tuple[float, float]]
    reports: dict[str, tuple[float, float]]


class Books(msgspec.Struct):
    """The end of it. lost: accepted and never reported; twice: reported twice or never accepted."""

    accepted: int
    reported: int
    lost: int
    twice: int
    refused: int
    problem: str


class Steady:
    """Sends what is due over a few connections and notes what comes back."""

    def __init__(self, told: Told) -> None:
        """Begin now."""
        self.told = told
        self.books = Books(0, 0, 0, 0, 0, "")
        self._head = request_head(told.host, told.port, told.key)
        self._numbers = {False: numbers(0), True: refused_numbers()}
        self._made = 0
        self._due: deque[tuple[_Stream, float]] = deque()
        self._next = dict.fromkeys(_STREAMS, time.monotonic())
        self._under_way = 0
        self._unanswered = 0  # messages that fell due and have no answer yet
        self._waiting: dict[bytes, _Sent] = {}
        self._early: dict[bytes, float] = {}
        self._missing, self._failed = 0, ""
        self._resting: deque[Connection[_Sent]] = deque()  # the longest at rest first
        self._answers: dict[str, list[float]] = {}
        self._reports: dict[str, list[float]] = {}
        self._before = (time.monotonic(), 0, 0)

    async def connect(self) -> None:
        """Open the connections."""
        for _ in range(_CONNECTIONS):
            await self._open()

    async def _open(self) -> None:
        loop, told = asyncio.get_running_loop(), self.told
        _, connection = await loop.create_connection(lambda: Connection(self), told.host, told.port)
        self._resting.append(connection)

    def begin(self, told: Told) -> None:
        """Go on at another rate, from now."""
        self.told = told
        self._next = dict.fromkeys(_STREAMS, time.monotonic())

    async def run(self) -> None:
        """Send what falls due until cancelled. Raises: ConnectionError for a lost request."""
        while True:
            if self._failed:
                raise ConnectionError(self._failed)
            for _ in range(self._missing):
                await self._open()
            self._missing = 0
            now = time.monotonic()
            for stream in _STREAMS:
                every = stream.per_request / (stream.share * self.told.rate)
                while self._next[stream] <= now:
                    if len(self._waiting) + self._unanswered < self.told.most_waiting:
                        self._due.append((stream, self._next[stream]))
                        self._unanswered += stream.per_request
                    self._next[stream] += every
            while self._due and self._resting:
                self._resting.popleft().send_next()
            await asyncio.sleep(_TICK)

    def take(self) -> tuple[bytes, _Sent] | None:
        """The request that has waited longest."""
        if not self._due:
            return None
        stream, due = self._due.popleft()
        self._under_way += 1
        self._made += 1
        number = self._numbers[stream.by_sms]
        to = [next(number) for _ in range(stream.per_request)]
        sender = self.told.senders[self._made % len(self.told.senders)]
        body = body_of(self._made, sender, to, by_sms=stream.by_sms)
        return self._head + b"%d\r\n\r\n" % len(body) + body, (stream, due)

    def answered(self, answer: bytes, known: _Sent) -> None:
        """Note the ids of a request, or that it was refused."""
        self._under_way -= 1
        stream, due = known
        self._unanswered -= stream.per_request
        if not answer.startswith(b"HTTP/1.1 200"):
            self.books.refused += 1
            self.books.problem = answer[:400].decode("utf-8", "replace")
            return
        self._answers.setdefault(stream.name, []).append(time.monotonic() - due)
        for id_ in _ids_of(answer):
            self.books.accepted += 1
            early = self._early.pop(id_, None)
            if early is None:
                self._waiting[id_] = known
            else:
                self._reports.setdefault(stream.name, []).append(early - due)

    def reported(self, body: bytes) -> None:
        """Note delivery reports; one may come before its request's answer is read."""
        now = time.monotonic()
        for id_ in _ids_of(body):
            self.books.reported += 1
            known = self._waiting.pop(id_, None)
            if known is not None:
                self._reports.setdefault(known[0].name, []).append(now - known[1])
            elif id_ in self._early:
                self.books.twice += 1
            else:
                self._early[id_] = now

    def rest(self, connection: Connection[_Sent]) -> None:
        """A connection has nothing to send."""
        self._resting.append(connection)

    def lost(self, connection: Connection[_Sent], known: _Sent | None, problem: str) -> None:
        """One at rest is opened anew; one with a request under way fails the run."""
        if known is None and connection in self._resting:
            self._resting.remove(connection)
            self._missing += 1
        else:
            self._failed = problem

    def window(self) -> Window:
        """The figures since the last call."""
        now, books = time.monotonic(), self.books
        since, accepted, reported = self._before
        self._before = (now, books.accepted, books.reported)
        shown = Window(
            seconds=now - since,
            accepted=books.accepted - accepted,
            reported=books.reported - reported,
            waiting=len(self._waiting),
            answers={kind: _middle_and_end(found) for kind, found in self._answers.items()},
            reports={kind: _middle_and_end(found) for kind, found in self._reports.items()},
        )
        self._answers, self._reports = {}, {}
        return shown

    async def end(self) -> Books:
        """Wait for what is still owed; gives the books."""
        seen, seen_at = -1, time.monotonic()
        while (self._waiting or self._under_way) and time.monotonic() - seen_at < _STALLED_AFTER:
            if self.books.reported != seen:
                seen, seen_at = self.books.reported, time.monotonic()
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)  # a report too many would come now
        self.books.lost = len(self._waiting)
        self.books.twice += len(self._early)
        return self.books


def _middle_and_end(found: list[float]) -> tuple[float, float]:
    found.sort()
    return found[len(found) // 2], found[len(found) * 99 // 100]


async def main() -> None:
    """Do what standard input tells until it ends."""
    loop = asyncio.get_running_loop()
    steady: list[Steady] = []
    server = await loop.create_server(lambda: Taking(steady[0].reported), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _say({"reports": f"http://127.0.0.1:{port}/reports"})
    told = msgspec.json.decode(await _line(), type=Told)
    steady.append(Steady(told))
    await steady[0].connect()
    running = asyncio.ensure_future(steady[0].run())
    reading = asyncio.ensure_future(_line())
    while True:
        done, _ = await asyncio.wait(
            [reading, running], timeout=told.window, return_when=asyncio.FIRST_COMPLETED
        )
        if running in done:
            await running  # it ends only by failing
        _say(steady[0].window())
        if not done:
            continue
        if not (line := reading.result()):
            break
        told = msgspec.json.decode(line, type=Told)
        steady[0].begin(told)
        reading = asyncio.ensure_future(_line())
    running.cancel()
    _say(await steady[0].end())


async def _line() -> bytes:
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.readline)


def _say(shown: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(shown) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main())
