"""Which words may follow which."""

from datetime import UTC, datetime, timedelta

import pytest

from linegate.domain.steering import MOVES, BulkStatus, run_word, status_of, why_not

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
B = BulkStatus


def test_every_status_says_what_may_follow() -> None:
    assert MOVES.keys() == set(BulkStatus)


@pytest.mark.parametrize("status", list(BulkStatus))
def test_saying_what_is_so_already_is_always_allowed(status: BulkStatus) -> None:
    assert why_not(status, status) is None


@pytest.mark.parametrize("ended", [B.CANCELED, B.FINISHED, B.FAILED])
def test_nothing_follows_an_end(ended: BulkStatus) -> None:
    for wanted in set(BulkStatus) - {ended}:
        reason = why_not(ended, wanted)
        assert reason is not None
        assert ended.value in reason


@pytest.mark.parametrize("current", list(BulkStatus))
@pytest.mark.parametrize("wanted", [B.FINISHED, B.FAILED])
def test_nobody_can_say_that_a_bulk_has_ended(current: BulkStatus, wanted: BulkStatus) -> None:
    assert (why_not(current, wanted) is None) is (current is wanted)


def test_a_refusal_tells_what_may_be_said_instead() -> None:
    assert "sendAt" in (why_not(B.PENDING, B.PROCESSING) or "")
    assert "CANCELED, PAUSED" in (why_not(B.PROCESSING, B.FINISHED) or "")


@pytest.mark.parametrize(
    ("run", "send_at", "is_finished", "status"),
    [
        (None, NOW, False, B.PROCESSING),
        (None, NOW, True, B.FINISHED),
        ("processing", NOW + HOUR, False, B.PENDING),
        ("processing", NOW, False, B.PROCESSING),
        ("processing", NOW, True, B.FINISHED),
        ("paused", NOW + HOUR, False, B.PAUSED),
        ("importing", NOW, True, B.PENDING),
        ("cancelled", NOW, True, B.CANCELED),
        ("failed", NOW, True, B.FAILED),
    ],
)
def test_where_a_bulk_is(
    run: str | None, send_at: datetime, is_finished: bool, status: BulkStatus
) -> None:
    assert status_of(run, send_at=send_at, is_finished=is_finished, now=NOW) is status


def test_pending_and_processing_are_one_word_to_the_shaper() -> None:
    assert run_word(B.PENDING) == run_word(B.PROCESSING) == "processing"
    assert (run_word(B.PAUSED), run_word(B.CANCELED)) == ("paused", "cancelled")
