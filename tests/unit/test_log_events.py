"""The table of events and the code that logs them say the same."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from linegate.dispatch.attempt_log import AttemptLog, Logged
from linegate.domain.ids import public_id
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.logs import EVENTS
from support.clock import FakeClock

SOURCE = Path(__file__).parents[2] / "src" / "linegate"
SECOND = timedelta(seconds=1)
ID = 7 << 40


class Call(NamedTuple):
    event: str
    level: str
    keys: frozenset[str]
    where: str


def calls() -> Iterator[Call]:
    """Every call of a module's `_log`."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if not isinstance(node.func.value, ast.Name) or node.func.value.id != "_log":
                continue
            first = node.args[0]
            assert isinstance(first, ast.Constant), f"{path}: an event's name is written out"
            keys = frozenset(str(each.arg) for each in node.keywords) - {"exc_info"}
            level = "error" if node.func.attr == "exception" else node.func.attr
            yield Call(str(first.value), level, keys, path.name)


def test_each_line_of_the_code_is_in_the_table_with_its_level_and_keys() -> None:
    for call in calls():
        assert call.event in EVENTS, call
        assert call.level == EVENTS[call.event].level, call
        assert call.keys <= set(EVENTS[call.event].keys), call


def test_each_event_and_key_of_the_table_is_logged_somewhere() -> None:
    logged: dict[str, set[str]] = defaultdict(set)
    for call in calls():
        logged[call.event] |= call.keys
    assert {name: set(event.keys) for name, event in EVENTS.items()} == dict(logged)


def an_attempt(clock: FakeClock, *, leg: str = "LINE") -> Logged:
    outcome = Outcome(OutcomeKind.REFUSED, error=7002, code=422, request_id="r-1", detail="no")
    return Logged(leg, ID, 2, clock.now() - timedelta(milliseconds=42), clock.now(), outcome)


def test_the_line_of_an_attempt_says_everything_about_it(clock: FakeClock) -> None:
    with capture_logs() as lines:
        AttemptLog(clock, per_second=1).tell(an_attempt(clock, leg="SMS"))
    assert lines == [
        {
            "event": "attempt.finished",
            "log_level": "info",
            "message_id": public_id(ID),
            "leg": "SMS",
            "attempt": 2,
            "outcome": "refused",
            "code": 422,
            "duration_ms": 42,
            "request_id": "r-1",
            "detail": "no",
            "trace_id": "",
        }
    ]


async def test_what_is_beyond_the_lines_of_a_second_is_counted_once(clock: FakeClock) -> None:
    log = AttemptLog(clock, per_second=2)
    with capture_logs() as lines:
        for _ in range(5):
            log.tell(an_attempt(clock))
        await log.run_once()  # the second is not over
        assert [line["event"] for line in lines] == ["attempt.finished"] * 2
        await clock.advance(SECOND)
        await log.run_once()
        await log.run_once()
        log.tell(an_attempt(clock))
    events = [(line["event"], line.get("attempts")) for line in lines[2:]]
    assert events == [("attempts.unlogged", 3), ("attempt.finished", None)]


async def test_with_no_lines_a_second_nothing_is_logged(clock: FakeClock) -> None:
    log = AttemptLog(clock, per_second=0)
    with capture_logs() as lines:
        log.tell(an_attempt(clock))
        await clock.advance(2 * SECOND)
        await log.run_once()
        await log.aclose()
    assert lines == []


async def test_a_stop_tells_of_what_had_no_line(clock: FakeClock) -> None:
    log = AttemptLog(clock, per_second=1)
    with capture_logs() as lines:
        log.tell(an_attempt(clock))
        log.tell(an_attempt(clock))
        await log.aclose()
    assert [line["event"] for line in lines] == ["attempt.finished", "attempts.unlogged"]


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_no_event_has_a_key_that_would_be_withheld(name: str) -> None:
    assert not {"token", "secret", "to", "destination"} & set(EVENTS[name].keys)
