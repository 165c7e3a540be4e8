"""What a log line may hold, and that libraries' lines obey too."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from linegate.logs import EVENTS, guard, set_up


def guarded(**line: object) -> dict[str, object]:
    return dict(guard(None, "info", line))


@pytest.mark.parametrize(
    "name", ["access_token", "channel_secret", "Authorization", "api_key", "password", "dsn"]
)
def test_what_has_a_secrets_name_is_withheld(name: str) -> None:
    assert guarded(**{name: "hunter2"}) == {name: "[withheld]"}


def test_of_a_phone_number_only_the_last_three_digits_stay() -> None:
    assert guarded(to="+66812345678") == {"to": "…678"}
    assert guarded(destination=66812345678) == {"destination": "…678"}
    line = guarded(detail="no route to +66812345678, 66812345679.")
    assert line == {"detail": "no route to …678, …679."}


def test_ids_counts_and_instants_are_left_alone() -> None:
    line = {
        "event": "attempt.finished",
        "message_id": "668123456789",
        "messages": 668123456789,
        "timestamp": "2026-01-15T09:00:00.123456789Z",
        "detail": "HTTP 500 after 12345 ms",
    }
    assert guarded(**line) == line


@pytest.fixture
def stream() -> Iterator[io.BytesIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    out = io.BytesIO()
    set_up(level="info", form="json", stream=out)
    yield out
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def test_lines_are_json_with_level_and_instant_also_from_libraries(stream: io.BytesIO) -> None:
    structlog.get_logger().info("bulk.accepted", bulk_id="b", messages=3)
    structlog.get_logger().debug("below the level")
    logging.getLogger("uvicorn").warning("called %s", "+66812345678")
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["messages"]) == ("bulk.accepted", "info", 3)
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "called …678",
        "warning",
        "uvicorn",
    )


def test_a_traceback_is_one_line_and_guarded(stream: io.BytesIO) -> None:
    try:
        raise ValueError("+66812345678")
    except ValueError:
        structlog.get_logger().exception("loop.crashed", loop="x")
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert "ValueError: …678" in line["exception"]


def test_event_names_are_a_place_and_a_past_or_a_state() -> None:
    for name, event in EVENTS.items():
        assert name.count(".") == 1
        assert event.level in {"debug", "info", "warning", "error"}
