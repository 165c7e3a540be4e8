"""Loop: how many reports wait, by endpoint, for the operator's metrics."""

from datetime import timedelta

from linegate.metrics import Metrics
from linegate.postgres.endpoints import waiting_by_endpoint
from linegate.postgres.pool import Pool

__all__ = ["Census"]

_ENDPOINTS = 200  # the fullest; more would make the scrape grow with the clients


class Census:
    """Counts what waits. Labels are endpoint ids: `linegate webhook list` knows their URLs."""

    name = "report census"
    interval = timedelta(seconds=30)

    def __init__(self, pool: Pool, metrics: Metrics) -> None:
        """Count over `pool`."""
        self._pool = pool
        self._metrics = metrics
        self._shown: set[str] = set()

    async def run_once(self) -> int:
        """Count; gives 0, as there is never more to do at once."""
        async with self._pool.acquire() as conn:
            rows = await waiting_by_endpoint(conn, limit=_ENDPOINTS)
        gone = self._shown - {str(row.endpoint_id) for row in rows}
        for label in gone:
            self._show(label, 0, 0, 0)
        for row in rows:
            self._show(str(row.endpoint_id), row.waiting, row.given_up, row.failures)
        self._shown = {str(row.endpoint_id) for row in rows}
        return 0

    def _show(self, label: str, waiting: int, given_up: int, failures: int) -> None:
        self._metrics.reports_waiting.labels(label).set(waiting)
        self._metrics.reports_given_up.labels(label).set(given_up)
        self._metrics.endpoint_failures.labels(label).set(failures)
