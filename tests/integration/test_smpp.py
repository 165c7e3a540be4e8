"""The SMPP transport against a simulated SMSC, and against one that breaks every promise."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from linegate.clock import SystemClock
from linegate.domain.outcome import OutcomeKind
from linegate.domain.transport import Receipt, Submission
from linegate.simulator.smsc import Smsc, SmscSettings
from linegate.sms.smpp.transport import SmppOptions, SmppTransport
from support.certificates import make_certificates

_THAI = "พัสดุของคุณกำลังจัดส่ง กรุณาเตรียมรับสินค้าที่หน้าบ้าน " * 5
_JAPANESE = (
    "お荷物は本日午後二時から四時の間にお届けします。ご不在の場合は再配達をご利用ください。" * 4
)
_EMOJI = "🎉👩‍👩‍👧‍👦📦 your order — “déjà vu” 🇯🇵 " * 9
_GSM = "Price: 10 € [net] {each} ~ 5^2 \\ | @£$ ÄÖÜ ñ à " * 8


class Inbox:
    """Keeps receipts. takes: what it answers, the last one again and again."""

    def __init__(self, *takes: bool) -> None:
        self.receipts: list[Receipt] = []
        self._takes = list(takes) or [True]
        self._news = asyncio.Event()

    async def __call__(self, receipts: list[Receipt]) -> bool:
        self.receipts += receipts
        self._news.set()
        return self._takes.pop(0) if len(self._takes) > 1 else self._takes[0]

    async def until(self, count: int) -> list[Receipt]:
        async with asyncio.timeout(5):
            while len(self.receipts) < count:
                self._news.clear()
                await self._news.wait()
        return self.receipts


def _options(port: int) -> SmppOptions:
    return SmppOptions("127.0.0.1", port, "user", "pass", response_timeout=1)


@contextlib.asynccontextmanager
async def bound(
    options: SmppOptions, on_receipts: Callable[[list[Receipt]], Awaitable[bool]]
) -> AsyncIterator[SmppTransport]:
    transport = SmppTransport(options, SystemClock(), on_receipts)
    task = asyncio.create_task(transport.run())
    try:
        await until(lambda: transport.is_up)
        yield transport
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a socket's other end rings no bell
            await asyncio.sleep(0.01)


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    server = Smsc(SmscSettings(system_id="user", password="pass", repeat_after=0.05))
    yield server
    await server.close()


def _sms(fate: str = "0", text: str = "Your parcel is here", who: int = 0) -> Submission:
    to = f"81901{who:04d}{fate}01"
    return Submission((1 << 40) + (who << 4), "Shop", to, text, timedelta(hours=1))


@pytest.mark.parametrize("text", [_THAI, _JAPANESE, _EMOJI, _GSM], ids=["th", "ja", "emoji", "gsm"])
@pytest.mark.parametrize("in_payload", [False, True], ids=["udh", "payload"])
async def test_a_long_text_reaches_the_phone_as_it_is(
    smsc: Smsc, text: str, in_payload: bool
) -> None:
    options = replace(_options(await smsc.start()), in_payload=in_payload)
    async with bound(options, Inbox()) as transport:
        submitted = await transport.submit(_sms(text=text))
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    assert len(submitted.ids) == (1 if in_payload else submitted.parts)
    assert [sms.text for sms in smsc.phones.shown] == [text]
    assert submitted.parts > 2


async def test_a_decimal_receipt_names_a_hexadecimal_id(smsc: Smsc) -> None:
    inbox = Inbox()
    async with bound(_options(await smsc.start()), inbox) as transport:
        submitted = await transport.submit(_sms())
        (receipt,) = await inbox.until(1)
    assert receipt.delivered
    assert submitted.ids[0] in receipt.ids
    assert receipt.ids[0] != submitted.ids[0]
    assert receipt.destination == _sms().destination


@pytest.mark.parametrize(
    ("fate", "status", "error"), [("2", 9, 32), ("9", 15, 4098), ("0", 5, 0), ("6", 5, 0)]
)
async def test_a_receipt_tells_how_it_ended(smsc: Smsc, fate: str, status: int, error: int) -> None:
    inbox = Inbox()
    async with bound(_options(await smsc.start()), inbox) as transport:
        await transport.submit(_sms(fate))
        (receipt,) = await inbox.until(1)
    assert (receipt.status, receipt.error) == (status, error)


async def test_a_receipt_that_could_not_be_kept_comes_again(smsc: Smsc) -> None:
    inbox = Inbox(False, True)
    async with bound(_options(await smsc.start()), inbox) as transport:
        await transport.submit(_sms())
        first, second = await inbox.until(2)
        await until(lambda: smsc.counts["receipts"] == 1)
    assert first == second
    assert smsc.counts["refused receipts"] == 1


async def test_a_receipt_is_answered_only_after_it_was_kept(smsc: Smsc) -> None:
    kept = asyncio.Event()

    async def slow(receipts: list[Receipt]) -> bool:
        await kept.wait()
        return True

    async with bound(_options(await smsc.start()), slow) as transport:
        await transport.submit(_sms())
        await transport.submit(_sms(who=1))  # a later answer proves that the first has none yet
        assert smsc.counts["receipts"] == 0
        kept.set()
        await until(lambda: smsc.counts["receipts"] == 2)


async def test_an_smsc_that_goes_down_leaves_unknown_and_then_unsent(smsc: Smsc) -> None:
    port = await smsc.start()
    smsc.set_switch("unanswered")
    async with bound(replace(_options(port), response_timeout=30), Inbox()) as transport:
        waiting = asyncio.create_task(transport.submit(_sms()))
        await until(lambda: smsc.counts["submits"] == 1)
        await smsc.stop()
        assert (await waiting).outcome.kind is OutcomeKind.UNKNOWN
        assert not transport.is_up
        assert transport.trouble
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.UNSENT
        smsc.set_switch("normal")
        await smsc.start(port=port)
        await until(lambda: transport.is_up)
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.ACCEPTED
    assert smsc.counts["binds"] == 2


async def test_receipts_of_the_time_away_come_after_the_next_bind(smsc: Smsc) -> None:
    inbox = Inbox()
    port = await smsc.start()
    async with bound(_options(port), Inbox(False)) as transport:
        await transport.submit(_sms())
        await until(lambda: smsc.counts["refused receipts"] > 0)
    async with bound(_options(port), inbox):
        (receipt,) = await inbox.until(1)
    assert receipt.delivered


async def test_a_wrong_password_says_so(smsc: Smsc) -> None:
    options = replace(_options(await smsc.start()), password="wrong")
    transport = SmppTransport(options, SystemClock(), Inbox())
    task = asyncio.create_task(transport.run())
    await until(lambda: smsc.counts["refused binds"] == 1)
    await until(lambda: "ESME_RINVPASWD" in transport.trouble)
    assert not transport.is_up
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_window_is_never_exceeded(smsc: Smsc) -> None:
    smsc.set_switch("unanswered")
    options = replace(_options(await smsc.start()), window=3, response_timeout=0.3)
    async with bound(options, Inbox()) as transport:
        tasks = [asyncio.create_task(transport.submit(_sms(who=n))) for n in range(5)]
        await until(lambda: smsc.counts["submits"] == 3)
        assert transport.places() == 0
        await asyncio.gather(*tasks)
    assert smsc.counts["submits"] == 5


async def test_a_part_that_is_told_to_slow_down_is_repeated_alone(smsc: Smsc) -> None:
    async with bound(_options(await smsc.start()), Inbox()) as transport:
        submitted = await transport.submit(_sms("4", _JAPANESE))
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    assert len(submitted.ids) == submitted.parts
    assert smsc.counts["submits"] == submitted.parts + 1
    assert [sms.text for sms in smsc.phones.shown] == [_JAPANESE]


async def test_tls_needs_a_certificate_that_is_trusted(smsc: Smsc, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    (tmp_path / "ca.pem").write_bytes(certificates.ca_pem)
    port = await _tls_in_front(smsc, certificates.server)
    trusting = replace(_options(port), tls=True, ca_file=str(tmp_path / "ca.pem"))
    async with bound(trusting, Inbox()) as transport:
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.ACCEPTED
    doubting = SmppTransport(replace(_options(port), tls=True), SystemClock(), Inbox())
    task = asyncio.create_task(doubting.run())
    await until(lambda: "certificate" in doubting.trouble.lower())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert smsc.counts["binds"] == 1


async def _tls_in_front(smsc: Smsc, context: ssl.SSLContext) -> int:
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0, ssl=context)
    smsc.adopt(server)
    return int(server.sockets[0].getsockname()[1])


def _unit(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


@contextlib.asynccontextmanager
async def scripted(
    answer: Callable[[int, int, bytes], bytes | None],
) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that answers each unit as told (None: closes). Gives its port, commands seen."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                length, command, _, sequence = struct.unpack(">IIII", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                seen.append(command)
                reply = answer(command, sequence, body)
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        await server.wait_closed()


def _polite(command: int, sequence: int, body: bytes) -> bytes:
    """Answers everything as it should."""
    if command & 0x80000000:
        return b""
    return _unit(command | 0x80000000, sequence, b"x1\0" if command in (4, 9) else b"")


@pytest.mark.parametrize(
    "garbage",
    [_unit(0, 0)[:3] + b"\x05" + b"\0" * 12, b"\xff" * 16, b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["too short", "too long", "http"],
)
async def test_garbage_ends_the_session_and_the_submit_is_unknown(garbage: bytes) -> None:
    def answer(command: int, sequence: int, body: bytes) -> bytes:
        return garbage if command == 4 else _polite(command, sequence, body)

    async with (
        scripted(answer) as (port, _),
        bound(_options(port), Inbox()) as transport,
    ):
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.UNKNOWN


async def test_silence_is_asked_after_and_ends_the_session() -> None:
    def answer(command: int, sequence: int, body: bytes) -> bytes:
        return b"" if command == 0x15 else _polite(command, sequence, body)

    async with scripted(answer) as (port, seen):
        options = replace(_options(port), enquire_every=0.05, response_timeout=0.1)
        async with bound(options, Inbox()) as transport:
            await until(lambda: not transport.is_up)
            assert "enquire_link" in transport.trouble
    assert 0x15 in seen


async def test_an_enquiry_and_an_unknown_command_of_the_smsc_are_answered() -> None:
    def answer(command: int, sequence: int, body: bytes) -> bytes:
        asked = _unit(0x15, 70) + _unit(0x7777, 71) + _unit(5, 72, b"\0")  # the last is cut short
        return asked + _polite(command, sequence, body) if command == 4 else _polite(
            command, sequence, body
        )  # fmt: skip

    async with scripted(answer) as (port, seen), bound(_options(port), Inbox()) as transport:
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.ACCEPTED
        await until(lambda: {0x80000015, 0x80000000, 0x80000005} <= set(seen))
        assert transport.is_up


async def test_a_generic_nack_answers_a_submit() -> None:
    def answer(command: int, sequence: int, body: bytes) -> bytes:
        if command == 4:
            return _unit(0x80000000, sequence, status=0x02)
        return _polite(command, sequence, body)

    async with scripted(answer) as (port, _), bound(_options(port), Inbox()) as transport:
        assert (await transport.submit(_sms())).outcome.kind is OutcomeKind.REFUSED


async def test_an_unbind_of_the_smsc_ends_the_session() -> None:
    def answer(command: int, sequence: int, body: bytes) -> bytes:
        reply = _polite(command, sequence, body)
        return reply + _unit(6, 9) if command == 4 else reply

    async with scripted(answer) as (port, seen), bound(_options(port), Inbox()) as transport:
        await transport.submit(_sms())
        await until(lambda: transport.trouble == "the SMSC unbound")
        await until(lambda: 0x80000006 in seen)


async def test_a_stop_says_goodbye(smsc: Smsc) -> None:
    async with scripted(_polite) as (port, seen):
        async with bound(_options(port), Inbox()):
            pass
        await until(lambda: 6 in seen)
