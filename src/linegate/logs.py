"""Log set-up, the names of all events, and what may never be logged.

One line per fact: `stage.past` with the same keys everywhere. info is a fact that an operator
counts, warning means that someone may have to act, error is a bug. Content, tokens and whole phone
numbers stay out: of a number the last three digits are kept.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, BinaryIO, NamedTuple

import msgspec
import structlog

__all__ = ["EVENTS", "Event", "guard", "set_up"]


class Event(NamedTuple):
    """One event's place in the reference: its level, its own keys and what it says."""

    level: str
    keys: tuple[str, ...]
    meaning: str


EVENTS: Mapping[str, Event] = {
    "service.started": Event("info", ("role", "url"), "the process is ready"),
    "service.stopped": Event("info", ("role",), "the process has stopped in order"),
    "child.ended": Event(
        "error", ("child", "code", "pause_s"), "a process of `up` ended; it is started again"
    ),
    "database.started": Event("warning", ("home",), "the embedded server died and answers again"),
    "database.not_started": Event(
        "error", ("error", "pause_s"), "the embedded server cannot be started; it is retried"
    ),
    "database.lost": Event(
        "warning", ("error", "pause_s"), "the connection for wake-ups broke; work is polled for"
    ),
    "database.away": Event(
        "warning",
        ("error", "pause_s", "path"),
        "a statement failed; it is retried, or answered 503",
    ),
    "database.crowded": Event(
        "warning",
        ("wanted", "allowed", "used"),
        "the process may open more connections than the server has left: raise max_connections",
    ),
    "database.primary_changed": Event(
        "warning", ("host", "port"), "another server of the URL takes writes now"
    ),
    "clock.adopted": Event("warning", ("seconds",), "this machine's time is not the database's"),
    "clock.database_away": Event("warning", ("error",), "the time could not be compared"),
    "clock.jumped": Event(
        "error", ("by_s", "ahead_s"), "the machine's clock jumped; it is ignored"
    ),
    "request.crashed": Event("error", ("path",), "a request met a bug; it was answered with 500"),
    "import.failed": Event(
        "warning", ("bulk", "reason"), "an import was given up; nothing is sent"
    ),
    "import.client_gone": Event("debug", (), "the client of an import went before its answer"),
    "quota.not_given_back": Event(
        "warning", ("error",), "part of a daily limit is lost till tomorrow"
    ),
    "attempt.finished": Event(
        "info",
        (
            *("message_id", "leg", "attempt", "outcome", "code", "duration_ms"),
            *("request_id", "detail", "trace_id"),
        ),
        "one try over one leg ended; the only line about it",
    ),
    "attempts.unlogged": Event(
        "info", ("attempts", "per_second"), "so many more than log_attempts allows for a second"
    ),
    "content.stopped": Event(
        "warning", ("object", "detail", "parked"), "LINE refuses a content; its messages are parked"
    ),
    "sender.held": Event(
        "warning", ("sender", "reason", "code", "detail"), "nothing of a sender goes for now"
    ),
    "sender.resumed": Event("info", ("sender",), "a held sender goes on"),
    "sender.deaf": Event(
        "warning", ("sender_id", "unheard"), "a sender hands over and hears no event"
    ),
    "line.not_counted": Event(
        "warning", ("sender", "code", "detail"), "LINE did not tell its count of a day"
    ),
    "sms_route.up": Event("info", ("route",), "a route is connected"),
    "sms_route.down": Event("warning", ("route", "reason"), "a route has lost its connection"),
    "sms_route.unusable": Event("error", ("route", "reason"), "a route cannot be opened as it is"),
    "sms.rerouted": Event("info", ("messages",), "waiting SMS were given other routes"),
    "sms_receipt.unreadable": Event("warning", ("route",), "a receipt could not be read"),
    "sms_receipts.not_kept": Event(
        "warning", ("error",), "receipts could not be written; the provider repeats them"
    ),
    "reports.pushed": Event(
        "info",
        ("endpoint", "reports", "outcome", "code", "detail", "duration_ms"),
        "one call of an endpoint ended; the only line about it",
    ),
    "relay.failed": Event(
        "warning",
        ("sender_id", "code", "detail"),
        "a call of LINE was not taken by the bot; retried",
    ),
    "day.forgotten": Event("info", ("day",), "retention dropped a day"),
    "day.in_use": Event("info", ("day",), "somebody reads a day that retention would drop"),
    "loop.crashed": Event("error", ("loop", "crashes", "pause_s"), "a loop failed; it is retried"),
    "loop.cut_off": Event("warning", ("loop", "grace_s"), "a loop did not finish when stopped"),
}
"""Every event there is; tests/unit/test_log_events.py holds the code to it."""

_SECRET = re.compile(
    r"secret|token|password|passwd|authorization|api_?key|private_?key|cookie|signature|dsn"
)
_NUMBER_KEYS = frozenset({"to", "destination", "number", "phone", "msisdn"})
_NUMBER = re.compile(r"(?<![\w.-])\+?\d{6,12}(\d{3})(?![\w-])")
_WITHHELD = "[withheld]"
_NOT_NUMBERS = frozenset({"timestamp", "event", "level", "version"})


def set_up(*, level: str = "info", form: str = "json", stream: BinaryIO | None = None) -> None:
    """Send every log line, also those of libraries, to `stream` (standard error) in one form.

    level: debug, info, warning or error. form: `json` (a line an event), `console`, or
           `auto`: console if standard error is a terminal.
    """
    out = stream or sys.stderr.buffer
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        guard,
    ]
    if form == "auto":
        form = "console" if sys.stderr.isatty() else "json"
    render = _as_bytes if form == "json" else _for_reader
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign(shared, render, out)], level=number, force=True)


class _Foreign(logging.Handler):
    """Lines of libraries that use the standard logging, in our form."""

    def __init__(self, shared: list[Any], render: Any, out: BinaryIO) -> None:
        super().__init__()
        self._processors = [*shared, render]
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        line: Any = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info:
            line["exc_info"] = record.exc_info
        for processor in self._processors:
            line = processor(None, record.levelname.lower(), line)
        self._out.write(line + b"\n")
        self._out.flush()


def guard(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Withhold what has a secret's name and shorten what looks like a phone number."""
    for key, value in line.items():
        if key == "event" and value in EVENTS:
            continue
        if _SECRET.search(key.lower()):
            line[key] = _WITHHELD
        elif key in _NUMBER_KEYS:
            line[key] = "…" + str(value)[-3:]
        elif isinstance(value, str) and not _may_hold_digits(key):
            line[key] = _NUMBER.sub(r"…\1", value)
    return line


def _may_hold_digits(key: str) -> bool:
    return key.endswith("_id") or key in _NOT_NUMBERS - {"event"}


def _as_bytes(logger: object, method: str, line: MutableMapping[str, Any]) -> bytes:
    return _ENCODER.encode(line)


def _for_reader(logger: object, method: str, line: MutableMapping[str, Any]) -> bytes:
    text = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())(logger, method, line)
    return str(text).encode()


_ENCODER = msgspec.json.Encoder(enc_hook=str)
