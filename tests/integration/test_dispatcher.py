"""Every answer of LINE, from the claim to the attempt's row and what becomes of the message."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from linegate.line.client import LineClient
from linegate.postgres.directory import resume_sender
from linegate.postgres.pool import AWAY
from linegate.simulator.fates import FATES
from support.sending import Sending, sending
from support.waiting import until
from support.world import SECOND, World, a_number

# The last two digits of a number choose its fate. For each: outcome, LINE's status, our error,
# and how the message ends (status, error) or what it waits for.
# Source: the documented answers of LINE's push endpoints; DESIGN decisions 5 to 7.
ANSWERS: dict[int, tuple[str, int, int, tuple[int, int] | str]] = {
    0: ("accepted", 200, 0, "sent"),
    80: ("accepted", 200, 0, "sent"),
    81: ("accepted", 200, 0, "sent"),
    82: ("accepted", 200, 0, "sent"),
    83: ("accepted", 200, 0, "sent"),
    84: ("accepted", 200, 0, "sent"),
    85: ("accepted", 200, 0, "sent"),
    86: ("accepted", 200, 0, "sent"),
    87: ("unknown", 500, 7051, "unknown"),
    88: ("unknown", 0, 7051, "unknown"),
    89: ("unknown", 0, 7051, "unknown"),
    90: ("refused", 422, 7002, (9, 7002)),
    91: ("refused", 400, 351, (52, 351)),
    92: ("unauthorised", 401, 7004, "due_bulk"),
    93: ("forbidden", 403, 7005, (4, 7005)),
    94: ("slowed", 429, 7017, "due_bulk"),
    95: ("monthly_limit", 429, 7011, (4, 7011)),
    96: ("unknown", 500, 7051, "unknown"),
    97: ("unknown", 0, 7051, "unknown"),
    98: ("unknown", 0, 7051, "unknown"),
    99: ("unknown", 500, 7051, "unknown"),
}


@pytest.fixture
async def work(world: World) -> AsyncIterator[Sending]:
    async with sending(world) as made:
        yield made


async def what_became(world: World, id_: int) -> tuple[int, int] | str:
    return await world.end(id_) or await world.step(id_)


def test_the_table_has_every_fate_that_a_number_can_have() -> None:
    digits = {int(fate.digits[:2]) for fate in FATES if fate.digits}
    assert digits == set(ANSWERS)


async def test_every_answer_of_line_leaves_its_attempt_and_its_consequence(
    world: World, work: Sending
) -> None:
    ids = await world.accept(len(ANSWERS), destinations=[a_number(digits) for digits in ANSWERS])
    assert await work.turn() == len(ANSWERS)
    told = {}
    for digits, id_ in zip(ANSWERS, ids, strict=True):
        ((number, outcome, code, error),) = await world.tries(id_)
        assert number == 1
        told[digits] = (outcome, code, error, await what_became(world, id_))
    assert told == ANSWERS


async def test_an_attempt_keeps_lines_request_id_and_words_without_numbers(
    world: World, work: Sending
) -> None:
    await world.accept(1, destinations=[a_number(90)])
    await work.turn()
    (row,) = await world.rows("SELECT request_id, detail FROM attempt")
    assert row["detail"] == "Failed to send messages"
    assert row["request_id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"templateKey": "no_such_template", "body": {}},
        {
            "templateKey": "shipment_completed_ja",
            "body": {"items": [{"itemKey": "no_such_item", "content": "1"}]},
        },
        {
            "templateKey": "shipment_completed_ja",
            "body": {
                "items": [
                    {"itemKey": "date_002_ja", "content": "1"},
                    {"itemKey": "date_002_ja", "content": "2"},
                ]
            },
        },
    ],
    ids=["template", "item", "duplicate item"],
)
async def test_what_line_says_of_templates_is_told_as_the_templates_fault(
    world: World, work: Sending, wrong: dict[str, object]
) -> None:
    (id_,) = await world.accept(1, templated=True, line_message=json.dumps(wrong))
    await work.turn()
    assert await world.tries(id_) == [(1, "refused", 400, 7009)]
    assert await world.end(id_) == (4, 7009)


async def test_a_request_over_two_megabytes_is_refused_for_good(
    world: World, work: Sending
) -> None:
    (id_,) = await world.accept(1, line_message='{"type":"flex","x":"' + "x" * 2_200_000 + '"}')
    await work.turn()
    assert await world.tries(id_) == [(1, "refused", 413, 7006)]
    assert await world.end(id_) == (4, 7006)


async def test_a_line_that_cannot_be_reached_was_surely_not_asked(world: World) -> None:
    (id_,) = await world.accept()
    async with sending(world) as work, LineClient("http://127.0.0.1:1") as nowhere:
        work.client = nowhere
        work.dispatcher = work.fresh_dispatcher(work.senders)
        await work.turn()
    assert await world.tries(id_) == [(1, "unsent", 0, 7050)]
    row = await world.queued(id_)
    assert row is not None
    assert (row["step"], row["failures"], row["unknowns"]) == ("due_alone", 1, 0)


# Second tries -----------------------------------------------------------------------------------


async def test_a_rate_limit_slows_the_sender_and_the_message_goes_again(
    world: World, work: Sending
) -> None:
    (id_,) = await world.accept(1, destinations=[a_number(94)])
    await world.accept(1)
    await work.turn()
    await world.accept(1)
    assert await work.turn() == 0  # nothing of the sender, the new one neither
    await world.clock.advance(2 * SECOND)
    assert await work.turn() == 2
    assert [(each[0], each[1]) for each in await world.tries(id_)] == [
        (1, "slowed"),
        (2, "accepted"),
    ]


async def test_an_error_is_not_sent_again_before_the_sweeper_says_so(
    world: World, work: Sending
) -> None:
    await world.accept(1, destinations=[a_number(99)])
    await work.turn()
    await world.clock.advance(100 * SECOND)
    assert await work.turn() == 0
    assert await work.requests() == 1


# A sender in trouble ----------------------------------------------------------------------------


async def test_an_outage_opens_the_circuit_and_one_probe_at_a_time_closes_it(
    world: World, work: Sending
) -> None:
    await work.switch("500")
    await world.accept(30)
    assert await work.turn() == 30
    assert await work.hold() == "unreachable"
    await world.accept(30)
    assert await work.turn() == 0
    await world.clock.advance(5 * SECOND)
    assert await work.turn() == 1  # a probe, which fails
    await world.clock.advance(9 * SECOND)
    assert await work.turn() == 0
    await work.switch("normal")
    await world.clock.advance(SECOND)
    assert await work.turn() == 1  # the next one, which does not
    assert await work.hold() is None
    assert await work.turn() == 28


async def test_a_restart_in_an_outage_spends_one_probe_and_not_twenty(
    world: World, work: Sending
) -> None:
    await work.switch("500")
    await world.accept(60)
    work.dispatcher = work.fresh_dispatcher(work.senders, in_flight=30)
    await work.turn()
    await world.clock.advance(5 * SECOND)
    before = await work.requests()
    work.senders = work.fresh_senders()
    work.dispatcher = work.fresh_dispatcher(work.senders)
    assert await work.turn() == 1
    assert await work.turn() == 0
    assert await work.requests() == before + 1
    assert await work.hold() == "unreachable"


async def test_a_bad_token_holds_the_sender_and_its_messages_wait(
    world: World, work: Sending
) -> None:
    await work.switch("401")
    (id_,) = await world.accept()
    await work.turn()
    assert await work.hold() == "unauthorised"
    assert await work.turn() == 0
    await work.switch("normal")
    await world.clock.advance(5 * SECOND)
    assert await work.turn() == 1
    assert await work.hold() is None
    assert await world.step(id_) == "sent"


async def test_after_twenty_403_line_is_not_asked_and_messages_end_all_the_same(
    world: World, work: Sending
) -> None:
    await work.switch("403")
    await world.accept(20)
    await work.turn()
    assert await work.hold() == "forbidden"
    asked = await work.requests()
    ids = await world.accept(15)
    for fresh in (False, True):  # in this process, and after a restart
        if fresh:
            work.senders = work.fresh_senders()
            work.dispatcher = work.fresh_dispatcher(work.senders)
            ids = await world.accept(15)
        assert await work.turn() == 15
        ends = await world.ends()
        assert {ends[id_] for id_ in ids} == {(4, 7005)}
    assert await work.requests() == asked
    assert await work.hold() == "forbidden"

    await work.switch("normal")
    async with world.pool.acquire() as conn:
        await resume_sender(conn, world.sender, holds=["forbidden"])
    (id_,) = await world.accept()
    await work.turn()
    assert await world.step(id_) == "sent"


async def test_a_monthly_limit_ends_with_lines_month(world: World, work: Sending) -> None:
    await work.switch("monthly_limit")
    await world.accept(20)
    await work.turn()
    assert await work.hold() == "monthly_limit"
    await world.clock.advance(16 * 24 * 3600 * SECOND)
    assert world.now.day == 31
    await work.senders.run_once()
    assert await work.hold() == "monthly_limit"
    await world.clock.advance(6 * 3600 * SECOND)  # 15:00 UTC: midnight at LINE
    await work.senders.run_once()
    assert await work.hold() is None
    assert work.senders.wanted(8, world.now) == {world.sender: 6}


async def test_a_paused_sender_sends_nothing(world: World, work: Sending) -> None:
    await world.rows("UPDATE sender SET hold = 'paused' WHERE id = $1", world.sender)
    await world.accept(3)
    assert await work.turn() == 0
    async with world.pool.acquire() as conn:
        await resume_sender(conn, world.sender, holds=["paused"])
    assert await work.turn() == 3


async def test_a_suspended_account_sends_nothing(world: World, work: Sending) -> None:
    await world.rows("UPDATE account SET suspended_at = $1", world.now)
    await world.accept(3)
    assert await work.turn() == 0


# Stopping and lasting ---------------------------------------------------------------------------


async def test_a_stop_gives_back_what_was_not_started_uncounted(
    world: World, work: Sending
) -> None:
    ids = await world.accept(20)
    dispatcher = work.fresh_dispatcher(work.senders)
    assert await dispatcher.run_once() == 20
    await dispatcher.aclose()
    assert await world.steps() == dict.fromkeys(ids, "due_bulk")
    assert await work.requests() == 0
    rows = await world.rows("SELECT DISTINCT attempt FROM queue")
    assert [row["attempt"] for row in rows] == [0]


async def test_a_stop_settles_what_was_started(world: World, work: Sending) -> None:
    ids = await world.accept(20, destinations=[a_number(at * 100 + 86) for at in range(20)])
    dispatcher = work.fresh_dispatcher(work.senders)
    await dispatcher.run_once()
    await until(lambda: all_arrived(work, 20))
    await dispatcher.aclose()
    assert await world.steps() == dict.fromkeys(ids, "sent")


async def all_arrived(work: Sending, count: int) -> bool:
    return await work.requests() == count


async def test_what_takes_long_keeps_its_lease(world: World, work: Sending) -> None:
    (id_,) = await world.accept(1, destinations=[a_number(97)])
    await work.dispatcher.run_once()
    await world.clock.advance(10 * SECOND)
    await work.dispatcher.renew()
    row = await world.queued(id_)
    assert row is not None
    assert (row["step"], row["due_at"]) == ("sending", world.now + 15 * SECOND)
    await until(work.is_settled)


async def test_no_more_is_claimed_than_there_is_room_for(world: World, work: Sending) -> None:
    await world.accept(30, destinations=[a_number(at * 100 + 86) for at in range(30)])
    dispatcher = work.fresh_dispatcher(work.senders, in_flight=8)
    claimed = await dispatcher.run_once()
    assert claimed == 6  # the rest is for another sender that may come
    while claimed < 30:
        more = await asyncio.wait_for(dispatcher.run_once(), timeout=10)
        assert more <= 6
        claimed += more
    await until(work.is_settled)
    await dispatcher.aclose()
    assert set((await world.steps()).values()) == {"sent"}


async def test_a_sender_that_line_answers_slowly_leaves_room_for_another(
    world: World, work: Sending
) -> None:
    """LINE gives no answer for 1.5 s to whatever the first sender asks, which has plenty to ask."""
    await world.accept(40, destinations=[a_number(at * 100 + 97) for at in range(40)])
    dispatcher = work.fresh_dispatcher(work.senders, in_flight=16)
    for _ in range(3):
        await dispatcher.run_once()
    other = await world.new_sender("other")
    await work.senders.run_once()
    quick = await world.accept(4, sender_id=other)
    while not all([await world.step(id_) == "sent" for id_ in quick]):
        await dispatcher.run_once()
    assert "sending" in (await world.steps()).values()  # the slow ones have no answer yet
    await until(work.is_settled)
    await dispatcher.aclose()


async def test_the_connections_of_the_database_may_break_while_line_is_asked(
    world: World, work: Sending
) -> None:
    """What LINE has answered is written when the database is back; nothing is sent twice."""
    ids = await world.accept(20, destinations=[a_number(at * 100 + 86) for at in range(20)])
    await work.dispatcher.run_once()
    await until(lambda: all_arrived(work, 20))
    one = await world.connect()
    await one.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"  # an autovacuum worker is not ours to end
    )
    await one.close()
    await until(lambda: settled_in_time(world))
    assert await world.steps() == dict.fromkeys(ids, "sent")
    assert await work.requests() == 20


async def settled_in_time(world: World) -> bool:
    await world.clock.advance(SECOND)
    try:
        return "sending" not in (await world.steps()).values()
    except AWAY:  # the look itself may come by a connection that was broken
        return False
