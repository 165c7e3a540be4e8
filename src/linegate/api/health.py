"""Live, ready, metrics: for those who run linegate."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from starlette.requests import Request
from starlette.responses import Response

from linegate.postgres.pool import Pool

__all__ = ["Allow", "Health", "Scraped"]

Allow = Callable[[Request], Awaitable[None]]
"""Whether a request may read the metrics; raises what answers it if not."""


class Scraped:
    """What a scrape shows: what processes have counted, and what the database tells."""

    def __init__(
        self,
        counted: Callable[[], CollectorRegistry],
        of_database: Callable[[], Awaitable[Sequence[Metric]]] | None = None,
    ) -> None:
        """`of_database` is left out by processes beside which an API shows the same."""
        self._counted = counted
        self._of_database = of_database

    async def text(self) -> bytes:
        """Both in Prometheus' text format."""
        text = generate_latest(self._counted())
        if self._of_database is not None:
            text += generate_latest(_registry_of(await self._of_database()))
        return text


class Health:
    """Answers probes and scrapes."""

    def __init__(
        self,
        pool: Pool,
        scraped: Scraped,
        failing: Callable[[], Sequence[str]],
        allow: Allow | None = None,
    ) -> None:
        """`failing` names what does not work; allow None: whoever reaches the port may scrape."""
        self._pool = pool
        self._scraped = scraped
        self._failing = failing
        self._allow = allow

    async def live(self, request: Request) -> Response:
        """200 while the process answers."""
        return _json({"status": "live"}, 200)

    async def ready(self, request: Request) -> Response:
        """200 when the database answers and no loop is failing, else 503 with what is wrong."""
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
        if self._allow is not None:
            await self._allow(request)
        return Response(await self._scraped.text(), media_type=CONTENT_TYPE_LATEST)


class _Given:
    """A collector of metrics that are made already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _registry_of(families: Sequence[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families))
    return registry


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
