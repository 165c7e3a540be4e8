"""What one SMPP session takes, and what it leaves behind: `make bench-sms`.

A simulated SMSC in a process of its own takes submits of window 100 and sends a receipt for each.
Printed while it runs: submits, submits a second, memory of this process. At the end: CPU per
submit with its receipt, sequence numbers that still wait, how much the memory grew. It fails if
one submit was not taken, a receipt is missing, a number still waits or the memory grew by more
than 10 MB. No database: `make bench` has one.

    python bench/sms_session.py --submits 1000000
"""

import argparse
import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import uvloop
from processes import cpu_seconds

from linegate.clock import SystemClock
from linegate.domain.outcome import OutcomeKind
from linegate.domain.transport import Receipt, Submission
from linegate.logs import set_up
from linegate.simulator.smsc import Smsc
from linegate.sms.smpp.transport import SmppOptions, SmppTransport

_SMSC = "--smsc"
_WARM_UP = 5000  # submits until the memory counts: caches and pools have filled by then
_LINES = 10
_GROWTH = 10.0  # MB
_LAST_RECEIPTS = 30.0  # seconds to wait for them
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class _Told:
    """What came back."""

    outcomes: Counter[OutcomeKind] = field(default_factory=Counter)
    receipts: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)
    expected: int = 0

    async def take(self, receipts: list[Receipt]) -> bool:
        self.receipts += len(receipts)
        if self.receipts >= self.expected:
            self.all_there.set()
        return True


async def main() -> int:
    """Submit, print; 0 if nothing was left behind."""
    asked = _arguments()
    set_up(level="error", form="console")
    smsc = await asyncio.create_subprocess_exec(sys.executable, __file__, _SMSC, stdout=PIPE)
    try:
        assert smsc.stdout is not None
        port = int(await smsc.stdout.readline())
        told = _Told(expected=asked.submits + _WARM_UP)
        options = SmppOptions("127.0.0.1", port, "bench", "bench", window=asked.window)
        transport = SmppTransport(options, SystemClock(), told.take)
        session = asyncio.create_task(transport.run())
        while not transport.is_up:  # noqa: ASYNC110 - a session rings no bell
            await asyncio.sleep(0.05)
        try:
            return await _measure(asked, transport, told)
        finally:
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
    finally:
        smsc.kill()
        await smsc.wait()


async def _measure(asked: argparse.Namespace, transport: SmppTransport, told: _Told) -> int:
    await _submit(transport, told, _WARM_UP, asked.window)
    before, cpu, started = _memory(), cpu_seconds(os.getpid()), time.monotonic()
    _say(f"{'submits':>10}  {'a second':>8}  {'memory':>8}  waiting")
    step = max(1, asked.submits // _LINES)
    for done in range(0, asked.submits, step):
        count, at = min(step, asked.submits - done), time.monotonic()
        await _submit(transport, told, count, asked.window)
        rate = count / (time.monotonic() - at)
        _say(f"{done + count:>10}  {rate:>8.0f}  {_memory():>5.1f} MB  {transport.unanswered}")
    seconds = time.monotonic() - started
    try:
        async with asyncio.timeout(_LAST_RECEIPTS):
            await told.all_there.wait()
    except TimeoutError:
        _say(f"no receipt for {_LAST_RECEIPTS:.0f} s")
    each = (cpu_seconds(os.getpid()) - cpu) / asked.submits * 1e6
    grown = _memory() - before
    _say(f"{asked.submits / seconds:.0f} submits a second, {each:.0f} us CPU each with its receipt")
    _say(f"memory: {before:.1f} MB, then {grown:+.1f} MB; waiting numbers: {transport.unanswered}")
    _say(f"taken: {told.outcomes[OutcomeKind.ACCEPTED]}; receipts: {told.receipts}")
    is_well = (
        told.outcomes == {OutcomeKind.ACCEPTED: told.expected}
        and told.receipts == told.expected
        and not transport.unanswered
        and grown <= _GROWTH
    )
    return 0 if is_well else 1


async def _submit(transport: SmppTransport, told: _Told, count: int, at_once: int) -> None:
    """Hand over so many texts, as many at once as the window has places."""
    left = iter(range(count))

    async def one_after_another() -> None:
        for number in left:
            submission = Submission(
                number, "Bench", f"8190{number % 10**5:05d}000", "A parcel", timedelta(hours=1), {}
            )
            told.outcomes[(await transport.submit(submission)).outcome.kind] += 1

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))


def _memory() -> float:
    """MB that this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


async def _be_the_smsc() -> None:
    _say(str(await Smsc().start()))
    await asyncio.get_running_loop().create_future()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What one SMPP session takes.")
    parser.add_argument("--submits", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    if _SMSC in sys.argv:
        uvloop.run(_be_the_smsc())
    sys.exit(uvloop.run(main()))
