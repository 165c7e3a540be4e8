"""The simulator as one ASGI application, and how to run it.

`create_app` makes the application; `running` serves it for as long as a block lasts
(tests, `--sandbox`); `serve` until cancelled; `run` as a program.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.simulator.account import LineAccount
from linegate.simulator.admin import Admin
from linegate.simulator.answers import Receive, Scope, Send
from linegate.simulator.channels import Channels
from linegate.simulator.line_platform import ENDPOINTS, LinePlatform
from linegate.simulator.numbers import shared_table
from linegate.simulator.oauth import OAuth
from linegate.simulator.replies import line_error, local_only
from linegate.simulator.settings import SimulatorSettings
from linegate.simulator.sms_view import SmsView
from linegate.simulator.smsc import Smsc, SmscSettings
from linegate.simulator.subscriber import Subscriber

__all__ = ["RunningSimulator", "Simulator", "create_app", "run", "running", "serve"]

_SUBSCRIBER = "/subscriber/"


class Simulator:
    """The ASGI application: push calls and reports take the short way, the rest Starlette's."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.channels = Channels(settings)
        self.platform = LinePlatform(self.channels)
        self.subscriber = Subscriber()
        self.smsc = Smsc(SmscSettings(delay_factor=settings.delay_factor, wall=settings.wall))
        self._smpp = settings.smpp
        self._slow = Starlette(
            routes=self._routes(settings),
            lifespan=self._lifespan,
            exception_handlers={HTTPException: self._not_found},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run start and end (lifespan)."""
        if scope["type"] == "http" and scope["method"] == "POST":
            path: str = scope["path"]
            endpoint = ENDPOINTS.get(path)
            if endpoint is not None:
                await self.platform.push(endpoint, scope, receive, send)
                return
            if path.startswith(_SUBSCRIBER):
                await self.subscriber.receive(scope, receive, send)
                return
        await self._slow(scope, receive, send)

    def _routes(self, settings: SimulatorSettings) -> list[Route]:
        anywhere = settings.admin_from_anywhere
        subscriber = self.subscriber
        return [
            *Admin(self.platform).routes(),
            *OAuth(self.platform).routes(),
            *LineAccount(self.platform).routes(),
            *SmsView(self.smsc).routes(anywhere=anywhere),
            Route("/subscriber", local_only(subscriber.show, anywhere), methods=["GET"]),
            Route("/subscriber", local_only(subscriber.set, anywhere), methods=["PUT"]),
            Route("/subscriber", local_only(subscriber.clear, anywhere), methods=["DELETE"]),
        ]

    async def _not_found(self, request: Request, error: Exception) -> Response:
        """LINE's answer for a path or a method that it does not know."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = line_error(status, "Not found" if status == 404 else "Method not allowed")
        response.headers["x-line-request-id"] = self.platform.next_id().decode()
        return response

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        # Built here rather than at the first push, which would keep that one waiting.
        await asyncio.to_thread(shared_table)
        if self._smpp is not None:
            await self.smsc.start(listening=self._smpp)
        yield
        await self.smsc.close()
        await self.channels.close()


def create_app(settings: SimulatorSettings | None = None) -> Simulator:
    """The simulator as an ASGI application, for any server (uvicorn is what we use)."""
    return Simulator(settings or SimulatorSettings())


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A served simulator: its base URL (no slash at the end) and its inside."""

    url: str
    app: Simulator


class _Server(uvicorn.Server):
    """uvicorn, which does not wait at its end for requests that are held without an answer."""

    def __init__(self, app: Simulator, host: str, port: int) -> None:
        super().__init__(_config(app, host, port))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.platform.release_held()
        await super().shutdown(sockets)


class _EmbeddedServer(_Server):
    """The same without signal handlers, which belong to the program that embeds us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running(
    settings: SimulatorSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    listening: socket.socket | None = None,
) -> AsyncIterator[RunningSimulator]:
    """Serve a simulator while the block runs. port: 0 = any free one.

    listening: a socket that listens already, instead of host and port.

    Raises: RuntimeError when it cannot start, for instance because the port is taken.
    """
    app = create_app(settings)
    server = _EmbeddedServer(app, host, port)
    sockets = None if listening is None else [listening]
    task = asyncio.create_task(server.serve(sockets))
    try:
        while not server.started:
            if task.done():
                raise RuntimeError(f"the simulator could not start on {host}:{port}")
            await asyncio.sleep(0.01)
        bound = (listening or server.servers[0].sockets[0]).getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        yield RunningSimulator(f"http://{shown}:{bound}", app)
    finally:
        server.should_exit = True
        # `serve` ends with SystemExit when the port is taken; we have said so above.
        await asyncio.gather(task, return_exceptions=True)


async def serve(
    settings: SimulatorSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    listening: socket.socket | None = None,
) -> None:
    """Serve until cancelled."""
    async with running(settings, host=host, port=port, listening=listening):
        await asyncio.Event().wait()


def run(
    settings: SimulatorSettings | None = None, *, host: str = "127.0.0.1", port: int = 8090
) -> None:
    """Serve until SIGINT or SIGTERM; for the command line."""
    _Server(create_app(settings), host, port).run()


def _config(app: Simulator, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,  # logging belongs to the program that runs us
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
