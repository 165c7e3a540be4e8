"""Loop: delivery reports go to the client's endpoints.

An endpoint is leased by one worker at a time and drained in batches, a few posts at once, so that
a report needs no claim of its own. Endpoints never wait for each other; one that fails waits alone.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.domain.report import FinishedMessage
from linegate.domain.retry import push_delay
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import (
    Endpoint,
    due_reports,
    keep_endpoint,
    lease_endpoints,
    next_push_at,
    release_endpoint,
    reports_failed,
    reports_taken,
)
from linegate.report.bodies import encode_reports
from linegate.report.signer import Signer
from linegate.webhook.client import PushKind, PushOutcome, WebhookClient

__all__ = ["Pusher"]

_log = structlog.get_logger()
_ENDPOINTS_AT_ONCE = 64
_PER_POST = 100
_POSTS_AT_ONCE = 4
_LEASE_FOR = timedelta(seconds=60)
_FAILING_AFTER = 3  # failed posts in a row, from which on the endpoint is only probed
_LONGEST_PROBE_WAIT = timedelta(minutes=1)

Due = tuple[FinishedMessage, int]


class Pusher:
    """Pushes what is due. Any number of processes may run one."""

    name = "pusher"
    interval = timedelta(seconds=1)

    def __init__(
        self, pool: Pool, clock: Clock, client: WebhookClient, signer: Signer, metrics: Metrics
    ) -> None:
        """Push through `client`, signed by `signer`."""
        self._pool = pool
        self._clock = clock
        self._client = client
        self._signer = signer
        self._metrics = metrics
        self._draining: set[asyncio.Task[None]] = set()
        self._next_at: datetime | None = None

    async def run_once(self) -> int:
        """Lease endpoints with reports due and start draining each; gives how many endpoints."""
        self._reap()
        free = _ENDPOINTS_AT_ONCE - len(self._draining)
        if free <= 0:
            return 0
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            leased = await lease_endpoints(conn, limit=free, leased_until=now + _LEASE_FOR, now=now)
            self._next_at = None if leased else await next_push_at(conn, now=now)
        for endpoint in leased:
            self._draining.add(asyncio.create_task(self._drain(endpoint)))
        return len(leased)

    def next_at(self) -> datetime | None:
        """When the next waiting report may be tried."""
        return self._next_at

    async def aclose(self) -> None:
        """Let the posts under way end, and give the endpoints back."""
        if self._draining:
            await asyncio.wait(self._draining)
        self._reap()

    def _reap(self) -> None:
        """Raise what ended a drain, for the supervisor to tell; the lease runs out by itself."""
        for task in [each for each in self._draining if each.done()]:
            self._draining.discard(task)
            task.result()

    async def _drain(self, endpoint: Endpoint) -> None:
        failures, probe_at, error = endpoint.failures, None, None
        give_back_at = self._clock.now() + _LEASE_FOR / 2
        while self._clock.now() < give_back_at:
            at_once = 1 if failures else _POSTS_AT_ONCE
            async with self._pool.acquire() as conn:
                due = await due_reports(
                    conn, endpoint.id, limit=_PER_POST * at_once, now=self._clock.now()
                )
            if not due:
                break
            batches = [due[at : at + _PER_POST] for at in range(0, len(due), _PER_POST)]
            outcomes = await asyncio.gather(*(self._post(endpoint, batch) for batch in batches))
            failed = [each for each in outcomes if each.kind is not PushKind.TAKEN]
            failures = failures + len(failed) if len(failed) == len(outcomes) else 0
            error = failed[0].detail if failed else None
            if failures >= _FAILING_AFTER:
                probe_at = self._probe_at(failures, failed[0])
                break
            async with self._pool.acquire() as conn:
                await keep_endpoint(conn, endpoint.id, leased_until=self._clock.now() + _LEASE_FOR)
        async with self._pool.acquire() as conn:
            await release_endpoint(
                conn, endpoint.id, failures=failures, probe_at=probe_at, last_error=error
            )

    def _probe_at(self, failures: int, last: PushOutcome) -> datetime:
        wait = min(_LONGEST_PROBE_WAIT, timedelta(seconds=2 ** min(failures - _FAILING_AFTER, 6)))
        return self._clock.now() + max(wait, last.retry_after or timedelta(0))

    async def _post(self, endpoint: Endpoint, batch: Sequence[Due]) -> PushOutcome:
        body = encode_reports([message for message, _ in batch], endpoint.content_type)
        now = self._clock.now()
        headers = self._signer.headers(endpoint, batch[0][0].id, body, now)
        outcome = await self._client.post(
            endpoint.url, body=body, content_type=endpoint.content_type, headers=headers
        )
        ids = [message.id for message, _ in batch]
        async with self._pool.acquire() as conn:
            if outcome.kind is PushKind.TAKEN:
                await reports_taken(conn, ids)
            else:
                await self._failed(conn, batch, outcome)
        self._metrics.pushed.labels(outcome.kind.value).inc(len(ids))
        _log.info(
            "reports.pushed",
            endpoint=endpoint.id,
            reports=len(ids),
            outcome=outcome.kind.value,
            code=outcome.code,
            detail=outcome.detail,
        )
        return outcome

    async def _failed(self, conn: object, batch: Sequence[Due], outcome: PushOutcome) -> None:
        now = self._clock.now()
        rows: list[tuple[int, int, datetime | None]] = []
        for message, tries in batch:
            delay = None if outcome.kind is PushKind.GONE else push_delay(tries + 1)
            if delay is not None and outcome.retry_after is not None:
                delay = max(delay, outcome.retry_after)
            rows.append((message.id, tries + 1, None if delay is None else now + delay))
        await reports_failed(conn, rows, now=now)
