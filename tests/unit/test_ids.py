"""Ids: unique, ascending, dense, of one lane, and readable for the client."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.ids import IdMaker, day_start, id_time, lane_of, public_id, read_public_id

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)

processes = st.integers(0, 100_000)
# What is asked of one process: how many, and how the clock moves before (back too).
requests = st.lists(st.tuples(st.integers(1, 3000), st.integers(-5, 5)), min_size=1, max_size=30)


def made(maker: IdMaker, asked: list[tuple[int, int]]) -> list[list[int]]:
    now, blocks = NOW, []
    for count, moved in asked:
        now += moved * MS
        blocks.append(maker.block(count, now))
    return blocks


@given(processes, requests)
def test_ids_of_a_process_ascend_even_when_its_clock_goes_back(
    process: int, asked: list[tuple[int, int]]
) -> None:
    blocks = made(IdMaker(process), asked)
    assert [len(block) for block in blocks] == [count for count, _ in asked]
    # The lane is in the last bits: without it, what is left only ever grows.
    ids = [id_ >> 4 for block in blocks for id_ in block]
    assert all(before < after for before, after in pairwise(ids))


@given(st.integers(0, 200), requests, requests)
def test_two_processes_never_make_the_same_id(
    process: int, one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    here = {id_ for block in made(IdMaker(process), one) for id_ in block}
    there = {id_ for block in made(IdMaker(process + 1), other) for id_ in block}
    assert not here & there


@given(processes, requests)
def test_everything_of_a_bulk_shares_its_lane(process: int, asked: list[tuple[int, int]]) -> None:
    for block in made(IdMaker(process), asked):
        assert len({lane_of(id_) for id_ in block}) == 1


def test_lanes_take_turns() -> None:
    maker = IdMaker(1)
    assert {lane_of(maker.block(1, NOW)[0]) for _ in range(16)} == set(range(16))


def test_ids_of_a_bulk_are_dense() -> None:
    block = IdMaker(3).block(1024, NOW)
    assert {after - before for before, after in pairwise(block)} == {16}


def test_a_millisecond_holds_1024_ids_and_more_are_borrowed_from_the_next() -> None:
    block = IdMaker(3).block(2500, NOW)
    times = [id_time(id_) for id_ in block]
    assert [times.count(NOW + n * MS) for n in range(3)] == [1024, 1024, 452]


@given(st.timedeltas(timedelta(0), timedelta(days=69 * 365)).map(FIRST.__add__))
def test_an_id_is_a_positive_63_bit_number_that_knows_its_time_and_day(now: datetime) -> None:
    (id_,) = IdMaker(255).block(1, now)
    assert 0 <= id_ < 2**63
    assert timedelta(0) <= now - id_time(id_) < MS
    assert day_start(now.date()) <= id_ < day_start(now.date() + timedelta(days=1))


def test_a_day_begins_at_midnight_utc() -> None:
    assert id_time(day_start(date(2026, 1, 15))) == datetime(2026, 1, 15, tzinfo=UTC)


@given(st.integers(0, 2**63 - 1))
def test_a_public_id_is_read_back(id_: int) -> None:
    assert len(public_id(id_)) == 16
    assert read_public_id(public_id(id_)) == id_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 15,
        "0" * 17,
        "8" + "0" * 15,
        "0" * 15 + "A",
        "0" * 15 + "g",
        " " + "0" * 15,
        "+" + "0" * 15,
        "0_" + "0" * 14,
        "\u0660" * 16,
        "0x" + "0" * 14,
    ],
)
def test_text_that_is_no_public_id_of_ours_is_none(text: str) -> None:
    assert read_public_id(text) is None
