"""One bound session over one TCP or TLS connection, from bind to its end.

Knows frames, sequence numbers and the window; nothing of texts or outcomes. A submit that was
written and never answered ends as `Lost`, one that was never written as `NotSent`: the difference
decides whether the message may be sent again without a second thought.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import smpp34

from linegate.sms.smpp.answers import OK
from linegate.sms.smpp.pdu import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    HEADER,
    LONGEST,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    Header,
    bind_body,
    first_string,
    frame,
)

__all__ = ["Answered", "Lost", "NotSent", "Session", "SubmitResult"]

_LAST_SEQUENCE = 0x7FFFFFFF
_RECEIPTS_AT_ONCE = 500
_INVALID_COMMAND = 0x03
_PERMANENT = 0x65  # ESME_RX_P_APPN: do not repeat what cannot be read
_GOODBYE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Answered:
    """The SMSC answered. message_id: its own, empty unless status is 0."""

    status: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Written, and never answered: nobody knows."""

    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Never written."""

    why: str


SubmitResult = Answered | Lost | NotSent


class _Ended(Exception):  # noqa: N818 - an end is not always an error
    """Ends the session's tasks; the text says why."""


class Session:
    """A connection to an SMSC.

    window:           submits written and not answered, at most.
    enquire_every:    seconds of silence before we ask whether the other side lives.
    response_timeout: seconds to wait for any answer.
    deliver:          takes a deliver_sm and gives the status to answer with, once that is right.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        window: int,
        enquire_every: float,
        response_timeout: float,
        deliver: Callable[[smpp34.DeliverSm], Awaitable[int]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._places = asyncio.Semaphore(window)
        self._enquire_every = enquire_every
        self._response_timeout = response_timeout
        self._deliver = deliver
        self._sequence = 0
        self._pending: dict[int, asyncio.Future[Answered | Lost]] = {}
        self._receipts = asyncio.Semaphore(_RECEIPTS_AT_ONCE)
        self._heard_at = asyncio.get_running_loop().time()
        self._over = ""

    async def bind(self, system_id: str, password: str, system_type: str) -> Answered | Lost:
        """Bind as a transceiver. To be called once, before `run`."""
        body = bind_body(system_id, password, system_type)
        self._writer.write(frame(BIND_TRANSCEIVER, self._next_sequence(), body))
        try:
            async with asyncio.timeout(self._response_timeout):
                header, answer = await self._read_unit()
        except (OSError, EOFError, TimeoutError, _Ended) as error:
            return Lost(f"no answer to the bind: {error or type(error).__name__}")
        if header.command not in (BIND_TRANSCEIVER | RESPONSE, GENERIC_NACK):
            return Lost(f"command 0x{header.command:08x} instead of an answer to the bind")
        return Answered(header.status, first_string(answer))

    async def run(self) -> str:
        """Read and keep alive until the session ends; gives why. Cancelled: says goodbye first."""
        why = "closed"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(group))
                group.create_task(self._keep_alive())
        except* _Ended as ended:
            why = str(ended.exceptions[0])
        except* OSError as broken:
            why = f"connection broken: {type(broken.exceptions[0]).__name__}"
        finally:
            self._end(why)
            self._writer.close()
        return why

    async def unbind(self) -> None:
        """Take no more submits and say goodbye; what is unanswered by then is lost."""
        if self._over:
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._request(UNBIND)
        self._end("unbound")
        self._writer.close()

    @property
    def unanswered(self) -> int:
        """How many sequence numbers wait for an answer."""
        return len(self._pending)

    async def submit(self, body: bytes) -> SubmitResult:
        """Write a submit_sm when the window has a place, and wait for its answer."""
        try:
            async with self._places:
                if self._over:
                    return NotSent(self._over)
                answer = await self._request(SUBMIT_SM, body)
        except OSError as error:
            return Lost(f"connection broken: {type(error).__name__}")
        except TimeoutError:
            return Lost(f"no answer within {self._response_timeout:g} s")
        return answer

    async def _request(self, command: int, body: bytes = b"") -> Answered | Lost:
        """Raises: TimeoutError, OSError."""
        sequence = self._next_sequence()
        waiting: asyncio.Future[Answered | Lost] = asyncio.get_running_loop().create_future()
        self._pending[sequence] = waiting
        try:
            async with asyncio.timeout(self._response_timeout):
                self._writer.write(frame(command, sequence, body))
                await self._writer.drain()
                return await waiting
        finally:
            del self._pending[sequence]

    def _next_sequence(self) -> int:
        """The next number that waits for no answer."""
        while True:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            if self._sequence not in self._pending:
                return self._sequence

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silent_for = loop.time() - self._heard_at
            if silent_for < self._enquire_every:
                await asyncio.sleep(self._enquire_every - silent_for)
                continue
            try:
                await self._request(ENQUIRE_LINK)
            except TimeoutError:
                raise _Ended("the SMSC does not answer enquire_link") from None

    async def _read_unit(self) -> tuple[Header, bytes]:
        header = Header.read(await self._reader.readexactly(HEADER))
        if not HEADER <= header.length <= LONGEST:
            raise _Ended(f"a unit of {header.length} bytes")
        return header, await self._reader.readexactly(header.length - HEADER)

    async def _read(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                header, body = await self._read_unit()
            except EOFError:
                raise _Ended("the SMSC closed the connection") from None
            self._heard_at = asyncio.get_running_loop().time()
            if header.command & RESPONSE:
                self._answered(header, body)
            elif header.command == DELIVER_SM:
                await self._receipts.acquire()  # not read on: the SMSC sees our pace
                group.create_task(self._delivered(header, body))
            else:
                self._asked(header)

    def _answered(self, header: Header, body: bytes) -> None:
        waiting = self._pending.get(header.sequence)
        if waiting is not None and not waiting.done():
            waiting.set_result(Answered(header.status, first_string(body)))

    async def _delivered(self, header: Header, body: bytes) -> None:
        """Answer a deliver_sm; only what is on disk gets ESME_ROK."""
        try:
            raw = frame(DELIVER_SM, header.sequence, body)
            try:
                delivery = smpp34.decode(raw)
            except smpp34.SmppError:
                status = _PERMANENT
            else:
                assert isinstance(delivery, smpp34.DeliverSm)
                status = await self._deliver(delivery)
            self._respond(DELIVER_SM, header.sequence, b"\0", status)
        finally:
            self._receipts.release()

    def _asked(self, header: Header) -> None:
        if header.command == ENQUIRE_LINK:
            self._respond(ENQUIRE_LINK, header.sequence)
        elif header.command == UNBIND:
            self._respond(UNBIND, header.sequence)
            raise _Ended("the SMSC unbound")
        else:
            nack = frame(GENERIC_NACK, header.sequence, status=_INVALID_COMMAND)
            self._writer.write(nack)

    def _respond(self, command: int, sequence: int, body: bytes = b"", status: int = OK) -> None:
        self._writer.write(frame(command | RESPONSE, sequence, body, status=status))

    def _end(self, why: str) -> None:
        self._over = self._over or why
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_result(Lost(why))
