"""Flame graphs of a run by py-spy, which samples a process from outside."""

import asyncio
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from installation import BenchError, Installation

__all__ = ["profiled"]


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
) -> AsyncIterator[None]:
    """Sample the API and the workers while the block runs; nothing without a folder.

    Sampling costs: figures of such a run are lower.
    """
    if folder is None:
        yield
        return
    program = sampler(folder)
    groups = installation.groups()
    recorders = []
    for name in ("api", "workers"):
        for pid in groups[name]():
            graph = folder / f"{scenario.replace(' ', '-')}-{name}-{pid}.svg"
            recorders.append(
                await asyncio.create_subprocess_exec(
                    *(
                        program,
                        "record",
                        "--pid",
                        str(pid),
                        "--output",
                        str(graph),
                        "--nonblocking",
                    ),
                    *("--duration", "600", "--rate", "100"),
                    stdout=DEVNULL,
                    stderr=DEVNULL,
                )
            )
    await asyncio.sleep(1)  # they read the program's symbols first
    try:
        yield
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
        await asyncio.gather(*(recorder.wait() for recorder in recorders))
