"""One worker process: its loops until it is stopped."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from linegate.cli.heartbeat import Heartbeat
from linegate.cli.scrape import own_registry
from linegate.clock import SteadyClock
from linegate.config import Settings
from linegate.service import running_worker

__all__ = ["run_worker", "until_stdin_closes"]

_log = structlog.get_logger()


async def run_worker(settings: Settings, *, until_eof: bool, beat: Path | None = None) -> None:
    """Run the loops until cancelled, or until standard input closes.

    beat: the file in which it tells `linegate up` how it is; None: it is alone, and tells probes.
    """
    work = _work(settings, beat)
    await (until_stdin_closes(work) if until_eof else work)


async def _work(settings: Settings, beat: Path | None) -> None:
    _, metrics = own_registry()
    clock = SteadyClock()
    alone = beat is None
    try:
        async with running_worker(settings, clock, metrics, with_probes=alone) as supervisor:
            if beat is not None:
                supervisor.add(Heartbeat(beat, supervisor.health, clock))
            _log.info("service.started", role="worker")
            await supervisor.run()
    except asyncio.CancelledError:
        _log.info("service.stopped", role="worker")
        raise


async def until_stdin_closes(work: Coroutine[Any, Any, None]) -> None:
    """Run until done or until the parent is gone: its end of our standard input closes then."""
    task = asyncio.ensure_future(work)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    parent = asyncio.ensure_future(reader.read())
    try:
        await asyncio.wait((task, parent), return_when=asyncio.FIRST_COMPLETED)
    finally:
        parent.cancel()
        transport.close()
        if not task.done():
            task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
