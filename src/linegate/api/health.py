"""Live, ready, metrics: for those who run linegate."""

from collections.abc import Callable, Sequence

import asyncpg
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import authorise
from linegate.api.directory import Directory
from linegate.clock import Clock
from linegate.postgres.pool import Pool

__all__ = ["Health"]

_METRICS = frozenset({"metrics:read"})
_LOOPBACK = ("127.0.0.1", "::1")


class Health:
    """Answers probes and scrapes."""

    def __init__(
        self,
        pool: Pool,
        directory: Directory,
        clock: Clock,
        registry: Callable[[], CollectorRegistry],
        failing: Callable[[], Sequence[str]],
    ) -> None:
        """`registry` gives what to scrape; `failing` names the loops whose last run crashed."""
        self._pool = pool
        self._directory = directory
        self._clock = clock
        self._registry = registry
        self._failing = failing

    async def live(self, request: Request) -> Response:
        """200 while the process answers."""
        return _json({"status": "live"}, 200)

    async def ready(self, request: Request) -> Response:
        """200 when requests can be taken: the database answers and no loop is failing; else 503."""
        failing = list(self._failing())
        try:
            async with self._pool.acquire(timeout=2) as conn:
                await conn.execute("SELECT 1", timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return _json({"status": "not ready", "database": type(error).__name__}, 503)
        if failing:
            return _json({"status": "not ready", "failing": failing}, 503)
        return _json({"status": "ready"}, 200)

    async def metrics(self, request: Request) -> Response:
        """Prometheus text, for loopback or a key with `metrics:read`."""
        if request.client is None or request.client.host not in _LOOPBACK:
            await authorise(request, self._directory, _METRICS, self._clock.now())
        return Response(generate_latest(self._registry()), media_type=CONTENT_TYPE_LATEST)


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
