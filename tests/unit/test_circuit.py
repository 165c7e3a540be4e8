"""When a sender is held, when one message may probe, and what opens the way again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.circuit import Circuit, Hold, month_end
from linegate.domain.outcome import OutcomeKind as K

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SILENT = (K.UNKNOWN, K.UNSENT)
TOLD = (K.ACCEPTED, K.REFUSED, K.SLOWED)


def after(circuit: Circuit, kind: K, times: int = 1, now: datetime = NOW) -> Circuit:
    for _ in range(times):
        circuit = circuit.after(kind, now)
    return circuit


def held(hold: Hold, probe_at: datetime | None = NOW) -> Circuit:
    """As another process reads it from the database: it has counted nothing itself."""
    return Circuit(hold=hold, probe_at=probe_at)


@pytest.mark.parametrize("kind", SILENT)
def test_twenty_silences_in_a_row_hold_the_sender_and_nineteen_do_not(kind: K) -> None:
    assert after(Circuit(), kind, 19).hold is None
    assert after(Circuit(), kind, 20).hold is Hold.UNREACHABLE


@pytest.mark.parametrize("kind", TOLD)
def test_any_real_answer_between_begins_the_count_anew(kind: K) -> None:
    almost = after(Circuit(), K.UNKNOWN, 19)
    assert after(after(almost, kind), K.UNKNOWN, 19).hold is None


@pytest.mark.parametrize("hold", [Hold.UNREACHABLE, Hold.UNAUTHORISED])
@pytest.mark.parametrize("kind", TOLD)
def test_a_real_answer_to_a_probe_closes_the_circuit(hold: Hold, kind: K) -> None:
    assert after(held(hold), kind) == Circuit()


def test_a_held_sender_sends_nothing_until_its_probe_and_then_one() -> None:
    circuit = after(Circuit(), K.UNKNOWN, 20)
    assert circuit.places(50, NOW) == 0
    assert circuit.places(50, NOW + 5 * SECOND - timedelta(microseconds=1)) == 0
    assert circuit.places(50, NOW + 5 * SECOND) == 1
    assert circuit.places(0, NOW + 5 * SECOND) == 0


def test_probes_that_fail_come_every_5_to_60_seconds() -> None:
    circuit, now, waits = after(Circuit(), K.UNKNOWN, 20), NOW, []
    for _ in range(6):
        assert circuit.probe_at is not None
        waits.append((circuit.probe_at - now).total_seconds())
        now = circuit.probe_at
        circuit = circuit.after(K.UNKNOWN, now)
    assert waits == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("hold", [Hold.UNREACHABLE, Hold.UNAUTHORISED])
@pytest.mark.parametrize("kind", SILENT)
def test_a_failed_probe_keeps_a_hold_that_another_process_set(hold: Hold, kind: K) -> None:
    circuit = after(held(hold), kind)
    assert circuit.hold is hold
    assert circuit.places(50, NOW) == 0


def test_what_was_in_flight_before_does_not_lengthen_the_wait() -> None:
    circuit = after(Circuit(), K.UNKNOWN, 20)
    assert after(circuit, K.UNKNOWN, 30, NOW + SECOND) == circuit


def test_a_bad_token_holds_at_once() -> None:
    circuit = after(Circuit(), K.UNAUTHORISED)
    assert (circuit.hold, circuit.probe_at) == (Hold.UNAUTHORISED, NOW + 5 * SECOND)


@pytest.mark.parametrize(
    ("kind", "hold"), [(K.FORBIDDEN, Hold.FORBIDDEN), (K.MONTHLY_LIMIT, Hold.MONTHLY_LIMIT)]
)
def test_twenty_refusals_of_the_account_end_the_asking_but_not_the_messages(
    kind: K, hold: Hold
) -> None:
    assert after(Circuit(), kind, 19).hold is None
    circuit = after(Circuit(), kind, 20)
    assert circuit.hold is hold
    assert circuit.places(50, NOW) == 50  # they end without a call


def test_forbidden_ends_by_resume_alone_and_the_monthly_limit_with_the_month() -> None:
    assert after(Circuit(), K.FORBIDDEN, 20).probe_at is None
    assert after(Circuit(), K.MONTHLY_LIMIT, 20).probe_at == month_end(NOW)


@pytest.mark.parametrize("hold", [Hold.FORBIDDEN, Hold.MONTHLY_LIMIT])
@pytest.mark.parametrize("kind", [K.FORBIDDEN, K.MONTHLY_LIMIT, *SILENT])
def test_a_sender_refused_for_good_stays_so_whatever_process_reads_it(hold: Hold, kind: K) -> None:
    circuit = held(hold, None)
    assert after(circuit, kind, 3) == circuit


@given(st.lists(st.sampled_from(K), max_size=60))
def test_nothing_that_line_says_ends_the_operators_pause(kinds: list[K]) -> None:
    circuit = held(Hold.PAUSED, None)
    for kind in kinds:
        circuit = circuit.after(kind, NOW)
    assert circuit.hold is Hold.PAUSED
    assert circuit.places(100, NOW) == 0


@given(st.lists(st.tuples(st.sampled_from(K), st.integers(0, 90)), max_size=80))
def test_an_outage_never_sends_more_than_one_message_at_a_time(
    answers: list[tuple[K, int]],
) -> None:
    circuit, now = Circuit(), NOW
    for kind, seconds in answers:
        now += seconds * SECOND
        circuit = circuit.after(kind, now)
        if circuit.hold in (Hold.UNREACHABLE, Hold.UNAUTHORISED):
            assert circuit.probe_at is not None
            assert circuit.probe_at - now <= 60 * SECOND
            assert circuit.places(256, circuit.probe_at) == 1


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (datetime(2026, 1, 15, 9, 0, tzinfo=UTC), datetime(2026, 1, 31, 15, 0, tzinfo=UTC)),
        # 15:00 UTC is midnight at LINE: the next month has begun
        (datetime(2026, 1, 31, 15, 0, tzinfo=UTC), datetime(2026, 2, 28, 15, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 14, 59, tzinfo=UTC), datetime(2026, 12, 31, 15, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 15, 0, tzinfo=UTC), datetime(2027, 1, 31, 15, 0, tzinfo=UTC)),
    ],
)
def test_lines_month_ends_at_midnight_of_utc_plus_9(now: datetime, end: datetime) -> None:
    assert month_end(now) == end
