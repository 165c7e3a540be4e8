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
    "service.started": Event("info", ("role", "version"), "the process is ready"),
    "service.stopped": Event("info", ("role",), "the process has stopped in order"),
    "database.started": Event("info", ("home",), "the embedded server answers"),
    "database.lost": Event("warning", ("error", "pause_s"), "a connection broke; it is retried"),
    "schema.migrated": Event("info", ("version", "name"), "a migration was applied"),
    "bulk.accepted": Event("info", ("bulk_id", "messages"), "a request was stored"),
    "messages.released": Event("info", ("bulk_id", "messages"), "messages became due"),
    "attempt.finished": Event(
        "info",
        ("message_id", "leg", "attempt", "outcome", "code", "duration_ms"),
        "one try over one leg ended; the only line about it",
    ),
    "message.finished": Event("info", ("message_id", "status", "error"), "a message is final"),
    "report.pushed": Event("info", ("endpoint", "reports", "duration_ms"), "reports were taken"),
    "report.refused": Event("warning", ("endpoint", "error", "tries"), "a push failed; it retries"),
    "sender.held": Event("warning", ("sender", "reason"), "a sender is held until someone acts"),
    "loop.crashed": Event("error", ("loop", "crashes", "pause_s"), "a loop failed; it is retried"),
    "loop.cut_off": Event("warning", ("loop", "grace_s"), "a loop did not finish when stopped"),
}

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
