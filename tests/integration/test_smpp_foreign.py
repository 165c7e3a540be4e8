"""Our client meets an SMSC that we did not write: the server of npm's `smpp`."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linegate.clock import SystemClock
from linegate.domain.outcome import OutcomeKind
from linegate.domain.transport import Receipt, Submission
from linegate.sms.smpp.transport import SmppOptions, SmppTransport

_NODE = Path(__file__).parents[1] / "support" / "node"
_LONG = "お荷物は本日📦お届けします。" * 12


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder with `smpp` installed as its lock file says; kept between sessions."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("this machine lacks node: our SMPP client meets no foreign SMSC")
    folder = Path(tempfile.gettempdir()) / "linegate-tests-node"
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", "smsc.js"):
        shutil.copy(_NODE / name, folder / name)
    if not (folder / "node_modules" / "smpp").exists():
        made = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
        if made.returncode:
            pytest.skip("this machine lacks npm's smpp: our SMPP client meets no foreign SMSC")
    return folder


@dataclass(slots=True)
class Foreign:
    port: int
    lines: asyncio.StreamReader
    receipts: list[Receipt] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def submitted(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            line = await self.lines.readline()
        seen: dict[str, Any] = json.loads(line)
        return seen

    async def keep(self, receipts: list[Receipt]) -> bool:
        self.receipts += receipts
        self.came.set()
        return True

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.receipts) < count:
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def foreign(node_modules: Path) -> AsyncIterator[Foreign]:
    process = await asyncio.create_subprocess_exec(
        "node", "smsc.js", cwd=node_modules, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield Foreign(port, process.stdout)
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def transport(foreign: Foreign) -> AsyncIterator[SmppTransport]:
    options = SmppOptions("127.0.0.1", foreign.port, "user", "pass")
    made = SmppTransport(options, SystemClock(), foreign.keep)
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(10):
        while not made.is_up:  # noqa: ASYNC110 - a transport rings no bell
            await asyncio.sleep(0.01)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _sms(text: str) -> Submission:
    return Submission(1 << 40, "Shop", "819012345678", text, timedelta(minutes=30))


async def test_a_foreign_smsc_reads_our_submit_and_we_its_receipt(
    foreign: Foreign, transport: SmppTransport
) -> None:
    submitted = await transport.submit(_sms("Price: 10 € [net]"))
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    seen = await foreign.submitted()
    assert seen["text"] == "Price: 10 € [net]"
    assert (seen["to"], seen["ton"], seen["from"], seen["fromTon"]) == (
        "819012345678",
        1,
        "Shop",
        5,
    )
    assert (seen["coding"], seen["registered"]) == (0, 1)
    await foreign.until(1)
    assert submitted.ids[0] in foreign.receipts[0].ids
    assert foreign.receipts[0].delivered


async def test_a_foreign_smsc_puts_our_parts_together(
    foreign: Foreign, transport: SmppTransport
) -> None:
    submitted = await transport.submit(_sms(_LONG))
    seen = [await foreign.submitted() for _ in range(submitted.parts)]
    assert len(submitted.ids) == submitted.parts == 3
    assert {each["coding"] for each in seen} == {8}
    parts = {each["udh"][0][-2:]: each["text"] for each in seen}
    assert "".join(parts[f"{number:02x}"] for number in (1, 2, 3)) == _LONG
    await foreign.until(3)
