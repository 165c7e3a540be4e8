"""Failover on a time line: one SMS where LINE did not reach, none where it did."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from linegate.dispatch.ears import Ears
from linegate.domain.bulk import Window
from linegate.domain.decide import FailOver, Finish
from linegate.domain.ids import public_id
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.steering import BulkStatus
from linegate.domain.transport import Price, Receipt, Submission
from linegate.postgres.audit import By
from linegate.postgres.pool import transaction
from linegate.postgres.sms import PlannedSms, fail_over
from linegate.postgres.sms_routes import hold_routes, remove_route
from linegate.shape.shaper import Shaper
from linegate.shape.steering import Steering
from support.sms_world import ACCEPTED, REFUSED, SmsWorld, new_route, sms_world
from support.waiting import until
from support.world import HOUR, SECOND, World

UNKNOWN = Outcome(OutcomeKind.UNKNOWN, error=502)
UNSENT = Outcome(OutcomeKind.UNSENT, error=4097)
SLOWED = Outcome(OutcomeKind.SLOWED, error=500)
BAD_NUMBER = Outcome(OutcomeKind.REFUSED, error=351, status=52)
MINUTE = 60 * SECOND


@pytest.fixture
async def sms(world: World) -> AsyncIterator[SmsWorld]:
    async with sms_world(world) as made:
        yield made


async def handed_to_line(sms: SmsWorld, **changed: object) -> int:
    (id_,) = await sms.accept(**changed)  # type: ignore[arg-type]
    await sms.line_says(ACCEPTED)
    return id_


async def failed_over(sms: SmsWorld, **changed: object) -> int:
    (id_,) = await sms.accept(**changed)  # type: ignore[arg-type]
    await sms.line_says(REFUSED)
    return id_


async def ended(sms: SmsWorld, id_: int) -> tuple[int, int]:
    assert await sms.legs() == {}
    assert await sms.world.rows("SELECT 1 FROM sms_part WHERE ended_at IS NULL") == []
    end = await sms.world.end(id_)
    assert end is not None
    return end


# ------------------------------------------------------------------- when the SMS goes


async def test_what_line_refuses_goes_by_sms_at_once(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    assert await sms.world.steps() == {}
    assert await sms.send() == 1
    (seen,) = sms.provider.seen
    assert (seen.message_id, seen.text, seen.sender) == (id_, "hello", "Shop")
    assert seen.validity == HOUR
    await sms.provider.receipt("1-1")
    assert await ended(sms, id_) == (5, 0)
    (told,) = await sms.world.rows("SELECT * FROM sms_end")
    assert (told["sender"], told["parts"], told["line_status"]) == ("Shop", 1, 9)
    assert [number for number, *_ in await sms.world.tries(id_)] == [1, 2]


async def test_without_failover_a_refusal_is_the_end(sms: SmsWorld) -> None:
    (id_,) = await sms.world.accept()
    await sms.line_says(REFUSED)
    assert await sms.legs() == {}
    assert await sms.world.end(id_) == (9, 7002)


async def test_silence_fails_over_when_validity_ends_and_not_before(sms: SmsWorld) -> None:
    id_ = await handed_to_line(sms, validity=10 * MINUTE)
    await sms.world.clock.advance(10 * MINUTE - SECOND)
    await sms.sweep()
    assert await sms.legs() == {}
    await sms.world.clock.advance(SECOND)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert leg["deadline_at"] == sms.world.now + HOUR


async def test_silence_of_24_hours_fails_over_while_validity_lasts(sms: SmsWorld) -> None:
    id_ = await handed_to_line(sms, validity=48 * HOUR)
    await sms.world.clock.advance(24 * HOUR)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}


async def test_what_could_not_go_to_line_in_time_goes_by_sms(sms: SmsWorld) -> None:
    (id_,) = await sms.accept(validity=MINUTE)
    await sms.world.clock.advance(MINUTE)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert (leg["line_status"], leg["line_error"]) == (15, 4100)


async def test_an_unknown_outcome_fails_over_once_resends_are_used_up(sms: SmsWorld) -> None:
    (id_,) = await sms.accept()
    await sms.line_says(UNKNOWN)
    await sms.world.clock.advance(120 * SECOND)
    await sms.sweep()
    await sms.line_says(UNKNOWN)
    await sms.world.clock.advance(24 * HOUR)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}


# ------------------------------------------------------- LINE's event, before, at and after


@pytest.mark.parametrize("early", [SECOND, timedelta(0)])
async def test_an_event_in_time_leaves_no_sms(sms: SmsWorld, early: timedelta) -> None:
    id_ = await handed_to_line(sms, validity=10 * MINUTE)
    await sms.world.clock.advance(10 * MINUTE - early)
    await sms.event(id_)
    await sms.sweep()
    await sms.send()
    assert not sms.provider.seen
    assert await ended(sms, id_) == (5, 0)
    assert await sms.world.rows("SELECT 1 FROM sms_end") == []


async def test_an_event_stops_an_sms_that_was_not_handed_over(sms: SmsWorld) -> None:
    id_ = await handed_to_line(sms, validity=10 * MINUTE)
    await sms.world.clock.advance(10 * MINUTE)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    await sms.event(id_)
    assert await sms.send() == 0
    assert not sms.provider.seen
    assert await ended(sms, id_) == (5, 0)
    assert await sms.world.rows("SELECT 1 FROM sms_end") == []


async def test_an_event_after_the_hand_over_is_the_first_success(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.event(id_)
    assert await ended(sms, id_) == (5, 0)
    await sms.provider.receipt("1-1")
    assert len(await sms.world.rows("SELECT 1 FROM final")) == 1
    assert await sms.world.rows("SELECT 1 FROM sms_end") == []


async def test_an_event_after_the_end_is_kept_and_reported_never_again(sms: SmsWorld) -> None:
    endpoint = await sms.world.new_endpoint("https://example.com/reports")
    id_ = await failed_over(sms, endpoint_id=endpoint)
    await sms.send()
    await sms.provider.receipt("1-1", 9, 32)
    await sms.event(id_)
    assert await ended(sms, id_) == (9, 32)
    assert len(await sms.world.rows("SELECT 1 FROM late_event")) == 1
    assert len(await sms.world.rows("SELECT 1 FROM push")) == 1


async def test_event_and_failover_at_once_end_in_one_of_the_two(sms: SmsWorld) -> None:
    ids = await sms.accept(20, validity=MINUTE)
    await sms.line_says(ACCEPTED)
    await sms.world.clock.advance(MINUTE)
    await asyncio.gather(sms.line_sweeper.run_once(), *(sms.event(id_) for id_ in ids))
    legs, ends = await sms.legs(), await sms.world.ends()
    assert set(legs) | set(ends) == set(ids)
    assert not set(legs) & set(ends)
    assert legs == {}  # an event that finds the leg still due stops it
    assert set(ends.values()) == {(5, 0)}


async def test_event_and_claim_at_once_never_leave_both_or_neither(sms: SmsWorld) -> None:
    ids = await sms.accept(20)
    await sms.line_says(REFUSED)
    await sms.routes.run_once()
    await asyncio.gather(sms.dispatcher.run_once(), *(sms.event(id_) for id_ in ids))
    await sms.rest()
    assert set(await sms.world.ends()) == set(ids)


# ------------------------------------------------------------------------ the SMS leg itself


async def test_an_sms_validity_of_its_own_ends_it_before_the_hand_over(sms: SmsWorld) -> None:
    id_ = await failed_over(sms, sms_validity=MINUTE)
    sms.provider.up = False
    await sms.world.clock.advance(MINUTE - SECOND)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    await sms.world.clock.advance(SECOND)
    await sms.sweep()
    assert await ended(sms, id_) == (15, 4100)


async def test_no_receipt_within_validity_is_29(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.world.clock.advance(HOUR + MINUTE - SECOND)
    await sms.sweep()
    assert await sms.legs() == {id_: "sent"}
    await sms.world.clock.advance(SECOND)
    await sms.sweep()
    assert await ended(sms, id_) == (29, 4101)


async def test_a_provider_down_for_an_hour_gets_the_sms_when_it_is_back(sms: SmsWorld) -> None:
    id_ = await failed_over(sms, sms_validity=2 * HOUR)
    sms.provider.up = False
    for _ in range(60):
        assert await sms.send() == 0
        await sms.sweep()
        await sms.world.clock.advance(MINUTE)
    sms.provider.up = True
    assert await sms.send() == 1
    assert sms.provider.seen[0].validity == HOUR
    await sms.provider.receipt("1-1")
    assert await ended(sms, id_) == (5, 0)


async def test_a_refusal_of_the_provider_is_the_end(sms: SmsWorld) -> None:
    sms.provider.answers = [BAD_NUMBER]
    id_ = await failed_over(sms)
    await sms.send()
    assert await ended(sms, id_) == (52, 351)


@pytest.mark.parametrize("outcome", [UNSENT, SLOWED])
async def test_what_surely_did_not_go_is_tried_again_after_a_pause(
    sms: SmsWorld, outcome: Outcome
) -> None:
    sms.provider.answers = [outcome, ACCEPTED]
    id_ = await failed_over(sms)
    await sms.send()
    assert await sms.send() == 0
    await sms.world.clock.advance(2 * SECOND)
    assert await sms.send() == 1
    await sms.provider.receipt("2-1")
    assert await ended(sms, id_) == (5, 0)


async def test_an_unanswered_submit_goes_once_more_and_then_ends(sms: SmsWorld) -> None:
    sms.provider.answers = [UNKNOWN]
    id_ = await failed_over(sms)
    assert await sms.send() == 1
    assert await sms.send() == 1
    assert await ended(sms, id_) == (29, 502)
    assert [each.message_id for each in sms.provider.seen] == [id_, id_]


async def test_resends_switched_off_end_an_unanswered_submit(world: World) -> None:
    async with sms_world(world, resends=0) as sms:
        sms.provider.answers = [UNKNOWN]
        id_ = await failed_over(sms)
        await sms.send()
        assert await ended(sms, id_) == (29, 502)
        assert len(sms.provider.seen) == 1


async def test_a_crash_between_submit_and_answer_is_an_unanswered_submit(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    async with sms.world.pool.acquire() as conn:  # a claim whose worker dies
        await conn.execute(
            "UPDATE sms_leg SET step = 'sending', attempt = 2, due_at = $1",
            sms.world.now + 15 * SECOND,
        )
    await sms.world.clock.advance(15 * SECOND)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    assert await sms.send() == 1
    await sms.provider.receipt("1-1")
    assert await ended(sms, id_) == (5, 0)


async def test_a_provider_that_tells_no_more_ends_with_the_hand_over(sms: SmsWorld) -> None:
    sms.provider.final = True
    id_ = await failed_over(sms)
    await sms.send()
    assert await ended(sms, id_) == (2, 0)


# -------------------------------------------------------------------------- cancelled bulks


async def cancel_all(sms: SmsWorld) -> None:
    world = sms.world
    (row,) = await world.rows("SELECT id FROM bulk")
    steering = Steering(world.pool)
    changed = await steering.set_status(
        world.account, public_id(row["id"]), BulkStatus.CANCELED, By("", world.now)
    )
    assert changed is BulkStatus.CANCELED


async def test_a_cancelled_bulk_ends_its_sms_that_were_not_handed_over(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await cancel_all(sms)
    await Shaper(sms.world.pool, sms.world.clock, sms.world.metrics).run_once()
    assert await ended(sms, id_) == (31, 4100)


async def test_a_cancelled_bulk_starts_no_new_sms(sms: SmsWorld) -> None:
    id_ = await handed_to_line(sms, validity=MINUTE)
    await cancel_all(sms)
    await sms.world.clock.advance(MINUTE)
    await sms.sweep()
    assert await ended(sms, id_) == (15, 4101)


# ------------------------------------------------------------------------------- receipts


async def test_every_part_must_be_delivered(sms: SmsWorld) -> None:
    sms.provider.parts = 3
    id_ = await failed_over(sms)
    await sms.send()
    for part in (3, 1):
        await sms.provider.receipt(f"1-{part}")
        assert await sms.legs() == {id_: "sent"}
    await sms.provider.receipt("1-2", 3)  # still on its way
    assert await sms.legs() == {id_: "sent"}
    await sms.provider.receipt("1-2")
    assert await ended(sms, id_) == (5, 0)
    (told,) = await sms.world.rows("SELECT * FROM sms_end")
    assert told["parts"] == 3


async def test_one_part_that_failed_ends_it(sms: SmsWorld) -> None:
    sms.provider.parts = 2
    id_ = await failed_over(sms)
    await sms.send()
    await sms.provider.receipt("1-1", 9, 32)
    assert await ended(sms, id_) == (9, 32)


async def test_a_receipt_that_comes_twice_counts_once(sms: SmsWorld) -> None:
    sms.provider.parts = 2
    id_ = await failed_over(sms)
    await sms.send()
    await sms.provider.receipt("1-1")
    await sms.provider.receipt("1-1")
    assert await sms.legs() == {id_: "sent"}
    await sms.provider.receipt("1-2")
    await sms.provider.receipt("1-2")
    assert await ended(sms, id_) == (5, 0)
    assert len(await sms.world.rows("SELECT 1 FROM final")) == 1


async def test_a_receipt_before_the_answer_counts(sms: SmsWorld) -> None:
    async def early(submission: Submission) -> None:
        assert await sms.provider.receipt("1-1", to=submission.destination)

    sms.provider.before = early
    id_ = await failed_over(sms)
    await sms.send()
    assert await ended(sms, id_) == (5, 0)
    assert await sms.world.rows("SELECT 1 FROM sms_early") == []


async def test_a_receipt_that_is_kept_while_its_answer_is_written_looks_again(
    sms: SmsWorld,
) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    pool = sms.world.pool
    await pool.execute("UPDATE sms_part SET key = 'hidden'")
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE sms_early IN SHARE MODE")
        taking = asyncio.ensure_future(sms.provider.receipt("1-1"))
        waits = "SELECT 1 FROM pg_locks WHERE relation = 'sms_early'::regclass AND NOT granted"
        await until(lambda: sms.world.rows(waits))
        await pool.execute("UPDATE sms_part SET key = '1-1'")
    assert await taking
    assert await ended(sms, id_) == (5, 0)


async def test_a_receipt_that_crossed_its_answer_is_joined_by_the_sweeper(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.world.pool.execute("UPDATE sms_part SET key = 'hidden'")
    await sms.provider.receipt("1-1")
    assert len(await sms.world.rows("SELECT 1 FROM sms_early")) == 1
    await sms.world.pool.execute("UPDATE sms_part SET key = '1-1'")
    await sms.sweep()
    assert await ended(sms, id_) == (5, 0)


async def test_a_receipt_after_the_end_is_on_the_time_line_and_changes_nothing(
    sms: SmsWorld,
) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.world.clock.advance(HOUR + MINUTE)
    await sms.sweep()
    assert await ended(sms, id_) == (29, 4101)
    await sms.provider.receipt("1-1")
    await sms.provider.receipt("1-1")  # the provider repeats it: it is told once
    assert await told(sms, id_) == [5]
    assert await ended(sms, id_) == (29, 4101)
    assert len(await sms.world.rows("SELECT 1 FROM final")) == 1


async def test_the_sms_that_line_overtook_has_its_receipt_on_the_time_line(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.event(id_)
    await sms.provider.receipt("1-1", 3)
    await sms.provider.receipt("1-1", 9, 32)
    assert await told(sms, id_) == [3, 9]
    assert await ended(sms, id_) == (5, 0)


async def test_a_late_receipt_by_our_reference_counts_for_its_own_route_only(
    sms: SmsWorld,
) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.event(id_)
    other = await new_route(sms.world, "other", account=await sms.world.new_account("thief"))
    assert await sms.receipts.taker(other)([Receipt(("x",), "", 9, 32, reference=f"{id_:016x}")])
    assert await told(sms, id_) == []
    await sms.provider.receipt("x", reference=f"{id_:016x}")
    assert await told(sms, id_) == [5]


async def test_two_days_after_the_end_a_receipt_is_no_longer_expected(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.event(id_)
    await sms.world.clock.advance(48 * HOUR + SECOND)
    await sms.sweep()
    assert await sms.world.rows("SELECT 1 FROM sms_part") == []
    await sms.provider.receipt("1-1")
    assert await told(sms, id_) == []


async def told(sms: SmsWorld, id_: int) -> list[int]:
    """The statuses of the receipts on a message's time line."""
    rows = await sms.world.rows(
        "SELECT status FROM sms_receipt WHERE message_id = $1 ORDER BY received_at, status", id_
    )
    return [row["status"] for row in rows]


