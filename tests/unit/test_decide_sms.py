"""The rules of the SMS leg: every answer has one consequence, and every leg ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.decide import (
    FailOver,
    Finish,
    Patience,
    State,
    TryAgain,
    Unfinished,
    WaitForEvent,
    after_attempt,
    after_broken,
    after_deadline,
    after_patience,
)
from linegate.domain.decide_sms import (
    RECEIPT_GRACE,
    PartState,
    SmsAgain,
    SmsSent,
    SmsUnfinished,
    after_receipts,
    after_sms_deadline,
    after_submit,
    start_sms,
)
from linegate.domain.hearing import HELD_FOR, is_deaf
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.transport import Submitted

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEG = SmsUnfinished(1, 2, 0, 0, NOW + HOUR, 1)
MESSAGE = Unfinished(1, 1, 0, 0, NOW + HOUR, NOW, fails_over=True)


@given(st.sampled_from(OutcomeKind), st.integers(0, 3), st.integers(0, 1), st.booleans())
def test_every_answer_of_a_provider_leads_somewhere(
    kind: OutcomeKind, unknowns: int, resends: int, final: bool
) -> None:
    leg = replace(LEG, unknowns=unknowns)
    submitted = Submitted(Outcome(kind, 32, 9), final=final)
    step = after_submit(leg, submitted, NOW, resends=resends, spread=0.0)
    match step:
        case SmsSent(until):
            assert kind is OutcomeKind.ACCEPTED
            assert until == leg.deadline_at + RECEIPT_GRACE
        case SmsAgain(at, failures, now_unknown):
            assert at >= NOW
            assert (failures, now_unknown) > (leg.failures, leg.unknowns) or failures
            assert now_unknown <= max(resends, unknowns)
        case Finish(status, _):
            assert status in (2, 9, 29)


@given(st.lists(st.sampled_from([None, 2, 3, 5, 7, 9, 15, 4, 26]), max_size=4))
def test_a_text_is_delivered_when_all_parts_are_and_fails_with_one(
    statuses: list[int | None],
) -> None:
    end = after_receipts([PartState(status, 0) for status in statuses])
    failed = [status for status in statuses if status in (9, 15, 4)]
    if failed:
        assert end == Finish(failed[0], 0)
    elif statuses and all(status in (2, 5) for status in statuses):
        assert end is not None
        assert end.status in (2, 5)
    else:
        assert end is None


def test_a_validity_begins_when_the_window_opens() -> None:
    assert start_sms(HOUR, None, NOW) == (NOW, NOW + HOUR)
    opens = NOW + 5 * HOUR
    assert start_sms(HOUR, opens, NOW) == (opens, opens + HOUR)


@pytest.mark.parametrize(("unknowns", "error"), [(0, 4100), (1, 4101)])
def test_a_late_sms_says_whether_it_may_have_gone(unknowns: int, error: int) -> None:
    assert after_sms_deadline(replace(LEG, unknowns=unknowns)) == Finish(15, error)


# ------------------------------------------------------------ where the LINE leg hands over


@given(st.sampled_from(OutcomeKind), st.booleans())
def test_an_end_is_a_failover_exactly_where_there_is_an_sms(
    kind: OutcomeKind, fails_over: bool
) -> None:
    message = replace(MESSAGE, fails_over=fails_over)
    step = after_attempt(message, Outcome(kind, 7002, 9), NOW, Patience(), 0.0)
    if isinstance(step, Finish):
        assert not fails_over
    if isinstance(step, FailOver):
        assert fails_over
        assert step.line_end == Finish(9, 7002)


def test_silence_and_lateness_fail_over() -> None:
    late = replace(MESSAGE, deadline_at=NOW)
    assert after_patience(late, State.SENT, NOW, Patience()) == FailOver(Finish(15, 4101))
    assert after_patience(MESSAGE, State.SENT, NOW, Patience()) == FailOver(Finish(29, 4101))
    assert after_deadline(replace(late, sent_at=None)) == FailOver(Finish(15, 4100))
    assert after_broken(MESSAGE) == FailOver(Finish(4, 7004))


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
def test_silence_of_a_deaf_sender_is_looked_at_again_later(state: State) -> None:
    deaf = replace(MESSAGE, deaf=True, deadline_at=NOW, unknowns=5)
    step = after_patience(deaf, state, NOW, Patience())
    assert step == WaitForEvent(state, NOW + HELD_FOR, NOW, 5)


def test_an_unknown_outcome_is_sent_again_before_it_fails_over() -> None:
    once = replace(MESSAGE, unknowns=1)
    assert isinstance(after_patience(once, State.UNKNOWN, NOW, Patience()), TryAgain)
    twice = replace(MESSAGE, unknowns=2)
    assert isinstance(after_patience(twice, State.UNKNOWN, NOW, Patience()), FailOver)


@pytest.mark.parametrize(
    ("unheard", "minutes", "deaf"), [(200, 15, True), (199, 60, False), (10_000, 14, False)]
)
def test_deaf_is_much_handed_over_and_long_unheard(unheard: int, minutes: int, deaf: bool) -> None:
    assert is_deaf(unheard, NOW - timedelta(minutes=minutes), NOW) is deaf


def test_who_has_handed_over_nothing_is_not_deaf() -> None:
    assert not is_deaf(0, None, NOW)
