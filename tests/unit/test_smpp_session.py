"""Sequence numbers: never given twice while one waits, and none left behind."""

import asyncio
import struct

import pytest
import smpp34

from linegate.sms.smpp import session as session_module
from linegate.sms.smpp.session import Answered, Session


class Wire:
    """Both ends of a connection without a socket: answers each submit at once, but the held."""

    def __init__(self, held: set[int]) -> None:
        self.reader = asyncio.StreamReader()
        self.sequences: list[int] = []
        self._held = held

    def write(self, unit: bytes) -> None:
        _, command, _, sequence = struct.unpack(">IIII", unit[:16])
        self.sequences.append(sequence)
        if sequence not in self._held:
            answer = struct.pack(">IIII", 18, command | 0x80000000, 0, sequence) + b"1\0"
            self.reader.feed_data(answer)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self.reader.feed_eof()


async def _nothing(delivery: smpp34.DeliverSm) -> int:
    return 0


async def test_sequence_numbers_begin_again_and_pass_over_those_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "_LAST_SEQUENCE", 10)
    wire = Wire(held={3})
    session = Session(
        wire.reader,
        wire,  # type: ignore[arg-type]
        window=5,
        enquire_every=60,
        response_timeout=5,
        deliver=_nothing,
    )
    running = asyncio.create_task(session.run())
    waiting: list[asyncio.Task[object]] = []
    for number in range(1, 31):
        task = asyncio.create_task(session.submit(b""))
        if number == 3:
            waiting.append(task)
            await asyncio.sleep(0)
        else:
            assert isinstance(await task, Answered)
    assert wire.sequences[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2]
    assert wire.sequences.count(3) == 1
    assert set(wire.sequences) == set(range(1, 11))
    wire.close()
    await running
    assert await waiting[0] is not None