async def test_a_receipt_for_another_number_is_not_ours(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    await sms.provider.receipt("1-1", to="819099999999")
    assert await sms.legs() == {id_: "sent"}
    await sms.world.clock.advance(11 * MINUTE)
    await sms.sweep()
    assert await sms.world.rows("SELECT 1 FROM sms_early") == []


async def test_a_receipt_by_our_reference_counts_for_its_own_route_only(sms: SmsWorld) -> None:
    id_ = await failed_over(sms)
    await sms.send()
    other = await new_route(sms.world, "other", account=await sms.world.new_account("thief"))
    take = sms.receipts.taker(other)
    stolen = Receipt(("x",), "", 9, 32, reference=f"{id_:016x}")
    assert await take([stolen])
    assert await sms.legs() == {id_: "sent"}
    await sms.provider.receipt(
        "x", reference=f"{id_:016x}", price=Price(0.05, "EUR"), mcc_mnc="44010", parts=2
    )
    assert await ended(sms, id_) == (5, 0)
    (told,) = await sms.world.rows("SELECT * FROM sms_end")
    assert (float(told["price"]), told["currency"], told["mcc_mnc"], told["parts"]) == (
        0.05,
        "EUR",
        "44010",
        2,
    )


# --------------------------------------------------------------------------------- windows


async def test_a_closed_window_holds_the_sms_and_its_validity(sms: SmsWorld) -> None:
    # 15 January 2026 is a Thursday; the world stands at 09:00.
    window = Window((1, 2, 3, 4, 5, 6, 7), 9 * 60, 10 * 60)
    id_ = await failed_over_in_window(sms, window)
    await sms.world.clock.advance(HOUR)  # closed from 10:00 on
    await sms.sweep()
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert leg["id"] == id_
    opens = sms.world.now + 23 * HOUR
    assert (leg["due_at"], leg["deadline_at"]) == (opens, opens + HOUR)
    assert await sms.send() == 0
    await sms.world.clock.advance(23 * HOUR)
    assert await sms.send() == 1


async def failed_over_in_window(sms: SmsWorld, window: Window) -> int:
    (id_,) = await sms.accept(validity=HOUR)
    await sms.world.pool.execute(
        "UPDATE message_object SET delivery_window = $1",
        f'{{"days":{list(window.days)},"opens":{window.opens},"closes":{window.closes},'
        '"zone":"UTC"}',
    )
    await sms.line_says(ACCEPTED)
    return id_


async def test_a_window_that_closes_before_the_attempt_makes_it_wait(sms: SmsWorld) -> None:
    window = Window((1, 2, 3, 4, 5, 6, 7), 8 * 60, 9 * 60 + 30)
    (id_,) = await sms.accept(sms_validity=48 * HOUR)
    await sms.world.pool.execute(
        "UPDATE message_object SET delivery_window = $1",
        f'{{"days":{list(window.days)},"opens":480,"closes":570,"zone":"UTC"}}',
    )
    await sms.line_says(REFUSED)
    await sms.world.clock.advance(HOUR)
    assert await sms.send() == 1  # claimed, and put back
    assert not sms.provider.seen
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert (leg["id"], leg["due_at"]) == (id_, sms.world.now + 22 * HOUR)


# ---------------------------------------------------------------------------------- routes


async def test_the_second_route_takes_over_when_the_first_is_down(sms: SmsWorld) -> None:
    second = await new_route(sms.world, "second", priority=5)
    id_ = await failed_over(sms)
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert leg["route_id"] == sms.route
    await sms.world.pool.execute(
        "UPDATE sms_route SET is_up = false, down_since = $1, enabled = id <> $2 WHERE id = $2",
        sms.world.now - 11 * SECOND,
        sms.route,
    )
    await sms.routes.run_once()
    (leg,) = await sms.world.rows("SELECT * FROM sms_leg")
    assert (leg["id"], leg["route_id"]) == (id_, second)


async def test_an_sms_that_is_written_while_its_route_is_removed_goes_by_another(
    sms: SmsWorld,
) -> None:
    world = sms.world
    (id_,) = await sms.accept()
    (due,) = await world.claim()
    line_end = FailOver(Finish(REFUSED.status, REFUSED.error))
    later = world.now + HOUR
    planned = PlannedSms(due.unfinished, line_end, world.now, later, "Shop")
    async with world.pool.acquire() as operator, transaction(world.pool) as writer:
        assert await fail_over(writer, [planned], [], now=world.now) == 1
        assert await remove_route(operator, world.account, "main", now=world.now)
    (leg,) = await world.rows("SELECT * FROM sms_leg")
    assert (leg["id"], leg["route_id"]) == (id_, sms.route)  # which is gone

    second = await new_route(world, "second")
    sms.provider.up = False  # better one that is down than none
    await sms.routes.run_once()
    (leg,) = await world.rows("SELECT * FROM sms_leg")
    assert (leg["id"], leg["route_id"]) == (id_, second)


async def test_a_provider_that_does_not_answer_leaves_room_for_another_route(
    sms: SmsWorld,
) -> None:
    await new_route(sms.world, "thai", prefixes=("66",))
    may_answer = asyncio.Event()

    async def hang_in_japan(submission: Submission) -> None:
        if submission.destination.startswith("81"):
            await may_answer.wait()

    sms.provider.before = hang_in_japan
    await sms.accept(400)
    await sms.line_says(REFUSED)
    await sms.line_says(REFUSED)
    await sms.routes.run_once()
    for _ in range(8):  # fifty at a time
        await sms.dispatcher.run_once()
        await asyncio.sleep(0)
    await failed_over(sms, destinations=["66810000001"])
    claimed = await sms.dispatcher.run_once()
    may_answer.set()
    await sms.rest()
    assert claimed == 1
    assert sms.provider.seen[-1].destination == "66810000001"


async def test_a_longer_prefix_goes_before_priority_and_a_sender_must_fit(sms: SmsWorld) -> None:
    world = sms.world
    thai = await new_route(world, "thai", prefixes=("66", "6681"), priority=9)
    await new_route(world, "bank", senders=("Bank",), priority=0)

    async def best(number: str, sender: str | None) -> int | None:
        row = await world.pool.fetchval(
            "SELECT best_sms_route($1, $2, $3)", world.account, number, sender
        )
        return row if row is None else int(row)

    assert await best("66810000001", "Shop") == thai
    assert await best("819010000001", "Shop") == sms.route
    assert await best("819010000001", None) is None  # no sender, no default one
    default = await new_route(world, "default", default_sender="Us", priority=9)
    assert await best("819010000001", None) == default


async def test_one_process_holds_a_route_until_its_lease_ends(sms: SmsWorld) -> None:
    await sms.routes.run_once()
    async with sms.world.pool.acquire() as conn:
        until = sms.world.now + HOUR
        assert await hold_routes(conn, 2, leased_until=until, now=sms.world.now) == []
        later = sms.world.now + 16 * SECOND
        assert len(await hold_routes(conn, 2, leased_until=until, now=later)) == 1


# ------------------------------------------------------------------- deaf and broken senders


async def test_hand_overs_without_an_event_make_a_sender_deaf_and_an_event_heals_it(
    sms: SmsWorld,
) -> None:
    handed_over = Counter({sms.world.sender: 150})
    ears = Ears(sms.world.pool, sms.world.clock, sms.world.metrics, handed_over)
    await ears.run_once()
    assert not handed_over
    await sms.world.clock.advance(15 * MINUTE)
    await ears.run_once()
    assert await deaf(sms) == [None]  # too few
    handed_over[sms.world.sender] += 50
    await ears.run_once()
    assert await deaf(sms) == [sms.world.now]
    (id_,) = await sms.world.accept()
    await sms.event(id_)
    assert await deaf(sms) == [None]


async def deaf(sms: SmsWorld) -> list[object]:
    return [row["deaf_at"] for row in await sms.world.rows("SELECT deaf_at FROM sender_ear")]


async def test_a_deaf_sender_holds_failover_by_silence_until_it_hears(sms: SmsWorld) -> None:
    await sms.world.pool.execute(
        "INSERT INTO sender_ear VALUES ($1, 200, $2, $2)", sms.world.sender, sms.world.now
    )
    id_ = await handed_to_line(sms, validity=10 * MINUTE)
    refused = await failed_over(sms)  # a refusal fails over all the same
    await sms.world.clock.advance(10 * MINUTE)
    await sms.sweep()
    assert await sms.legs() == {refused: "due"}
    (other,) = await sms.world.accept()
    await sms.event(other)  # it hears again
    await sms.world.clock.advance(MINUTE)
    await sms.sweep()
    assert await sms.legs() == {refused: "due", id_: "due"}


async def test_a_sender_refused_for_five_minutes_fails_over_what_has_an_sms(sms: SmsWorld) -> None:
    (id_,) = await sms.accept()
    (without,) = await sms.world.accept()
    await sms.world.pool.execute(
        "UPDATE sender SET hold = 'unauthorised', held_at = $1", sms.world.now
    )
    await sms.world.clock.advance(5 * MINUTE - SECOND)
    await sms.sweep()
    assert await sms.legs() == {}
    await sms.world.clock.advance(SECOND)
    await sms.sweep()
    assert await sms.legs() == {id_: "due"}
    assert await sms.world.step(without) == "due_alone"


# --------------------------------------------------------------------- intermediate reports


async def test_every_legs_end_and_every_hand_over_is_told_to_who_asked(sms: SmsWorld) -> None:
    endpoint = await sms.world.new_endpoint("https://example.com/reports")
    id_ = await failed_over(sms, endpoint_id=endpoint, intermediate=True)
    await sms.send()
    await sms.provider.receipt("1-1")
    told = await sms.world.rows("SELECT * FROM push WHERE message_id = $1 ORDER BY number", id_)
    assert [(row["number"], row["status"], row["sender"]) for row in told] == [
        (0, None, None),  # the final one
        (3, 9, None),  # LINE's leg ended
        (4, 7, "Shop"),  # the SMS was handed over
    ]
