"""Where a trace is kept, what a traceparent may say, and a message's life as spans."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.spans import Span, ToldAttempt, ToldMessage, spans_of
from linegate.domain.trace import Parent, Trace, read_parent, span_id_of, trace_name, unpack
from linegate.report.teller import next_look

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRACE = Trace(7, 8, 9)


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE_ID}-{SPAN_ID}-01", True),
        (f"00-{TRACE_ID}-{SPAN_ID}-00", False),
        (f"00-{TRACE_ID}-{SPAN_ID}-03", True),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-bring", True),
    ],
)
def test_a_callers_span_is_read(header: str, is_sampled: bool) -> None:
    assert read_parent(header) == Parent(int(TRACE_ID, 16), int(SPAN_ID, 16), is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
    ],
)
def test_a_header_that_breaks_the_rules_is_as_none(header: str | None) -> None:
    assert read_parent(header) is None


ids = st.integers(1, 2**63 - 1)


@given(st.builds(Trace, st.integers(1, 2**128 - 1), ids, ids))
def test_a_trace_survives_the_database(trace: Trace) -> None:
    assert unpack(trace.packed()) == trace
    assert trace_name(trace.packed()) == trace.name
    parent = read_parent(trace.traceparent(trace.span_id))
    assert parent == Parent(trace.trace_id, trace.span_id, is_sampled=True)


def test_what_is_not_traced_has_no_trace() -> None:
    assert unpack(None) is None
    assert trace_name(None) == ""
    assert TRACE.covers(9)
    assert not TRACE.covers(10)


def test_processes_that_never_meet_agree_on_a_span() -> None:
    assert span_id_of(7, 5, "claim", 1) == span_id_of(7, 5, "claim", 1) == 2668175369124474505
    assert len({span_id_of(t, m, n) for t in (7, 8) for m in (5, 6) for n in ("a", "b")}) == 8


def an_attempt(number: int, outcome: str, *, after: int, route: str | None = None) -> ToldAttempt:
    started = AT + after * SECOND
    return ToldAttempt(number, started, started + SECOND, outcome, 200, "r-1", "why", route)


def a_message(**changed: Any) -> ToldMessage:
    told = ToldMessage(
        *(5, 4, "shop", AT, AT + SECOND, 5, 0, AT + 9 * SECOND),
        by_sms=False,
        failed_over_at=None,
        line_status=None,
        line_error=None,
        attempts=[an_attempt(1, "unsent", after=2), an_attempt(2, "accepted", after=5)],
    )
    return told._replace(**changed)


def seconds(span: Span) -> tuple[str, float, float]:
    began, ended = span.started_at - AT, span.ended_at - AT
    return span.name, began.total_seconds(), ended.total_seconds()


def test_every_stage_has_its_time_and_a_try_that_failed_is_an_error() -> None:
    spans = spans_of(TRACE, a_message())
    assert [seconds(span) for span in spans] == [
        ("message", 0, 9),
        ("shape", 0, 1),
        ("claim", 1, 2),
        ("hand over to LINE", 2, 3),
        ("claim", 3, 5),
        ("hand over to LINE", 5, 6),
        ("LINE event", 6, 9),
    ]
    assert [span.error for span in spans if span.error] == ["unsent why"]
    assert len({span.span_id for span in spans}) == len(spans)
    assert {span.parent_id for span in spans[1:]} == {spans[0].span_id}
    assert spans[0].parent_id == TRACE.span_id


def test_a_message_that_was_not_delivered_says_why() -> None:
    (whole,) = spans_of(TRACE, a_message(released_at=None, attempts=(), status=15, error=4100))
    assert whole.error == "EXPIRED_EXPIRED EC_MESSAGE_CANCELED"


def test_an_event_by_a_clock_that_is_behind_ends_not_before_it_began() -> None:
    event = spans_of(TRACE, a_message(done_at=AT + 5 * SECOND))[-1]
    assert seconds(event) == ("LINE event", 5, 5)


def test_a_message_that_waits_long_is_looked_at_less_often() -> None:
    id_ = 6 * 365 * 24 * 3600 * 1000 << 22  # made at the end of 2025
    made = AT.replace(year=2025, month=12, day=30, hour=0)
    assert next_look(id_, made) - made == SECOND
    assert next_look(id_, made + 40 * SECOND) - made == 50 * SECOND
    assert next_look(id_, made + 4000 * SECOND) - made == 4060 * SECOND
