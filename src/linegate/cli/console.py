"""What every command shares: settings, the loop, the database, and how an answer is printed."""

import asyncio
import contextlib
import json
import os
import pwd
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import typer
import uvloop

from linegate.clock import SystemClock
from linegate.config import ConfigError, Settings, load
from linegate.postgres.embedded_host import EmbeddedError
from linegate.postgres.migrate import MigrationError
from linegate.postgres.pool import AWAY
from linegate.postgres.store import Store, open_store
from linegate.vault import VaultError

__all__ = [
    "CommandError",
    "JsonFlag",
    "actor",
    "fail",
    "read_settings",
    "run",
    "show",
    "told_plainly",
    "with_store",
]

Answer = TypeVar("Answer")

JsonFlag = typer.Option("--json", help="Print the answer as JSON.")


class CommandError(Exception):
    """The command cannot do what it was asked; the text says why and what to do."""


_STOPPED = 128 + signal.SIGINT  # as shells tell of it

# What the operator's settings, files, network and database are to blame for.
_MENDABLE = (
    CommandError,
    VaultError,
    EmbeddedError,
    MigrationError,
    OSError,
    TimeoutError,
    ValueError,
    RuntimeError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    *AWAY,
)


def fail(reason: str) -> NoReturn:
    """End the command with exit code 1 and the reason on standard error."""
    print(f"linegate: {reason}", file=sys.stderr)
    raise typer.Exit(1)


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """End with the reason, and without a traceback, for what an operator can mend."""
    try:
        yield
    except _MENDABLE as error:
        fail(str(error) or type(error).__name__)
    except ExceptionGroup as group:  # of tasks: one failed, the others were stopped
        mendable, rest = group.split(_MENDABLE)
        if mendable is None or rest is not None:
            raise
        fail(_first_of(mendable))


def _first_of(group: ExceptionGroup[Exception]) -> str:
    first: Exception = group
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return str(first) or type(first).__name__


def read_settings(config: Path | None = None, **overrides: object) -> Settings:
    """The settings of this process; wrong ones end it with every problem named."""
    try:
        return load(config, overrides=overrides)
    except ConfigError as error:
        fail(str(error))


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run on one event loop until done; SIGINT and SIGTERM cancel it once."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, Answer]) -> Answer:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, task.cancel)
    return await task


def actor() -> str:
    """Who runs this command, as the audit log tells it."""
    name = os.environ.get("SUDO_USER") or pwd.getpwuid(os.geteuid()).pw_name
    return f"linegate command of {name}"[:63]


def with_store(work: Callable[[Store], Awaitable[Answer]]) -> Answer:
    """Do something with the installation's database, whether linegate runs or not.

    Whoever stops it (Ctrl-C) gets exit code 130 and no traceback.
    """
    settings = read_settings()

    async def opened() -> Answer:
        clock = SystemClock()
        async with open_store(
            home=settings.home,
            runtime_folder=settings.runtime_folder,
            database_url=settings.database_url,
            secret_key=settings.secret_key,
            clock=clock,
            connections=2,
            connections_of_all=settings.connections_of_all,
            application=actor(),
        ) as store:
            return await work(store)

    try:
        with told_plainly():
            return run(opened())
    except asyncio.CancelledError:
        raise typer.Exit(_STOPPED) from None


def show(answer: Mapping[str, object], *, as_json: bool, plain: str) -> None:
    """Print an answer: as one line of JSON, or the one value that scripts read."""
    print(json.dumps(answer) if as_json else plain)
