"""A group commit shares flushes, keeps answers apart, and never hangs a caller."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from linegate.group_commit import GroupCommit, Linger, Overloaded

NEVER = timedelta(0)
LONG = timedelta(hours=1)  # a test that really lingered would hang, and so fail


class Flush:
    """Answers ten times the item; waits before that while the gate is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.poison: int | None = None

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.poison in items:
            raise ValueError("poison")
        return [item * 10 for item in items]


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_lone_item_is_flushed_at_once() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=LONG)
    assert await group.submit(4) == 40
    assert flush.batches == [[4]]


async def test_items_of_one_turn_share_a_flush_and_get_their_own_answers() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=LONG)
    assert await asyncio.gather(*(group.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert flush.batches == [[0, 1, 2, 3, 4]]


async def test_items_that_come_during_a_flush_go_together_in_the_next() -> None:
    flush = Flush()
    flush.gate.clear()
    group = GroupCommit(flush, linger=NEVER)
    first = asyncio.create_task(group.submit(1))
    await turns()
    others = [asyncio.create_task(group.submit(n)) for n in (2, 3)]
    await turns()
    flush.gate.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30]
    assert flush.batches == [[1], [2, 3]]


async def test_two_writers_flush_at_the_same_time_and_no_more() -> None:
    flush = Flush()
    flush.gate.clear()
    group = GroupCommit(flush, linger=NEVER, writers=2)
    tasks = []
    for n in range(3):
        tasks.append(asyncio.create_task(group.submit(n)))
        await turns()
    assert flush.batches == [[0], [1]]
    flush.gate.set()
    await asyncio.gather(*tasks)
    assert flush.batches[2:] == [[2]]


async def test_a_batch_is_bounded_by_items() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=NEVER, max_items=2)
    await asyncio.gather(*(group.submit(n) for n in range(5)))
    assert flush.batches == [[0, 1], [2, 3], [4]]


async def test_a_batch_is_bounded_by_weight_and_a_giant_goes_alone() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=NEVER, max_weight=10, weigh=lambda item: item)
    await asyncio.gather(*(group.submit(n) for n in (4, 6, 1, 99, 2)))
    assert flush.batches == [[4, 6], [1], [99], [2]]


async def test_beyond_capacity_a_submit_fails_at_once_and_the_others_are_answered() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=NEVER, capacity=2)
    tasks = [asyncio.create_task(group.submit(n)) for n in range(2)]
    refused = asyncio.create_task(group.submit(2))
    with pytest.raises(Overloaded):
        await refused
    assert await asyncio.gather(*tasks) == [0, 10]


async def test_beyond_the_weight_that_may_wait_a_submit_fails_but_a_giant_may_wait_alone() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=NEVER, max_weight=10, max_waiting=20, weigh=lambda item: item)
    giant = asyncio.create_task(group.submit(99))
    await turns(1)
    with pytest.raises(Overloaded):
        await group.submit(1)
    assert await giant == 990
    tasks = [asyncio.create_task(group.submit(n)) for n in (9, 11)]
    await turns(1)
    with pytest.raises(Overloaded):
        await group.submit(1)
    assert await asyncio.gather(*tasks) == [90, 110]
    assert await group.submit(20) == 200  # nothing waits any more


