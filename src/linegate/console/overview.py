"""The first page: what ends by the minute, what waits, and what is in trouble."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from linegate.console.charts import bars
from linegate.console.pages import duration, page
from linegate.console.states import HOLDS
from linegate.console.visit import Visit
from linegate.domain.pulse import BY_SMS, SPANS, Beat, Span, percentile
from linegate.domain.status import STATUSES
from linegate.postgres.console import (
    EndpointState,
    SenderState,
    endpoint_states,
    read_pulse,
    sender_states,
)
from linegate.postgres.pool import Pool
from linegate.postgres.sms_routes import ShownRoute, list_routes
from linegate.report.timeline import shown_url

__all__ = ["MOST", "Overview", "Rates", "Slowness", "figures_of"]

MOST = 10_001
"""Where counting of what waits stops: more is shown as "more than 10,000"."""

_LOOKS_APART = timedelta(seconds=1)
_BEHIND = timedelta(minutes=1)
_OWN_PACE = timedelta(seconds=0.4)  # a sender books at most a burst ahead of its pace,
_STOPPED_FOR = timedelta(seconds=1)  # and a 429 stops it for so long
_SLOWED_FOR = timedelta(seconds=10)
_REMEMBERED_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the top of the page says. delivered_share: None if nothing has ended."""

    ended: int
    by_group: dict[str, int]
    delivered_share: float | None
    failover_share: float | None
    p50: float | None
    p95: float | None
    chart: Markup


class Rates:
    """Messages a second of each sender, from two looks at how many it was allowed."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._looks: dict[int, tuple[datetime, int, float]] = {}

    def rate(self, sender_id: int, granted: int, now: datetime) -> float:
        """What it hands over a second; 0 at the first look."""
        at, before, rate = self._looks.get(sender_id, (now - 2 * _REMEMBERED_FOR, granted, 0.0))
        passed = now - at
        if passed < _LOOKS_APART:
            return rate
        rate = (granted - before) / passed.total_seconds() if passed < _REMEMBERED_FOR else 0.0
        self._looks[sender_id] = (now, granted, max(rate, 0.0))
        return max(rate, 0.0)


class Slowness:
    """Which senders LINE slowed down (429): what one look sees counts for ten seconds."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seen: dict[int, datetime] = {}

    def is_slowed(self, sender_id: int, free_at: datetime, now: datetime) -> bool:
        """Whether it may not send for longer than its own pace asks, or might not just now."""
        if _OWN_PACE < free_at - now <= _STOPPED_FOR:
            self._seen[sender_id] = now
        return now - self._seen.get(sender_id, now - _SLOWED_FOR) < _SLOWED_FOR


class Overview:
    """Shows how the installation does."""

    def __init__(self, pool: Pool) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._rates = Rates()
        self._slowness = Slowness()

    async def show(self, visit: Visit) -> Response:
        """The whole page."""
        return await self._answer(visit, "overview.html")

    async def show_live(self, visit: Visit) -> Response:
        """The part that is fetched again every two seconds."""
        return await self._answer(visit, "_overview.html")

    async def _answer(self, visit: Visit, template: str) -> Response:
        span = SPANS.get(visit.query.text("span"), SPANS["hour"])
        ids, now = visit.viewer.account_ids, visit.now
        async with self._pool.acquire() as conn:
            beats = await read_pulse(conn, ids, grain=span.grain, since=now - span.lasts)
            senders = await sender_states(conn, ids, most=MOST, now=now)
            endpoints = await endpoint_states(conn, ids, most=1001, limit=20)
            routes = await list_routes(conn, visit.viewer.account_id)
        names = set(visit.viewer.accounts.values())
        routes = [each for each in routes if each.account in names and each.enabled]
        rates = {each.id: self._rates.rate(each.id, each.granted, now) for each in senders}
        return page(
            visit,
            template,
            span=span,
            spans=SPANS.values(),
            figures=figures_of(beats, span, now),
            ended=f"/console/messages?by=end&since={_first(span, now)}",
            senders=senders,
            rates=rates,
            slowed={
                each.id for each in senders if self._slowness.is_slowed(each.id, each.free_at, now)
            },
            endpoints=endpoints,
            shown_url=shown_url,
            routes=routes,
            waiting=sum(each.waiting for each in senders),
            most=MOST - 1,
            oldest=min(
                (each.waiting_since for each in senders if each.waiting_since), default=None
            ),
            troubles=_troubles(senders, endpoints, routes, now),
        )


def figures_of(beats: Sequence[Beat], span: Span, now: datetime) -> Figures:
    """Sums and the chart of a span that ends now."""
    by_point: dict[float, Counter[str]] = defaultdict(Counter)
    by_group: Counter[str] = Counter()
    by_bucket: Counter[int] = Counter()
    for beat in beats:
        by_bucket[beat.bucket] += beat.messages
        if beat.bucket == BY_SMS:
            continue
        group = STATUSES[beat.status].group_name if beat.status in STATUSES else "PENDING"
        by_point[beat.at][group] += beat.messages
        by_group[group] += beat.messages
    ended = by_group.total()
    points = [(_label(at, span), by_point[at]) for at in _points(span, now)]
    per = "minute" if span.grain == 1 else f"{span.grain} minutes"
    return Figures(
        ended,
        dict(by_group),
        by_group["DELIVERED"] / ended if ended else None,
        by_bucket[BY_SMS] / ended if ended else None,
        percentile(by_bucket, 0.5),
        percentile(by_bucket, 0.95),
        bars(
            points,
            title=f"Messages per {per} by outcome, {span.words}",
            unit=f"messages that ended, per {per}",
            labels=7 if span.name == "week" else 6,
        ),
    )


def _points(span: Span, now: datetime) -> list[float]:
    """The beginnings of a chart's columns, oldest first."""
    step = span.grain * 60
    last = int(now.timestamp()) // step * step
    count = int(span.lasts.total_seconds()) // step
    return [float(last - step * back) for back in range(count - 1, -1, -1)]


def _first(span: Span, now: datetime) -> str:
    """When the first column of a chart begins, as the search's field takes it."""
    return datetime.fromtimestamp(_points(span, now)[0], UTC).strftime("%Y-%m-%dT%H:%M")


def _label(at: float, span: Span) -> str:
    form = "%d %b" if span.name == "week" else "%H:%M"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def _troubles(
    senders: Sequence[SenderState],
    endpoints: Sequence[EndpointState],
    routes: Sequence[ShownRoute],
    now: datetime,
) -> list[tuple[str, str]]:
    """What needs attention: words and where to act."""
    found = [
        (
            f"Sender {each.name} is held: {HOLDS[each.hold].what}",
            f"/console/senders/{each.id}",
        )
        for each in senders
        if each.hold is not None
    ]
    found += [
        (f"Sender {each.name} hears none of LINE's events", f"/console/senders/{each.id}")
        for each in senders
        if each.deaf_at is not None
    ]
    found += [
        (
            f"Sender {each.name} is behind: its oldest due message waits for"
            f" {duration(now - each.waiting_since)}",
            f"/console/messages?group=PENDING&due=1&sender={quote(each.name)}",
        )
        for each in senders
        if each.hold is None and each.waiting_since and now - each.waiting_since > _BEHIND
    ]
    found += [
        (
            f"Endpoint {shown_url(each.url)} fails: {each.last_error}",
            f"/console/webhooks/{each.id}?posts=failed#posts-h",
        )
        for each in endpoints
        if each.failures > 0
    ]
    found += [
        (f"SMS route {each.name} is down: {each.trouble}", "/console/senders#routes-h")
        for each in routes
        if each.is_up is False
    ]
    return found
