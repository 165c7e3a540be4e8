"""The two calls that come by the thousand a second take a short way past the framework.

Sending and LINE's events are looked up by their path and answered here, with the same handlers of
exceptions as everything else; all other requests go to the application behind. That saves some
40 microseconds a request: the price of two rounds of middleware and of a walk over the routes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from linegate.metrics import Metrics
from linegate.tracing import REQUEST_TRACE, RequestTrace, Tracer

__all__ = ["Endpoint", "Front", "Handler"]

_log = structlog.get_logger()

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, Exception], Awaitable[Response]]


class Front:
    """The whole API as one ASGI application."""

    def __init__(
        self,
        app: Starlette,
        *,
        exact: Mapping[str, Endpoint],
        prefixed: Mapping[str, tuple[str, Endpoint]],
        handlers: Mapping[type[Exception], Handler],
        metrics: Metrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """POST calls that are answered here; `app` answers the others.

        exact:    by path. prefixed: by what the path begins with; the name of the rest.
        handlers: what becomes of an exception, by its class; `Exception` must be among them.
        metrics:  where requests are counted and timed; None: nowhere.
        tracer:   what traces the calls of `exact`; None: nothing.
        """
        self.app = app
        self._exact = exact
        self._prefixed = prefixed
        self._handlers = handlers
        self._metrics = metrics
        self._tracer = tracer
        self._paths = {
            endpoint: str(getattr(route, "path", "/"))
            for route in app.routes
            if (endpoint := getattr(route, "endpoint", None)) is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run start and end; the answer's status and time are counted."""
        if scope["type"] != "http" or self._metrics is None:
            await self._answer(scope, receive, send)
            return
        started, status = perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        trace = self._begin_trace(scope) if self._tracer is not None else None
        try:
            await self._answer(scope, receive, counted)
        finally:
            route = self._route_of(scope)
            if trace is not None:
                trace.ended(route, status)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(perf_counter() - started)

    def _begin_trace(self, scope: Scope) -> RequestTrace | None:
        """Trace a call that takes messages, if it is to be traced; what answers it finds it."""
        if self._tracer is None or scope["path"] not in self._exact or scope["method"] != "POST":
            return None
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        trace = self._tracer.begin(parent.decode("latin-1"))
        if trace is not None:
            scope[REQUEST_TRACE] = trace
        return trace

    def _route_of(self, scope: Scope) -> str:
        """The path as declared, never as called: it may hold ids and names."""
        path: str = scope["path"]
        if path in self._exact:
            return path
        for prefix, (name, _) in self._prefixed.items():
            if path.startswith(prefix):
                return f"{prefix}{{{name}}}"
        return self._paths.get(scope.get("endpoint"), "other")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoint(scope)
            if endpoint is not None:
                request = Request(scope, receive)
                try:
                    response = await endpoint(request)
                except Exception as error:  # noqa: BLE001 - as the framework does it
                    response = await self._answer_to(request, error)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """All routes, those with a short way included."""
        return self.app.routes

    def _endpoint(self, scope: Scope) -> Endpoint | None:
        path: str = scope["path"]
        endpoint = self._exact.get(path)
        if endpoint is not None:
            return endpoint
        for prefix, (name, prefixed) in self._prefixed.items():
            if path.startswith(prefix):
                scope["path_params"] = {name: path[len(prefix) :]}
                return prefixed
        return None

    async def _answer_to(self, request: Request, error: Exception) -> Response:
        for kind in type(error).__mro__:
            handler = self._handlers.get(kind)
            if handler is None:
                continue
            if kind is Exception:
                _log.error("request.crashed", path=request.url.path, exc_info=error)
            return await handler(request, error)
        raise error
