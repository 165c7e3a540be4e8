"""What metrics show of the database: read at a scrape, and for the next few seconds remembered.

Each API process shows the whole installation, so with several of them take the largest value and
never the sum. Counts of a queue stop at 10,000; ages are exact.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from linegate.clock import Clock
from linegate.domain.pulse import BOUNDS
from linegate.domain.status import STATUSES
from linegate.postgres.observe import Ended, Observed, observe
from linegate.postgres.pool import AWAY, Pool

__all__ = ["SHOWN", "DatabaseMetrics", "families_of"]

_FRESH_FOR = timedelta(seconds=5)
_WITHIN = 3.0  # seconds
_log = structlog.get_logger()


class Shown(NamedTuple):
    """One metric: gauge, counter or histogram."""

    kind: str
    meaning: str
    labels: tuple[str, ...] = ()


SHOWN: Mapping[str, Shown] = {
    "linegate_database_up": Shown("gauge", "1 while the database answers this process"),
    "linegate_messages_unfinished": Shown(
        "gauge", "Messages of all accounts that were accepted and have not ended"
    ),
    "linegate_queue_messages": Shown(
        "gauge",
        "Released messages by sender and step (due_alone, due_paced, due_bulk), to 10,000 each",
        ("sender", "step"),
    ),
    "linegate_queue_oldest_seconds": Shown(
        "gauge", "How long the oldest released message has been due", ("sender", "step")
    ),
    "linegate_underway_messages": Shown(
        "gauge",
        "Messages being sent or waiting for an answer, of the first 10,000 to run out",
        ("leg", "step"),
    ),
    "linegate_overdue_seconds": Shown(
        "gauge",
        "How long ago the oldest lease (sending) or wait (sent, unknown) ended that nobody took up",
        ("leg", "step"),
    ),
    "linegate_stopped_messages": Shown(
        "gauge", "Messages that wait for a turn of their pace, or are held; to 10,000", ("step",)
    ),
    "linegate_bulks_open": Shown("gauge", "Unfinished bulks, to 10,000", ("status",)),
    "linegate_shaper_behind_seconds": Shown(
        "gauge", "How long the oldest bulk has waited to be looked at"
    ),
    "linegate_rollup_behind_seconds": Shown("gauge", "How old the sums of the statistics are"),
    "linegate_sender_held": Shown(
        "gauge", "1 for each sender that is held, by reason", ("sender", "reason")
    ),
    "linegate_sender_deaf": Shown(
        "gauge", "1 for a sender that hands over and hears no event", ("sender",)
    ),
    "linegate_sms_route_up": Shown(
        "gauge",
        "1 while an SMS route is connected; absent until it was tried",
        ("account", "route"),
    ),
    "linegate_sms_queue_messages": Shown(
        "gauge", "SMS that wait for a route, to 10,000", ("account", "route")
    ),
    "linegate_sms_queue_oldest_seconds": Shown(
        "gauge", "How long the oldest SMS of a route has been due", ("account", "route")
    ),
    "linegate_endpoints_waiting": Shown(
        "gauge", "Endpoints with waiting reports: steady, new, failing or gone", ("state",)
    ),
    "linegate_report_oldest_seconds": Shown(
        "gauge", "How long the report has waited that is next, by state of its endpoint", ("state",)
    ),
    "linegate_database_oldest_transaction_seconds": Shown(
        "gauge",
        "Age of the oldest open transaction: a long one holds back the clean-up",
    ),
    "linegate_messages_ended_total": Shown(
        "counter", "Messages that have ended, by public status", ("status",)
    ),
    "linegate_delivery_seconds": Shown(
        "histogram", "From LINE's hand-over to its delivery event, of delivered messages"
    ),
}

Row = tuple[tuple[str, ...], float]


class DatabaseMetrics:
    """Looks at the database when a scrape asks and the last look is old."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Look over `pool`."""
        self._pool = pool
        self._clock = clock
        self._looking = asyncio.Lock()
        self._seen: list[Metric] = []
        self._seen_at: datetime | None = None

    async def families(self) -> Sequence[Metric]:
        """The metrics, at most 5 s old; a single one while the database is away."""
        async with self._looking:
            now = self._clock.now()
            if self._seen_at is None or now - self._seen_at >= _FRESH_FOR:
                self._seen = await self._look(now)
                self._seen_at = now
            return self._seen

    async def _look(self, now: datetime) -> list[Metric]:
        try:
            async with (
                asyncio.timeout(_WITHIN),
                self._pool.acquire() as conn,
            ):
                return families_of(await observe(conn), now)
        except AWAY as error:
            _log.warning("database.away", error=type(error).__name__)
            return [_family("linegate_database_up", [((), 0)])]


