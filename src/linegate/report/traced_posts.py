"""The posts of reports in a trace: what the receiver is told, and the spans."""

from collections.abc import Sequence
from datetime import datetime

from linegate.domain.ids import public_id
from linegate.domain.spans import Span
from linegate.domain.trace import Trace, span_id_of
from linegate.postgres.reporting import DueReport
from linegate.webhook.client import PushKind, PushOutcome

__all__ = ["spans_of_post", "traceparent_of"]


def traceparent_of(batch: Sequence[DueReport]) -> str | None:
    """What the receiver of a post gets as `traceparent`; None if no report of it is traced.

    A post has one such header: of several traced reports it is the first one's.
    """
    for report in batch:
        if report.trace is not None:
            return report.trace.traceparent(_span_id(report, report.trace))
    return None


def spans_of_post(
    batch: Sequence[DueReport], outcome: PushOutcome, started_at: datetime, ended_at: datetime
) -> list[Span]:
    """A span for each traced report of a post."""
    return [
        Span(
            report.trace.trace_id,
            _span_id(report, report.trace),
            report.trace.message_span(report.message.id),
            "report",
            started_at,
            ended_at,
            "client",
            error=None if outcome.kind is PushKind.TAKEN else outcome.detail,
            attributes={
                "linegate.message_id": public_id(report.message.id),
                "linegate.report": "intermediate" if report.number else "final",
                "linegate.reports": len(batch),
                "linegate.outcome": outcome.kind.value,
                "http.response.status_code": outcome.code,
            },
        )
        for report in batch
        if report.trace is not None
    ]


def _span_id(report: DueReport, trace: Trace) -> int:
    """Of this try of this report."""
    return span_id_of(trace.trace_id, report.message.id, "report", report.number, report.tries)
