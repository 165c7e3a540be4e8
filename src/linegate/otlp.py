"""Spans to an OpenTelemetry collector over OTLP/HTTP. The only file that knows the SDK.

Imported only where tracing is switched on: the SDK is an extra and takes a third of a second. What
the SDK itself reads from the environment holds too: OTEL_EXPORTER_OTLP_HEADERS for a password,
OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_RESOURCE_ATTRIBUTES.
"""

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from linegate import __version__
from linegate.domain.spans import Span

__all__ = ["Counted", "Otlp"]

Counted = Callable[[bool, int], None]
"""Is told what became of how many spans: whether the collector took them. From any thread."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMEOUT = 5.0  # seconds, repeats included
_EVERY = 1000  # milliseconds
_PER_CALL = 512
_SAMPLED = api.TraceFlags(api.TraceFlags.SAMPLED)
_KINDS = {
    "internal": api.SpanKind.INTERNAL,
    "server": api.SpanKind.SERVER,
    "client": api.SpanKind.CLIENT,
    "consumer": api.SpanKind.CONSUMER,
}


class Otlp:
    """Makes the SDK's spans of ours and hands them to the collector.

    `queue` is for the event loop and never waits; `export` and `close` block, for a thread.
    """

    def __init__(
        self, endpoint: str, *, role: str, queue_size: int, queued: Counted, told: Counted
    ) -> None:
        """Send to `endpoint`, the collector's base URL; `role` says which of our processes.

        queued, told: told what became of what came by `queue` and by `export`.
        """
        url = f"{endpoint}/v1/traces"
        self._ids = _GivenIds()
        self._made = _Kept()
        provider = TracerProvider(
            sampler=ALWAYS_ON,  # what is not to be traced does not come here
            resource=_resource(role),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._made)
        self._tracer = provider.get_tracer("linegate", __version__)
        self._at_once = _Counting(OTLPSpanExporter(url, timeout=_TIMEOUT), told)
        self._queued = _Counting(OTLPSpanExporter(url, timeout=_TIMEOUT), queued)
        self._batches = BatchSpanProcessor(
            self._queued,
            max_queue_size=queue_size,
            schedule_delay_millis=_EVERY,
            max_export_batch_size=_PER_CALL,
        )

    def queue(self, span: Span) -> None:
        """Hand a span to the thread that exports; a full queue loses its oldest."""
        self._batches.on_end(self._readable(span))

    def readable(self, spans: Sequence[Span]) -> Sequence[ReadableSpan]:
        """Our spans as the SDK's; only in the event loop, as `queue`."""
        return [self._readable(span) for span in spans]

    def export(self, spans: Sequence[ReadableSpan]) -> bool:
        """Hand spans over now; whether the collector has them. Blocks."""
        return self._at_once.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Hand over what is queued. Blocks until `abort`, at the latest."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """Give up on a collector that does not answer: exports end, and fail."""
        self._queued.shutdown()
        self._at_once.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        self._ids.trace_id, self._ids.span_id = span.trace_id, span.span_id
        made = self._tracer.start_span(
            span.name,
            _below(span),
            _KINDS[span.kind],
            attributes=dict(span.attributes),
            start_time=_nanoseconds(span.started_at),
        )
        if span.error is not None:
            made.set_status(api.Status(api.StatusCode.ERROR, span.error))
        made.end(_nanoseconds(span.ended_at))
        return self._made.taken()


class _GivenIds(IdGenerator):
    """The ids of the span that is being made; ours are derived or kept, never the SDK's."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Kept(SpanProcessor):
    """Keeps the span that has just been made."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def taken(self) -> ReadableSpan:
        return self._spans.pop()


class _Counting(SpanExporter):
    """Tells what became of every export."""

    def __init__(self, exporter: OTLPSpanExporter, counted: Counted) -> None:
        self._exporter = exporter
        self._counted = counted
        self._is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._counted(result is SpanExportResult.SUCCESS, len(spans))
        return result

    def shutdown(self) -> None:
        if not self._is_shut:
            self._is_shut = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _below(span: Span) -> Context:
    """A context in which the span's parent, if it has one, is the present span."""
    if span.parent_id is None:
        return api.set_span_in_context(api.INVALID_SPAN)
    parent = api.SpanContext(span.trace_id, span.parent_id, span.remote, _SAMPLED)
    return api.set_span_in_context(api.NonRecordingSpan(parent))


def _resource(role: str) -> Resource:
    return Resource.create(
        {
            "service.name": "linegate",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}/{role}",
            "linegate.role": role,
        }
    )


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND * 1000
