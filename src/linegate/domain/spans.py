"""A message's life as spans of its request's trace: what is stored of it in, spans out.

Each stage has its own: shape (until it was due), claim (until somebody took it up), the hand-over,
LINE's event, the fail-over, the SMS and its receipts. Their parent is the message, whose parent is
the request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from linegate.domain.ids import public_id
from linegate.domain.outcome import OutcomeKind
from linegate.domain.status import ERRORS, STATUSES
from linegate.domain.trace import Trace, span_id_of

__all__ = ["Span", "SpanKind", "ToldAttempt", "ToldMessage", "ToldReceipt", "spans_of"]

SpanKind = str
"""internal, server, client or consumer, as OpenTelemetry means them."""

_DELIVERED_GROUP = 3
_TAKEN = OutcomeKind.ACCEPTED.value


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took a while. parent_id None: the first of its trace.

    error: why it went wrong; None: it did not. remote: its parent is another system's.
    """

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    started_at: datetime
    ended_at: datetime
    kind: SpanKind = "internal"
    error: str | None = None
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    remote: bool = False


class ToldAttempt(NamedTuple):
    """One try over one leg. route: of an SMS; None: LINE."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: int
    request_id: str
    detail: str
    route: str | None


class ToldReceipt(NamedTuple):
    """What an SMS provider told of a message."""

    received_at: datetime
    status: int
    error: int


class ToldMessage(NamedTuple):
    """What is stored of a message that has ended.

    released_at: when it fell due; None: it ended before. failed_over_at, line_*: when its SMS leg
    began, and how its LINE leg had ended.
    """

    id: int
    bulk_id: int
    sender: str
    accepted_at: datetime
    released_at: datetime | None
    status: int
    error: int
    done_at: datetime
    by_sms: bool
    failed_over_at: datetime | None
    line_status: int | None
    line_error: int | None
    attempts: Sequence[ToldAttempt] = ()
    receipts: Sequence[ToldReceipt] = ()


def spans_of(trace: Trace, message: ToldMessage) -> list[Span]:
    """The message's span first, then those below it in the order of its stages."""
    return [_whole(trace, message), *_stages(trace, message)]


def _whole(trace: Trace, message: ToldMessage) -> Span:
    return Span(
        trace.trace_id,
        trace.message_span(message.id),
        trace.span_id,
        "message",
        message.accepted_at,
        max(message.accepted_at, message.done_at),
        error=_why(message.status, message.error),
        attributes={
            "linegate.message_id": public_id(message.id),
            "linegate.bulk_id": public_id(message.bulk_id),
            "linegate.sender": message.sender,
            **_end(message.status, message.error),
            "linegate.failed_over": message.failed_over_at is not None,
        },
    )


def _stages(trace: Trace, message: ToldMessage) -> Iterator[Span]:
    by_line = [each for each in message.attempts if each.route is None]
    by_sms = [each for each in message.attempts if each.route is not None]
    if message.released_at is not None:
        yield _span(trace, message, "shape", message.accepted_at, message.released_at)
        yield from _leg(trace, message, "LINE", message.released_at, by_line)
    began = by_line[-1].ended_at if by_line else (message.released_at or message.accepted_at)
    if message.failed_over_at is not None:
        line_end = _end(message.line_status or 0, message.line_error or 0)
        yield _span(trace, message, "failover", began, message.failed_over_at, attributes=line_end)
        yield from _leg(trace, message, "SMS", message.failed_over_at, by_sms)
    if _is_delivered(message.status) and not message.by_sms:
        began = _taken_at(by_line) or message.done_at
        yield _span(trace, message, "LINE event", began, message.done_at, "consumer")
    began = _taken_at(by_sms) or message.done_at
    for number, told in enumerate(message.receipts, 1):
        yield _span(
            trace,
            message,
            "SMS receipt",
            began,
            told.received_at,
            "consumer",
            number=number,
            error=_why(told.status, told.error) if told.error else None,
            attributes=_end(told.status, told.error),
        )


def _leg(
    trace: Trace, message: ToldMessage, leg: str, due_at: datetime, tries: Sequence[ToldAttempt]
) -> Iterator[Span]:
    """The wait for a worker and the hand-over, for each attempt."""
    for tried in tries:
        number = tried.number
        facts: dict[str, str | int | bool] = {"linegate.leg": leg, "linegate.attempt": number}
        yield _span(
            *(trace, message, "claim", due_at, tried.started_at),
            number=number,
            attributes=facts,
        )
        yield _span(
            *(trace, message, f"hand over to {leg}", tried.started_at, tried.ended_at, "client"),
            number=number,
            error=None if tried.outcome == _TAKEN else f"{tried.outcome} {tried.detail}".rstrip(),
            attributes=facts | _answer(tried),
        )
        due_at = tried.ended_at


def _answer(tried: ToldAttempt) -> dict[str, str | int | bool]:
    facts: dict[str, str | int | bool] = {"linegate.outcome": tried.outcome}
    if tried.code:
        facts["http.response.status_code" if tried.route is None else "linegate.code"] = tried.code
    if tried.request_id:
        facts["linegate.request_id"] = tried.request_id
    if tried.route is not None:
        facts["linegate.route"] = tried.route
    return facts


def _span(  # noqa: PLR0913 - a span has as many parts
    trace: Trace,
    message: ToldMessage,
    name: str,
    started_at: datetime,
    ended_at: datetime,
    kind: SpanKind = "internal",
    *,
    number: int = 0,
    error: str | None = None,
    attributes: Mapping[str, str | int | bool] | None = None,
) -> Span:
    """A span below the message's. LINE's clock is not ours: none ends before it began."""
    return Span(
        trace.trace_id,
        span_id_of(trace.trace_id, message.id, name, number),
        trace.message_span(message.id),
        name,
        min(started_at, ended_at),
        ended_at,
        kind,
        error,
        {"linegate.message_id": public_id(message.id), **(attributes or {})},
    )


def _taken_at(tries: Sequence[ToldAttempt]) -> datetime | None:
    """When the last hand-over was taken."""
    return next((each.ended_at for each in reversed(tries) if each.outcome == _TAKEN), None)


def _end(status: int, error: int) -> dict[str, str | int | bool]:
    names: dict[str, str | int | bool] = {"linegate.status": _status(status)}
    if error:
        names["linegate.error"] = ERRORS[error].name if error in ERRORS else str(error)
    return names


def _why(status: int, error: int) -> str | None:
    """Why a message was not delivered; None if it was."""
    if _is_delivered(status):
        return None
    return " ".join(map(str, _end(status, error).values()))


def _status(status: int) -> str:
    return STATUSES[status].name if status in STATUSES else str(status)


def _is_delivered(status: int) -> bool:
    return status in STATUSES and STATUSES[status].group_id == _DELIVERED_GROUP
