"""`linegate up`: the API in this process, workers and the sandbox as children.

Children hold a pipe from here as their standard input, so that none outlives us, however we end.
One that dies is started again after a pause.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from linegate.cli.console import CommandError
from linegate.cli.heartbeat import Workers
from linegate.cli.sandbox import Sandbox, banner, prepare
from linegate.cli.scrape import forget_process, own_registry, shared_registry
from linegate.clock import SteadyClock
from linegate.config import Settings
from linegate.postgres.embedded import EmbeddedError, EmbeddedServer
from linegate.service import opened_store, serve_api

__all__ = ["run_all"]

_log = structlog.get_logger()
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PAUSES = (0.5, 1, 2, 5, 10)
_STOP_WITHIN = 20  # seconds
_LOOK_EVERY = 1.0


async def run_all(settings: Settings, *, sandbox: bool, metrics_folder: str) -> None:
    """Run until cancelled. Raises: CommandError for what cannot be combined."""
    clock = SteadyClock()
    if sandbox:
        if settings.host not in _LOOPBACK:
            raise CommandError("--sandbox listens on loopback only: it hands out an account")
        settings = replace(settings, webhook_allow_private=True)
    # The store is held open here, so that the embedded server runs as long as we do. Workers stop
    # first: LINE's events of what they have just sent are still taken then.
    async with (
        opened_store(
            settings,
            clock,
            connections=2,
            application="linegate up",
            wanted=settings.connections_of_all,
        ) as store,
        asyncio.TaskGroup() as lasting,
        asyncio.TaskGroup() as workers,
    ):
        prepared: Sandbox | None = None
        if sandbox:
            prepared = await prepare(store, settings)
            settings = replace(settings, line_api_url=prepared.line_url)
            lasting.create_task(_keep_simulator(prepared, settings))
            await prepared.configure()
        if store.server is not None:
            lasting.create_task(_watch(store.server))
        told = Workers(Path(metrics_folder), settings.workers, clock)
        for number in range(1, settings.workers + 1):
            workers.create_task(_keep_worker(f"worker {number}", settings, told))

        def started(url: str) -> None:
            print(banner(url, prepared), flush=True)

        _, metrics = own_registry()
        scrape = lambda: shared_registry(metrics_folder)  # noqa: E731
        lasting.create_task(
            serve_api(
                settings, clock, metrics, scrape=scrape, started=started, failing=told.failing
            )
        )


async def _watch(server: EmbeddedServer) -> None:
    """Start the embedded database again should it die while we live."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        try:
            if await server.ensure_running():
                _log.warning("database.started", home=str(server.data.parent.parent))
        except (EmbeddedError, OSError, TimeoutError) as error:
            _log.error("database.not_started", error=str(error), pause_s=_LOOK_EVERY)


async def _keep_simulator(prepared: Sandbox, settings: Settings) -> None:
    line, smpp = prepared.listening.fileno(), prepared.smpp.fileno()
    arguments = ["simulate", "--fd", str(line), "--smpp-fd", str(smpp)]
    await _keep("simulator", arguments, settings, line, smpp, again=prepared.configure)


async def _keep_worker(name: str, settings: Settings, told: Workers) -> None:
    arguments = ["worker", "--beat", str(told.file_of(name))]

    def ended(pid: int) -> None:
        told.forget(name)
        forget_process(pid)

    await _keep(name, arguments, settings, ended=ended)


async def _keep(
    name: str,
    arguments: list[str],
    settings: Settings,
    *descriptors: int,
    again: Callable[[], Awaitable[None]] | None = None,
    ended: Callable[[int], None] = lambda pid: None,
) -> None:
    """Run a child, again and again; it gets these open files.

    again: what one that is started anew must be told. ended: is told the pid of one that ended.
    """
    failures = 0
    starts = 0
    while True:
        started = asyncio.get_running_loop().time()
        child = await _started(arguments, settings, descriptors)
        starts += 1
        telling = asyncio.ensure_future(again()) if again is not None and starts > 1 else None
        try:
            code = await child.wait()
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
            await _stop(child)
            ended(child.pid)
        ran_for = asyncio.get_running_loop().time() - started
        failures = 0 if ran_for > 60 else failures + 1
        pause = _PAUSES[min(failures, len(_PAUSES)) - 1] if failures else _PAUSES[0]
        _log.error("child.ended", child=name, code=code, pause_s=pause)
        await asyncio.sleep(pause)


async def _started(
    arguments: Sequence[str], settings: Settings, descriptors: Sequence[int]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "linegate",
        *arguments,
        "--until-stdin-closes",
        stdin=asyncio.subprocess.PIPE,
        env=_environment(settings),
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is ours: we tell the children in order
    )


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    if child.stdin is not None:
        child.stdin.close()
    try:
        async with asyncio.timeout(_STOP_WITHIN):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _environment(settings: Settings) -> Mapping[str, str]:
    """What a child is told: our environment, and what the command line changed of it."""
    changed = {
        "LINEGATE_HOME": str(settings.home),
        "LINEGATE_WORKERS": str(settings.workers),
        "LINEGATE_LINE_API_URL": settings.line_api_url,
        "LINEGATE_WEBHOOK_ALLOW_PRIVATE": "1" if settings.webhook_allow_private else "0",
        "LINEGATE_LOG_LEVEL": settings.log_level,
    }
    if settings.config_file is not None:
        changed["LINEGATE_CONFIG"] = str(settings.config_file)
    return {**os.environ, **changed}
