"""A simulated SMSC: an SMPP 3.4 server whose answers and receipts the number chooses.

Takes transceivers, answers submits, sends receipts and repeats those that are not taken. Its ids
are hexadecimal in answers and decimal in receipts, which is the harder of the usual ways.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import smpp34

from linegate.simulator.handset import Handsets
from linegate.simulator.smsc_fates import DELIVERED, SMS_SWITCHES, SmsFate, sms_fate_of

__all__ = ["Smsc", "SmscSettings"]

_LAYOUT = struct.Struct(">IIII")
_NACK, _SUBMIT, _DELIVER, _UNBIND, _BIND, _ENQUIRE = 0x80000000, 4, 5, 6, 9, 0x15
_RESPONSE = 0x80000000
_OK, _BAD_COMMAND, _BAD_STATE, _BAD_PASSWORD = 0, 3, 4, 0x0E
_UDH = 0x40
_RECEIPT = 0x04
_LONGEST = 70_000
_LOST = -1


@dataclass(frozen=True, slots=True)
class SmscSettings:
    """delay_factor multiplies every delay; repeat_after: seconds until a refused receipt comes
    again; wall: seconds since 1970. Empty system_id: any user and password bind.
    """

    system_id: str = ""
    password: str = field(default="", repr=False)
    delay_factor: float = 1.0
    repeat_after: float = 1.0
    wall: Callable[[], float] = field(default=time.time, repr=False)


class Smsc:
    """The server. `phones` is what the recipients see, `counts` what happened.

    Receipts outlive connections: what no client has taken comes again to the next that binds.
    """

    def __init__(self, settings: SmscSettings | None = None) -> None:
        self.settings = settings or SmscSettings()
        self.phones = Handsets()
        self.counts: Counter[str] = Counter()
        self.switch: SmsFate | None = None
        self._ids = count(0xA0B0C0D)
        self._seen: set[str] = set()
        self._links: set[_Link] = set()
        self._receipts: set[asyncio.Task[None]] = set()
        self._somebody_bound = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listening: socket.socket | None = None,
    ) -> int:
        """Listen, on a socket that listens already or a new one; gives the port.

        Raises: OSError if it is taken.
        """
        if listening is None:
            listening = socket.create_server((host, port))
        self.adopt(await asyncio.start_server(self.serve, sock=listening))
        assert self._server is not None
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def adopt(self, server: asyncio.Server) -> None:
        """Stop this server, which calls `serve`, together with us."""
        self._server = server

    async def stop(self) -> None:
        """Close every connection without a word, as a crash would, and listen no more."""
        if self._server is not None:
            self._server.close()
            for link in tuple(self._links):
                await link.close()
            await self._server.wait_closed()
            self._server = None

    async def close(self) -> None:
        """Stop for good: receipts that nobody took are forgotten."""
        await self.stop()
        for task in tuple(self._receipts):
            task.cancel()
        await asyncio.gather(*self._receipts, return_exceptions=True)

    def set_switch(self, name: str) -> None:
        """One fate for every submit, or `normal`. Raises: KeyError for an unknown name."""
        self.switch = SMS_SWITCHES[name]

    def fate_of(self, number: str) -> SmsFate:
        """What happens to this submit for the number."""
        fate = self.switch or sms_fate_of(number)
        if fate.once:
            if number in self._seen:
                return DELIVERED
            self._seen.add(number)
        return fate

    def next_id(self) -> int:
        """The next message's id."""
        return next(self._ids)

    def bound(self) -> None:
        """A client has bound: receipts that waited go out."""
        self._somebody_bound.set()

    def send_receipts(self, user: str, submit: smpp34.SubmitSm, id_: int, fate: SmsFate) -> None:
        """Send the receipts of one submit to its user, when their time has come."""
        task = asyncio.create_task(self._send_receipts(user, submit, id_, fate))
        self._receipts.add(task)
        task.add_done_callback(self._receipts.discard)

    def watch(self, user: str, answer: asyncio.Future[int], receipt: bytes) -> None:
        """Send an early receipt again as any other if nobody takes it."""
        task = asyncio.create_task(self._watch(user, answer, receipt))
        self._receipts.add(task)
        task.add_done_callback(self._receipts.discard)

    async def _watch(self, user: str, answer: asyncio.Future[int], receipt: bytes) -> None:
        taken = await answer == _OK
        while not taken:
            await asyncio.sleep(self.settings.repeat_after)
            taken = await self._send(user, receipt)

    async def _send_receipts(
        self, user: str, submit: smpp34.SubmitSm, id_: int, fate: SmsFate
    ) -> None:
        await asyncio.sleep(fate.receipt_after * self.settings.delay_factor)
        receipt = _receipt_of(submit, id_, fate, self.settings.wall())
        for _ in range(fate.receipts):
            while not await self._send(user, receipt):  # noqa: ASYNC110 - a refused one comes again
                await asyncio.sleep(self.settings.repeat_after)

    async def _send(self, user: str, receipt: bytes) -> bool:
        """Hand a receipt to a session of the user; gives whether it took it."""
        link = next((each for each in self._links if each.is_bound and each.user == user), None)
        if link is None:
            self._somebody_bound.clear()
            await self._somebody_bound.wait()
            return False
        status = await link.deliver(receipt)
        self.counts["receipts" if status == _OK else "refused receipts"] += 1
        return status == _OK

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class _Link:
    """One connection of a client."""

    def __init__(
        self, smsc: Smsc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._smsc = smsc
        self._reader = reader
        self._writer = writer
        self.is_bound = False
        self.user = ""
        self._sequence = count(1)
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._ended = asyncio.Event()

    async def close(self) -> None:
        """End it at once."""
        self._writer.transport.abort()
        await self._ended.wait()

    async def run(self) -> None:
        """Serve until either side ends the connection."""
        try:
            while True:
                header = await self._reader.readexactly(16)
                length, command, status, sequence = _LAYOUT.unpack(header)
                if not 16 <= length <= _LONGEST:
                    break
                body = await self._reader.readexactly(length - 16)
                if not await self._take(command, status, sequence, header + body):
                    break
        except (EOFError, OSError):
            pass  # the client is gone
        finally:
            self.is_bound = False
            for waiting in tuple(self._answers.values()):
                if not waiting.done():
                    waiting.set_result(_LOST)
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._ended.set()

    async def _take(self, command: int, status: int, sequence: int, unit: bytes) -> bool:
        """Handle one unit; False ends the connection."""
        if command & _RESPONSE:
            waiting = self._answers.get(sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result(status)
        elif command == _BIND:
            self._bind(sequence, unit[16:])
        elif command == _ENQUIRE:
            self._answer(_ENQUIRE, sequence)
        elif command == _UNBIND:
            self._answer(_UNBIND, sequence)
            await self._writer.drain()
            return False
        elif command == _SUBMIT:
            return await self._submit(sequence, unit)
        else:
            self._write(_NACK, sequence, status=_BAD_COMMAND)
        return True

    def _bind(self, sequence: int, body: bytes) -> None:
        user, password = (part.decode("latin-1") for part in body.split(b"\0", 2)[:2])
        settings = self._smsc.settings
        wrong = settings.system_id and (user, password) != (settings.system_id, settings.password)
        self.is_bound, self.user = not wrong, user
        self._smsc.counts["refused binds" if wrong else "binds"] += 1
        status = _BAD_PASSWORD if wrong else _OK
        self._answer(_BIND, sequence, b"linegate-sim\0", status=status)
        if self.is_bound:
            self._smsc.bound()

    async def _submit(self, sequence: int, unit: bytes) -> bool:
        if not self.is_bound:
            self._answer(_SUBMIT, sequence, b"\0", status=_BAD_STATE)
            return True
        submit = smpp34.decode(unit)
        assert isinstance(submit, smpp34.SubmitSm)
        self._smsc.counts["submits"] += 1
        fate = self._smsc.fate_of(submit.destination_addr)
        if fate.status == -2:
            self._writer.transport.abort()
            return False
        taken = fate.status in (0, -1)
        id_ = self._smsc.next_id()
        if taken and fate.state in ("DELIVRD", ""):
            self._show(submit)
        wanted = bool(submit.registered_delivery & 1 and fate.state and taken)
        if wanted and fate.early:
            receipt = _receipt_of(submit, id_, fate, self._smsc.settings.wall())
            self._smsc.watch(self.user, self.write(receipt), receipt)
        if fate.status >= 0:
            body = f"{id_:x}\0".encode() if fate.status == 0 else b"\0"
            self._answer(_SUBMIT, sequence, body, status=fate.status)
            await self._writer.drain()
        if wanted and not fate.early:
            self._smsc.send_receipts(self.user, submit, id_, fate)
        return True

    async def deliver(self, body: bytes) -> int:
        """Write a deliver_sm; gives the status of its answer, or that there was none."""
        answer = self.write(body)
        with contextlib.suppress(OSError):  # the end of the connection is its answer
            await self._writer.drain()
        return await answer

    def write(self, body: bytes) -> asyncio.Future[int]:
        """Write a deliver_sm at once; its answer will be the result."""
        sequence = next(self._sequence)
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting.add_done_callback(lambda _: self._answers.pop(sequence))
        self._answers[sequence] = waiting
        self._write(_DELIVER, sequence, body)
        return waiting

    def _show(self, submit: smpp34.SubmitSm) -> None:
        payload = next((t.value for t in submit.tlvs if t.tag == 0x0424), None)
        self._smsc.phones.take(
            submit.destination_addr,
            submit.source_addr,
            submit.short_message if payload is None else payload,
            coding=submit.data_coding,
            has_header=bool(submit.esm_class & _UDH),
            at=self._smsc.settings.wall(),
        )

    def _answer(self, command: int, sequence: int, body: bytes = b"", *, status: int = 0) -> None:
        self._write(command | _RESPONSE, sequence, body, status=status)

    def _write(self, command: int, sequence: int, body: bytes = b"", *, status: int = 0) -> None:
        self._writer.write(_LAYOUT.pack(16 + len(body), command, status, sequence) + body)


def _receipt_of(submit: smpp34.SubmitSm, id_: int, fate: SmsFate, wall: float) -> bytes:
    """The body of a delivery receipt. Source: SMPP 3.4, Appendix B."""
    at = time.strftime("%y%m%d%H%M", time.gmtime(wall))
    delivered = "001" if fate.state == "DELIVRD" else "000"
    text = (
        f"id:{id_} sub:001 dlvrd:{delivered} submit date:{at} done date:{at}"
        f" stat:{fate.state} err:{fate.error} text:"
    )
    receipt = smpp34.DeliverSm(
        submit.destination_addr,
        submit.source_addr,
        text.encode("ascii"),
        source_addr_ton=1,
        source_addr_npi=1,
        esm_class=_RECEIPT,
    )
    return receipt.encode()[16:]
