"""Where a run's time went, by py-spy, which samples a process from outside.

Each process gets a file of folded stacks (`frame;frame;frame count`), which flame-graph programs
read, and its samples are counted by function: by the innermost of linegate's own on the stack, so
that what a library does counts for whoever called it.
"""

import asyncio
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from installation import BenchError, Installation

__all__ = ["Shares", "profiled"]

Shares = dict[str, Counter[str]]
"""Samples by function, for each group of processes."""

_GROUPS = ("api", "workers", "simulator")
_LOOP = "the event loop and the HTTP server under it"


def sampler(folder: Path) -> str:
    """The program that samples; makes the folder. Raises: BenchError without py-spy."""
    program = shutil.which("py-spy") or shutil.which("py-spy", path=Path(sys.executable).parent)
    if program is None:
        raise BenchError("--profile needs py-spy: .venv/bin/pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    return program


@asynccontextmanager
async def profiled(
    installation: Installation, folder: Path | None, scenario: str
) -> AsyncIterator[Shares]:
    """Sample linegate and the simulator while the block runs; nothing without a folder.

    What it gives is filled when the block ends. Sampling costs: figures of such a run are lower.
    """
    shares: Shares = {}
    if folder is None:
        yield shares
        return
    program = sampler(folder)
    groups, recorders = installation.groups(), []
    for name in _GROUPS:
        for pid in groups[name]():
            stacks = folder / f"{scenario.replace(' ', '-')}-{name}-{pid}.folded"
            options = ["--pid", str(pid), "--output", str(stacks), "--format", "raw"]
            recorder = await asyncio.create_subprocess_exec(
                *(program, "record", *options, "--nonblocking"),
                *("--duration", "600", "--rate", "100"),
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            recorders.append((name, stacks, recorder))
    await asyncio.sleep(1)  # they read the program's symbols first
    try:
        yield shares
    finally:
        for _, _, recorder in recorders:
            recorder.send_signal(signal.SIGINT)
        await asyncio.gather(*(recorder.wait() for _, _, recorder in recorders))
    for name, stacks, _ in recorders:
        shares.setdefault(name, Counter()).update(_by_function(stacks))


def _by_function(stacks: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8", errors="replace").splitlines():
        frames, _, count = line.rpartition(" ")
        if not count.isdigit():
            continue  # a name that was read while it changed, with a line break in it
        inner = (frame for frame in reversed(frames.split(";")) if _is_ours(frame))
        found[next(map(_short, inner), _LOOP)] += int(count)
    return found


def _is_ours(frame: str) -> bool:
    """Whether it is linegate's, and not the command under which everything runs."""
    return "linegate/" in frame and "linegate/cli/" not in frame and "linegate/__" not in frame


def _short(frame: str) -> str:
    """`push (linegate/line/client.py:190)` as `line/client.py push`."""
    function, _, place = frame.partition(" (")
    path = place.rpartition("linegate/")[2].partition(":")[0]
    return f"{path} {function}"
