"""Commands that run linegate: everything at once, or one role."""

import asyncio
import contextlib
import gc
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from linegate.cli.console import read_settings, run, told_plainly
from linegate.cli.scrape import own_registry, shared_folder
from linegate.clock import SteadyClock
from linegate.config import Settings
from linegate.logs import set_up

__all__ = ["api", "simulate", "up", "worker"]

Config = Annotated[Path | None, typer.Option("--config", help="A TOML file of options.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
_UNTIL_EOF = typer.Option("--until-stdin-closes", hidden=True)


def up(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Add a simulated LINE and a ready account.")
    ] = False,
    config: Config = None,
) -> None:
    """Run everything: database, API, workers; with --sandbox also a simulated LINE."""
    settings = read_settings(config, host=host, port=port, workers=workers)
    _start_logs(settings)
    with shared_folder() as folder:
        # After the folder is named: the metrics library looks for it when it is imported.
        from linegate.cli.fleet import run_all  # noqa: PLC0415

        with contextlib.suppress(asyncio.CancelledError), told_plainly():
            _calm_collector()
            run(run_all(settings, sandbox=sandbox, metrics_folder=folder))


def api(host: Host = None, port: Port = None, config: Config = None) -> None:
    """Run the API alone."""
    settings = read_settings(config, host=host, port=port)
    _start_logs(settings)
    from linegate.service import serve_api  # noqa: PLC0415

    registry, metrics = own_registry()
    work = serve_api(
        settings, SteadyClock(), metrics, scrape=lambda: registry, started=_say_listening
    )
    with contextlib.suppress(asyncio.CancelledError), told_plainly():
        _calm_collector()
        run(work)


def worker(
    config: Config = None,
    until_eof: Annotated[bool, _UNTIL_EOF] = False,
    beat: Annotated[Path | None, typer.Option("--beat", hidden=True)] = None,
) -> None:
    """Run a worker alone: it sends, sweeps and reports."""
    settings = read_settings(config)
    _start_logs(settings)
    from linegate.cli.lone_worker import run_worker  # noqa: PLC0415

    with contextlib.suppress(asyncio.CancelledError), told_plainly():
        _calm_collector()
        run(run_worker(settings, until_eof=until_eof, beat=beat))


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 8090,
    events_per_call: Annotated[
        int, typer.Option(min=1, help="Most delivery events in one webhook call.")
    ] = 20,
    rate_limit: Annotated[
        float, typer.Option(min=0, help="Requests a second to one channel; 0: no limit.")
    ] = 2000.0,
    smpp_port: Annotated[
        int, typer.Option(help="Port of the simulated SMSC; 0: any free one; -1: none.")
    ] = 0,
    until_eof: Annotated[bool, _UNTIL_EOF] = False,
    descriptor: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
    smpp_descriptor: Annotated[int | None, typer.Option("--smpp-fd", hidden=True)] = None,
) -> None:
    """Run the simulated LINE and SMSC alone. docs/reference/sandbox.md says what they do."""
    from linegate.cli.lone_worker import until_stdin_closes  # noqa: PLC0415
    from linegate.simulator.app import running  # noqa: PLC0415
    from linegate.simulator.settings import SimulatorSettings  # noqa: PLC0415

    async def work() -> None:
        smpp = _smpp_socket(host, smpp_port, smpp_descriptor)
        settings = SimulatorSettings(
            rate_limit=rate_limit, events_per_call=events_per_call, smpp=smpp
        )
        listening = socket.socket(fileno=descriptor) if descriptor is not None else None
        async with running(settings, host=host, port=port, listening=listening) as simulator:
            if not until_eof:
                url = simulator.url
                print(f"simulated LINE on {url}; fates: {url}/simulator/fates", flush=True)
                if smpp is not None:
                    where = f"smpp://user:pass@{host}:{smpp.getsockname()[1]}"
                    print(f"simulated SMSC on {where}; phones: {url}/simulator/sms", flush=True)
            await asyncio.get_running_loop().create_future()

    with contextlib.suppress(asyncio.CancelledError), told_plainly():
        _calm_collector()
        run(until_stdin_closes(work()) if until_eof else work())


def _smpp_socket(host: str, port: int, descriptor: int | None) -> socket.socket | None:
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    return None if port < 0 else socket.create_server((host, port))


def _start_logs(settings: Settings) -> None:
    form = settings.log_format
    if form == "auto":
        form = "console" if sys.stderr.isatty() else "json"
    set_up(level=settings.log_level, form=form)


def _say_listening(url: str) -> None:
    print(f"linegate listens on {url}", flush=True)


def _calm_collector() -> None:
    """Let the garbage collector look seldom.

    What is loaded by now lives as long as the process, and a request leaves few cycles behind: it
    took a tenth of the API's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
