"""Stage 1: what is answered is on disk, and ids that clients choose are used once."""

import asyncio
from datetime import timedelta

import pytest

from linegate.accept.accept_bulk import Accepted, Acceptor, BulkIdTaken
from linegate.domain.bulk import Rejection
from linegate.domain.ids import IdMaker, lane_of, public_id
from support.world import HOUR, World, a_number


def taken(answer: object) -> Accepted:
    assert isinstance(answer, Accepted)
    return answer


async def test_an_accepted_bulk_is_on_disk_and_due(world: World) -> None:
    answer = taken(
        await world.try_accept(world.a_bulk(world.an_object(3, validity=HOUR), world.an_object(2)))
    )
    rows = await world.rows("SELECT * FROM queue ORDER BY id")
    assert [public_id(row["id"]) for row in rows] == answer.message_ids
    assert [row["destination"] for row in rows] == [
        *[a_number(at) for at in range(3)],
        *[a_number(at) for at in range(2)],
    ]
    assert {row["due_at"] for row in rows} == {world.now}
    assert [row["deadline_at"] - world.now for row in rows] == [HOUR] * 3 + [48 * HOUR] * 2
    assert {row["sender_id"] for row in rows} == {world.sender}
    (bulk,) = await world.rows("SELECT * FROM bulk")
    assert (public_id(bulk["id"]), bulk["messages"]) == (answer.bulk_id, 5)
    assert len({lane_of(id_) for id_ in [bulk["id"], *(row["id"] for row in rows)]}) == 1


async def test_content_is_stored_once_per_message_object(world: World) -> None:
    await world.accept(500)
    assert len(await world.rows("SELECT 1 FROM message_object")) == 1
    assert len(await world.rows("SELECT 1 FROM message")) == 500


@pytest.mark.parametrize(("count", "step"), [(1, "due_alone"), (10, "due_alone"), (11, "due_bulk")])
async def test_a_request_of_up_to_ten_goes_before_bulks(
    world: World, count: int, step: str
) -> None:
    await world.accept(count)
    assert set((await world.steps()).values()) == {step}


async def test_requests_at_the_same_time_share_commits(world: World) -> None:
    bulks = [world.a_bulk(world.an_object(2)) for _ in range(200)]
    answers = await asyncio.gather(*map(world.try_accept, bulks))
    ids = [id_ for answer in answers for id_ in taken(answer).message_ids]
    assert len(set(ids)) == 400
    assert sorted(ids) == sorted(map(public_id, await world.steps()))
    commits = await world.rows("SELECT count(DISTINCT xmin::text) AS n FROM bulk")
    assert commits[0]["n"] < 50


async def test_a_destination_that_cannot_be_sent_to_has_its_end_at_once(world: World) -> None:
    endpoint = await world.new_endpoint("https://example.com/reports")
    good, bad = await world.accept(
        2,
        destinations=[a_number(), "nonsense"],
        rejections={1: Rejection(52, 351)},
        endpoint_id=endpoint,
    )
    assert list(await world.steps()) == [good]
    assert await world.ends() == {bad: (52, 351)}
    pushes = await world.rows("SELECT message_id, endpoint_id, due_at FROM push")
    assert [tuple(row) for row in pushes] == [(bad, endpoint, world.now)]


async def test_a_rejected_one_without_an_endpoint_is_not_pushed(world: World) -> None:
    await world.accept(1, rejections={0: Rejection(52, 351)})
    assert len(await world.ends()) == 1
    assert await world.rows("SELECT 1 FROM push") == []


# Ids that clients choose ------------------------------------------------------------------------


async def test_a_bulk_id_used_before_refuses_the_whole_bulk(world: World) -> None:
    first = taken(await world.try_accept(world.a_bulk(world.an_object(2), client_id="june")))
    again = await world.try_accept(
        world.a_bulk(world.an_object(3, client_ids=["a", "b", "c"]), client_id="june")
    )
    assert first.bulk_id == "june"
    assert again == BulkIdTaken()
    assert len(await world.steps()) == 2
    # and has not used up the ids of its messages
    ids = taken(await world.try_accept(world.a_bulk(world.an_object(1, client_ids=["a"]))))
    assert ids.duplicates == frozenset()


async def test_a_message_id_used_before_rejects_that_message_alone(world: World) -> None:
    await world.try_accept(world.a_bulk(world.an_object(1, client_ids=["order-1"])))
    answer = taken(
        await world.try_accept(
            world.a_bulk(world.an_object(3, client_ids=["order-2", "order-1", None]))
        )
    )
    assert answer.duplicates == {1}
    assert answer.message_ids[:2] == ["order-2", "order-1"]
    assert len(await world.steps()) == 3
    assert await world.ends() == {}  # a duplicate never reports on the first message


async def test_of_two_equal_message_ids_in_one_request_the_first_is_taken(world: World) -> None:
    one = world.an_object(2, client_ids=["x", "x"])
    other = world.an_object(1, client_ids=["x"])
    assert taken(await world.try_accept(world.a_bulk(one, other))).duplicates == {1, 2}
    (row,) = await world.rows("SELECT destination FROM queue")
    assert row["destination"] == a_number(0)


async def test_a_request_of_duplicates_alone_is_taken_and_sends_nothing(world: World) -> None:
    await world.try_accept(world.a_bulk(world.an_object(1, client_ids=["x"])))
    answer = taken(await world.try_accept(world.a_bulk(world.an_object(1, client_ids=["x"]))))
    assert answer.duplicates == {0}
    assert len(await world.steps()) == 1


async def test_a_name_is_one_accounts_own_and_a_bulk_may_be_named_as_a_message(
    world: World,
) -> None:
    other = await world.new_account("another shop")
    for account in (world.account, other):
        bulk = world.a_bulk(world.an_object(1, client_ids=["x"]), client_id="x", account=account)
        assert taken(await world.try_accept(bulk)).duplicates == frozenset()


async def test_of_many_concurrent_requests_with_one_bulk_id_one_is_taken(world: World) -> None:
    other = Acceptor(world.pool, IdMaker(200), linger=timedelta(0))
    bulks = [world.a_bulk(world.an_object(2), client_id="june") for _ in range(20)]
    answers = await asyncio.gather(
        *(acceptor.accept(bulk) for bulk in bulks for acceptor in (world.acceptor, other))
    )
    await other.aclose()
    assert sum(isinstance(each, Accepted) for each in answers) == 1
    assert len(await world.steps()) == 2


async def test_of_many_concurrent_messages_with_one_id_one_is_taken(world: World) -> None:
    other = Acceptor(world.pool, IdMaker(200), linger=timedelta(0))
    names = ["a", "b", "c", "d"]
    bulks = [
        world.a_bulk(world.an_object(4, client_ids=names if at % 2 else names[::-1]))
        for at in range(20)
    ]
    answers = await asyncio.gather(
        *(acceptor.accept(bulk) for bulk in bulks for acceptor in (world.acceptor, other))
    )
    await other.aclose()
    refused = sum(len(taken(each).duplicates) for each in answers)
    assert refused == 40 * 4 - 4
    assert len(await world.steps()) == 4
