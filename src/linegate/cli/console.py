"""What every command shares: settings, the loop, the database, and how an answer is printed."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
import uvloop

from linegate.clock import SystemClock
from linegate.config import ConfigError, Settings, load
from linegate.postgres.store import Store, open_store

__all__ = ["CommandError", "JsonFlag", "fail", "read_settings", "run", "show", "with_store"]

Answer = TypeVar("Answer")

JsonFlag = typer.Option("--json", help="Print the answer as JSON.")


class CommandError(Exception):
    """The command cannot do what it was asked; the text says why and what to do."""


def fail(reason: str) -> NoReturn:
    """End the command with exit code 1 and the reason on standard error."""
    print(f"linegate: {reason}", file=sys.stderr)
    raise typer.Exit(1)


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


def with_store(work: Callable[[Store], Awaitable[Answer]]) -> Answer:
    """Do something with the installation's database, whether linegate runs or not."""
    settings = read_settings()

    async def opened() -> Answer:
        clock = SystemClock()
        async with open_store(
            home=settings.home,
            database_url=settings.database_url,
            secret_key=settings.secret_key,
            clock=clock,
            connections=2,
            application="linegate command",
        ) as store:
            return await work(store)

    try:
        return run(opened())
    except (CommandError, OSError, TimeoutError, ValueError) as error:
        fail(str(error) or type(error).__name__)


def show(answer: Mapping[str, object], *, as_json: bool, plain: str) -> None:
    """Print an answer: as one line of JSON, or the one value that scripts read."""
    print(json.dumps(answer) if as_json else plain)
