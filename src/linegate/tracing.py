"""Which requests are traced, and the way of their spans to a collector.

Never in anybody's way: spans wait in a bounded queue, another thread hands them over, and what
finds the queue full is dropped and counted. Without `trace_endpoint` there is no tracer, and
nobody does more than to see that there is none.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from linegate.clock import Clock
from linegate.domain.spans import Span
from linegate.domain.trace import Trace, read_parent, span_id_of
from linegate.metrics import Metrics

if TYPE_CHECKING:
    from linegate.otlp import Otlp

__all__ = ["REQUEST_TRACE", "RequestTrace", "Tracer", "open_tracer"]

REQUEST_TRACE = "linegate.trace"
"""Where a request's ASGI scope keeps its RequestTrace."""

_QUEUE = 4096
_CLOSE_WITHIN = 3.0  # seconds


class Tracer:
    """Traces requests of this process, and hands spans over."""

    def __init__(self, clock: Clock, metrics: Metrics, *, share: float) -> None:
        """Trace this share of the requests whose caller does not say whether to; then `start`."""
        self._clock = clock
        self._metrics = metrics
        self._share = share
        self._queued = 0  # by the event loop
        self._settled = 0  # by the exporting thread; each has one writer
        self._otlp: Otlp | None = None

    def start(self, otlp: "Otlp") -> None:
        """Hand spans to `otlp` from now on."""
        self._otlp = otlp

    def begin(self, traceparent: str | None) -> "RequestTrace | None":
        """A request has come; None if it is not traced. The caller's word counts, if it has one.

        Source: W3C Trace Context, section 3.2.2.5.1 (sampled flag); OpenTelemetry's ParentBased.
        """
        parent = read_parent(traceparent)
        if not (parent.is_sampled if parent else random.random() < self._share):  # noqa: S311
            return None
        trace_id = parent.trace_id if parent else random.getrandbits(127) + 1
        trace = Trace(trace_id, random.getrandbits(63) + 1)
        return RequestTrace(self, trace, parent.span_id if parent else None, self.now())

    def now(self) -> datetime:
        """The present instant."""
        return self._clock.now()

    def tell(self, span: Span) -> None:
        """Hand a span over some time; it is dropped if too many wait."""
        if self._otlp is None or self._queued - self._settled >= _QUEUE:
            self._metrics.spans.labels("dropped").inc()
            return
        self._queued += 1
        self._otlp.queue(span)

    async def export(self, spans: Sequence[Span]) -> bool:
        """Hand spans over now; whether the collector has taken them."""
        if self._otlp is None:
            return False
        return await asyncio.to_thread(self._otlp.export, self._otlp.readable(spans))

    async def aclose(self) -> None:
        """Hand over what waits, within 3 s; a collector that does not answer keeps nobody."""
        otlp, self._otlp = self._otlp, None
        if otlp is None:
            return
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            otlp.close()
            with contextlib.suppress(RuntimeError):  # the loop was not kept: it has ended
                loop.call_soon_threadsafe(closed.set)

        # Not of the loop's own threads: the process would wait for such a one when it ends.
        threading.Thread(target=close, name="tracer's end", daemon=True).start()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await closed.wait()
        except TimeoutError:
            otlp.abort()

    def count_queued(self, taken: bool, spans: int) -> None:
        """Spans of the queue have been handed over, or not."""
        self._settled += spans
        self.count(taken, spans)

    def count(self, taken: bool, spans: int) -> None:
        """Spans have been handed over, or not."""
        self._metrics.spans.labels("exported" if taken else "failed").inc(spans)


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """One traced request. parent_id: the caller's span, if it named one."""

    tracer: Tracer
    trace: Trace
    parent_id: int | None
    started_at: datetime

    def accepted(self, started_at: datetime, bulk: str, messages: int) -> None:
        """Its messages are on disk."""
        span = Span(
            self.trace.trace_id,
            span_id_of(self.trace.trace_id, self.trace.span_id, "accept"),
            self.trace.span_id,
            "accept",
            started_at,
            self.tracer.now(),
            attributes={"linegate.bulk_id": bulk, "linegate.messages": messages},
        )
        self.tracer.tell(span)

    def ended(self, route: str, status: int) -> None:
        """It was answered."""
        span = Span(
            self.trace.trace_id,
            self.trace.span_id,
            self.parent_id,
            f"POST {route}",
            self.started_at,
            self.tracer.now(),
            "server",
            error=f"answered {status}" if status == 0 or status >= 500 else None,
            attributes={
                "http.request.method": "POST",
                "http.route": route,
                "http.response.status_code": status,
            },
            remote=self.parent_id is not None,
        )
        self.tracer.tell(span)


def open_tracer(
    endpoint: str | None, *, share: float, role: str, clock: Clock, metrics: Metrics
) -> Tracer | None:
    """A tracer that hands over to the collector at `endpoint`; None without one. `aclose` it."""
    if endpoint is None:
        return None
    from linegate.otlp import Otlp  # noqa: PLC0415 - an extra, and slow to import

    tracer = Tracer(clock, metrics, share=share)
    otlp = Otlp(
        endpoint,
        role=role,
        queue_size=_QUEUE,
        queued=tracer.count_queued,
        told=tracer.count,
    )
    tracer.start(otlp)
    return tracer