def families_of(seen: Observed, now: datetime) -> list[Metric]:
    """What was seen, as metrics; ages are as of `now`."""
    whole, ended = seen.whole, [((_name(s),), n) for s, n in _by_status(seen.ends).items()]
    rows: dict[str, Iterable[Row]] = {
        "linegate_database_up": [((), 1)],
        "linegate_messages_unfinished": [((), whole.unfinished)],
        "linegate_queue_messages": [((d.sender, d.step), d.messages) for d in seen.due],
        "linegate_queue_oldest_seconds": [
            ((d.sender, d.step), _age(d.due_at, now)) for d in seen.due
        ],
        "linegate_underway_messages": [((t.leg, t.step), t.messages) for t in seen.timers],
        "linegate_overdue_seconds": [((t.leg, t.step), _age(t.due_at, now)) for t in seen.timers],
        "linegate_stopped_messages": [((step,), count) for step, count in seen.stopped.items()],
        "linegate_bulks_open": [((status,), count) for status, count in seen.bulks.items()],
        "linegate_shaper_behind_seconds": [((), _age(whole.shaping_at, now))],
        "linegate_rollup_behind_seconds": [((), _age(whole.rolled_up_at, now))],
        "linegate_sender_held": [((s.sender, s.hold), 1) for s in seen.senders if s.hold],
        "linegate_sender_deaf": [((s.sender,), 1) for s in seen.senders if s.is_deaf],
        "linegate_database_oldest_transaction_seconds": [((), _age(whole.transaction_at, now))],
        "linegate_messages_ended_total": ended,
        **_of_routes(seen, now),
        "linegate_endpoints_waiting": [((r.state,), r.endpoints) for r in seen.reports],
        "linegate_report_oldest_seconds": [((r.state,), _age(r.due_at, now)) for r in seen.reports],
    }
    return [*(_family(name, each) for name, each in rows.items()), _delivery(seen.ends)]


def _of_routes(seen: Observed, now: datetime) -> dict[str, Iterable[Row]]:
    return {
        "linegate_sms_route_up": [
            ((r.account, r.route), float(r.is_up)) for r in seen.routes if r.is_up is not None
        ],
        "linegate_sms_queue_messages": [((r.account, r.route), r.messages) for r in seen.routes],
        "linegate_sms_queue_oldest_seconds": [
            ((r.account, r.route), _age(r.due_at, now)) for r in seen.routes
        ],
    }


def _family(name: str, rows: Iterable[Row]) -> Metric:
    kind, meaning, labels = SHOWN[name]
    family: GaugeMetricFamily | CounterMetricFamily
    if kind == "counter":
        family = CounterMetricFamily(name, meaning, labels=labels)
    else:
        family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _delivery(ends: Sequence[Ended]) -> Metric:
    """The buckets of the pulse, added up as a histogram wants them; it has no sum."""
    name = "linegate_delivery_seconds"
    total, buckets = 0, []
    for bucket in range(1, len(BOUNDS) + 1):
        total += sum(each.messages for each in ends if each.bucket == bucket)
        edge = str(float(BOUNDS[bucket])) if bucket < len(BOUNDS) else "+Inf"
        buckets.append((edge, float(total)))
    family = HistogramMetricFamily(name, SHOWN[name].meaning)
    family.add_metric((), buckets, None)
    family.add_sample(name + "_count", {}, float(total))  # left out by the library without a sum
    return family


def _by_status(ends: Sequence[Ended]) -> dict[int, int]:
    found: dict[int, int] = {}
    for status, _, messages in ends:
        found[status] = found.get(status, 0) + messages
    return found


def _name(status: int) -> str:
    known = STATUSES.get(status)
    return known.name if known else str(status)


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())
