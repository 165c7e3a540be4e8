"""The heart: every outcome and every silence has a next step, and every message ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.decide import (
    DELIVERED,
    Finish,
    Patience,
    State,
    Step,
    TryAgain,
    Unfinished,
    WaitForEvent,
    after_attempt,
    after_deadline,
    after_patience,
)
from linegate.domain.outcome import Outcome
from linegate.domain.outcome import OutcomeKind as K

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PATIENCE = Patience()
STUBBORN = Patience(resend_limit=3)
NEVER = Patience(resend_after=timedelta(0))


def a_message(
    *,
    unknowns: int = 0,
    failures: int = 0,
    deadline_at: datetime = NOW + 48 * HOUR,
    sent_at: datetime | None = None,
) -> Unfinished:
    return Unfinished(1, 1, unknowns, failures, deadline_at, sent_at)


def told(kind: K, message: Unfinished | None = None, patience: Patience = PATIENCE) -> Step:
    outcome = Outcome(kind, error=7002, status=9)
    return after_attempt(message or a_message(), outcome, NOW, patience, 0.0)


def silent(message: Unfinished, state: State, patience: Patience = PATIENCE) -> Step:
    return after_patience(message, state, NOW, patience)


# After an attempt ----------------------------------------------------------------------------


def test_a_message_handed_over_waits_24_hours_for_its_event() -> None:
    assert told(K.ACCEPTED) == WaitForEvent(State.SENT, NOW + 24 * HOUR, NOW, 0)


def test_but_not_beyond_its_validity() -> None:
    soon = NOW + 10 * SECOND
    assert told(K.ACCEPTED, a_message(deadline_at=soon)) == WaitForEvent(State.SENT, soon, NOW, 0)


def test_the_first_hand_over_is_the_one_that_is_reported() -> None:
    before = NOW - HOUR
    step = told(K.ACCEPTED, a_message(sent_at=before, unknowns=1))
    assert step == WaitForEvent(State.SENT, NOW + 24 * HOUR, before, 1)


def test_an_unknown_outcome_waits_for_its_event_before_it_is_sent_again() -> None:
    assert told(K.UNKNOWN) == WaitForEvent(State.UNKNOWN, NOW + 120 * SECOND, NOW, 1)


def test_the_wait_doubles_with_each_resend() -> None:
    waits = []
    for unknowns in range(3):
        step = told(K.UNKNOWN, a_message(unknowns=unknowns), STUBBORN)
        assert isinstance(step, WaitForEvent)
        waits.append((step.until - NOW).total_seconds())
    assert waits == [120, 240, 480]


@pytest.mark.parametrize(
    ("unknowns", "patience"), [(1, PATIENCE), (3, STUBBORN), (0, NEVER), (5, NEVER)]
)
def test_when_no_resend_is_left_the_event_is_awaited_as_after_a_hand_over(
    unknowns: int, patience: Patience
) -> None:
    step = told(K.UNKNOWN, a_message(unknowns=unknowns), patience)
    assert step == WaitForEvent(State.UNKNOWN, NOW + 24 * HOUR, NOW, unknowns + 1)


@pytest.mark.parametrize("kind", [K.UNSENT, K.SLOWED])
def test_what_surely_did_not_go_is_tried_again_with_back_off(kind: K) -> None:
    assert told(kind) == TryAgain(NOW + SECOND, 1)
    assert told(kind, a_message(failures=1)) == TryAgain(NOW + 2 * SECOND, 2)


def test_a_bad_token_is_not_the_messages_fault() -> None:
    assert told(K.UNAUTHORISED, a_message(failures=3)) == TryAgain(NOW, 3)


@pytest.mark.parametrize("kind", [K.REFUSED, K.FORBIDDEN, K.MONTHLY_LIMIT])
def test_a_refusal_ends_the_message_with_the_outcomes_own_words(kind: K) -> None:
    assert told(kind) == Finish(9, 7002)


# After silence -------------------------------------------------------------------------------


def test_a_worker_that_died_leaves_an_unknown_outcome() -> None:
    step = silent(a_message(), State.SENDING)
    assert step == WaitForEvent(State.UNKNOWN, NOW + 120 * SECOND, NOW, 1)


def test_an_unknown_one_is_sent_again_once() -> None:
    assert silent(a_message(unknowns=1), State.UNKNOWN) == TryAgain(NOW, 0)
    assert silent(a_message(unknowns=2), State.UNKNOWN) == Finish(29, 4101)


def test_never_resend_means_never() -> None:
    assert silent(a_message(unknowns=1), State.UNKNOWN, NEVER) == Finish(29, 4101)


def test_24_hours_of_silence_within_validity_end_as_no_report() -> None:
    assert silent(a_message(sent_at=NOW - 24 * HOUR), State.SENT) == Finish(29, 4101)


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
def test_validity_that_ends_in_silence_is_expired_after_the_hand_over(state: State) -> None:
    message = a_message(deadline_at=NOW, sent_at=NOW - HOUR, unknowns=1)
    assert silent(message, state) == Finish(15, 4101)


def test_validity_that_ends_while_due_tells_whether_it_may_have_gone() -> None:
    assert after_deadline(a_message()) == Finish(15, 4100)
    assert after_deadline(a_message(failures=7)) == Finish(15, 4100)
    assert after_deadline(a_message(sent_at=NOW)) == Finish(15, 4101)
    assert after_deadline(a_message(unknowns=1)) == Finish(15, 4101)


def test_a_delivered_message_ends_with_the_published_status() -> None:
    assert Finish(5, 0) == DELIVERED


# Whole lives ---------------------------------------------------------------------------------

messages = st.builds(
    Unfinished,
    id=st.integers(1, 2**63 - 1),
    attempt=st.integers(1, 100),
    unknowns=st.integers(0, 5),
    failures=st.integers(0, 700),
    deadline_at=st.timedeltas(-HOUR, 48 * HOUR).map(NOW.__add__),
    sent_at=st.none() | st.timedeltas(-48 * HOUR, timedelta(0)).map(NOW.__add__),
)
patiences = st.builds(
    Patience,
    resend_after=st.timedeltas(timedelta(0), timedelta(minutes=10)),
    resend_limit=st.integers(0, 4),
)
outcomes = st.builds(Outcome, st.sampled_from(K), error=st.just(7006), status=st.just(4))
spreads = st.floats(-1, 1)


@given(messages, outcomes, patiences, spreads)
def test_every_outcome_has_a_step_that_ends_or_waits_for_a_known_instant(
    message: Unfinished, outcome: Outcome, patience: Patience, spread: float
) -> None:
    match after_attempt(message, outcome, NOW, patience, spread):
        case WaitForEvent(state, until, sent_at, unknowns):
            assert state in (State.SENT, State.UNKNOWN)
            assert until <= message.deadline_at
            assert sent_at <= NOW
            assert unknowns >= message.unknowns
        case TryAgain(at, failures):
            assert NOW <= at <= NOW + timedelta(minutes=6)
            assert failures >= message.failures
        case Finish(status, error):
            assert (status, error) == (4, 7006)


@given(messages, st.sampled_from([State.SENDING, State.SENT, State.UNKNOWN]), patiences)
def test_every_silence_has_a_step(message: Unfinished, state: State, patience: Patience) -> None:
    step = after_patience(message, state, NOW, patience)
    if isinstance(step, TryAgain):
        assert state is State.UNKNOWN
        assert message.deadline_at > NOW
    if isinstance(step, WaitForEvent):
        assert state is State.SENDING


def life(choose: Callable[[], K], patience: Patience, validity: timedelta) -> tuple[Finish, int]:
    """A message's life against a LINE that answers as chosen and never delivers: end, unknowns."""
    now, message = NOW, a_message(deadline_at=NOW + validity)
    for _ in range(5000):
        if message.deadline_at <= now:
            end = after_deadline(message)
            assert isinstance(end, Finish)
            return end, message.unknowns
        step = after_attempt(message, Outcome(choose(), 7006, 4), now, patience, 0.0)
        while True:
            match step:
                case WaitForEvent(state, until, sent_at, unknowns):
                    message = replace(message, sent_at=sent_at, unknowns=unknowns)
                    now = max(now, until)
                    step = after_patience(message, state, now, patience)
                case TryAgain(at, failures):
                    message = replace(message, failures=failures)
                    now = max(at, now + 5 * SECOND)  # a held sender probes no quicker
                    break
                case Finish():
                    return step, message.unknowns
    pytest.fail("the message did not end")


@given(st.data(), patiences, st.timedeltas(10 * SECOND, HOUR))
def test_every_message_ends_and_is_resent_no_more_than_allowed(
    data: st.DataObject, patience: Patience, validity: timedelta
) -> None:
    end, unknowns = life(lambda: data.draw(st.sampled_from(K)), patience, validity)
    assert end.status in (4, 15, 29)
    allowed = patience.resend_limit if patience.resend_after else 0
    assert unknowns <= allowed + 1