async def test_a_failed_flush_fails_every_caller_of_its_batch_only() -> None:
    flush = Flush()
    flush.poison = 1
    group = GroupCommit(flush, linger=NEVER)
    results = await asyncio.gather(*(group.submit(n) for n in (1, 2)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert await group.submit(3) == 30


async def test_with_split_on_error_only_the_bad_item_fails() -> None:
    flush = Flush()
    flush.poison = 2
    group = GroupCommit(flush, linger=NEVER, split_on_error=(ValueError,))
    results = await asyncio.gather(*(group.submit(n) for n in (1, 2, 3)), return_exceptions=True)
    assert results[0] == 10
    assert isinstance(results[1], ValueError)
    assert results[2] == 30


async def test_a_flush_that_loses_an_answer_fails_loudly() -> None:
    async def forgetful(items: Sequence[int]) -> list[int]:
        return list(items)[1:]

    group = GroupCommit(forgetful, linger=NEVER)
    with pytest.raises(RuntimeError, match="1 items were flushed, 0 answered"):
        await group.submit(1)


async def test_a_cancelled_caller_does_not_hurt_the_others() -> None:
    flush = Flush()
    flush.gate.clear()
    group = GroupCommit(flush, linger=NEVER)
    taken = asyncio.create_task(group.submit(1))
    kept = asyncio.create_task(group.submit(2))
    await turns()
    gone = asyncio.create_task(group.submit(3))
    waiting = asyncio.create_task(group.submit(4))
    await turns()
    taken.cancel()
    gone.cancel()
    await turns()
    flush.gate.set()
    assert [await kept, await waiting] == [20, 40]
    assert flush.batches == [[1, 2], [4]]


async def test_close_drains_what_waits_and_takes_no_more() -> None:
    flush = Flush()
    flush.gate.clear()
    group = GroupCommit(flush, linger=NEVER, max_items=1)
    tasks = [asyncio.create_task(group.submit(n)) for n in range(3)]
    await turns()
    closing = asyncio.create_task(group.aclose())
    await turns()
    assert not closing.done()
    flush.gate.set()
    await closing
    assert await asyncio.gather(*tasks) == [0, 10, 20]
    with pytest.raises(RuntimeError, match="closed"):
        await group.submit(9)


async def test_a_linger_ends_when_the_batch_is_full() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=LONG, max_items=200)
    await asyncio.gather(*(group.submit(n) for n in range(100)))  # many: now they come often
    tasks = [asyncio.create_task(group.submit(0))]
    await turns()
    assert group.waiting == 1  # it lingers
    tasks += [asyncio.create_task(group.submit(n)) for n in range(1, 200)]
    await asyncio.gather(*tasks)
    assert len(flush.batches[-1]) == 200


async def test_a_linger_ends_when_the_group_is_closed() -> None:
    flush = Flush()
    group = GroupCommit(flush, linger=LONG, max_items=200)
    await asyncio.gather(*(group.submit(n) for n in range(100)))
    task = asyncio.create_task(group.submit(7))
    await turns()
    assert group.waiting == 1
    await group.aclose()
    assert task.result() == 70


@pytest.mark.parametrize(
    ("arrived", "waiting", "worth"),
    [(0, 1, False), (1, 1, False), (4, 1, False), (40, 1, True), (40, 500, False)],
)
def test_waiting_is_worth_it_only_if_it_should_double_the_batch(
    arrived: int, waiting: int, worth: bool
) -> None:
    linger = Linger()
    linger.measure(arrived=arrived, elapsed=0.010)
    assert linger.is_worth(waiting=waiting, seconds=0.003) is worth


def test_old_arrivals_are_forgotten() -> None:
    linger = Linger()
    linger.measure(arrived=1000, elapsed=0.010)
    linger.measure(arrived=1, elapsed=60.0)
    assert not linger.is_worth(waiting=1, seconds=0.003)


def test_a_wait_that_brought_nothing_is_tried_less_and_less_often() -> None:
    linger = Linger()
    linger.measure(arrived=1000, elapsed=0.010)
    skipped = []
    for _ in range(9):
        count = 0
        while not linger.is_worth(waiting=1, seconds=0.003):
            count += 1
        skipped.append(count)
        linger.learn(before=1, after=1)
    assert skipped == [0, 1, 2, 4, 8, 16, 32, 64, 64]


def test_a_wait_that_paid_off_is_repeated_at_once() -> None:
    linger = Linger()
    linger.measure(arrived=1000, elapsed=0.010)
    linger.learn(before=2, after=3)
    assert linger.is_worth(waiting=1, seconds=0.003)
