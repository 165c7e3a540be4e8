"""What the lists read: never a whole table, however the planner values a look-up by key."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from linegate.postgres.console import endpoint_pushes
from linegate.postgres.embedded_settings import server_settings
from linegate.postgres.partitions import PARTITIONED
from linegate.postgres.pool import Pool, transaction
from linegate.report.logbook import Asked, Logbook
from linegate.report.pulse import Pulse
from support.clock import FakeClock
from support.plans import ways_to
from support.reports import Scene, given_account

MINUTE = timedelta(minutes=1)
LOOKS_UP_OBJECTS = (
    "log_account",
    "log_bulks",
    "log_network",
    "pull_oldest",
    "pull_bulks",
    "fates_of_small_bulk",
    "ended_messages_of",
    "ended_by_sms",
)


@pytest.fixture
async def scene(pool: Pool, clock: FakeClock) -> Scene:
    return await given_account(pool, clock.now())


async def test_an_object_is_found_by_its_key_whatever_the_statistics_say(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """Few objects and many messages, or a year of days, made all objects seem cheaper."""
    async with transaction(pool) as conn:
        unknown = {name: await ways_to(conn, name, "message_object") for name in LOOKS_UP_OBJECTS}
    await scene.finished(3000, now=clock.now())
    async with transaction(pool) as conn:
        await conn.execute("ANALYZE final, message_object")
        known = {name: await ways_to(conn, name, "message_object") for name in LOOKS_UP_OBJECTS}
    for ways in (unknown, known):
        for name, found in ways.items():
            assert found, name
            assert all(way.endswith("by key") for way in found), (name, found)


async def test_reports_that_were_not_taken_are_read_from_both_ends_they_wait_at(
    pool: Pool,
) -> None:
    async with transaction(pool) as conn:
        ways = await ways_to(conn, "endpoint_pushes", "push")
    assert sorted(ways) == ["push_due, by key", "push_given_up, by key"]


async def test_given_up_reports_come_before_those_that_wait(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """The newest loss first, then what is tried next."""
    endpoint, ids = await scene.endpoint("http://a.example"), []
    for _ in range(4):
        ids += await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await clock.advance(MINUTE)
    async with pool.acquire() as conn:
        await conn.execute(
            "UPDATE push SET given_up_at = $2 WHERE message_id = ANY($1::bigint[])",
            [ids[0], ids[2]],
            clock.now(),
        )
        await conn.execute(
            "UPDATE push SET retry_at = $2 WHERE message_id = $1", ids[1], clock.now()
        )
        shown = await endpoint_pushes(conn, endpoint, limit=10)
        first = await endpoint_pushes(conn, endpoint, limit=3)
    assert [each.message_id for each in shown] == [ids[2], ids[0], ids[3], ids[1]]
    assert first == shown[:3]


async def test_what_is_found_depends_not_on_how_much_is_looked_through_first(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """A part is found among the newest, in its bulks or among all: always the same, in order."""
    bulks = []
    for number in range(12):
        ids = await scene.finished(
            3,
            now=clock.now(),
            status=(5, 9, 15)[number % 3],
            campaign="rare" if number in (2, 7) else "common",
            entity=f"e-{number % 2}",
        )
        bulks.append(f"{min(ids) - 32:016x}")
        await clock.advance(MINUTE)
        if number == 8:
            await Pulse(pool, clock).run_once()  # these are not among the fresh ends any more
    asks: list[dict[str, Any]] = [
        {"campaigns": ["common"]},
        {"campaigns": ["rare"]},
        {"entity_id": "e-1"},
        {"campaigns": ["common"], "entity_id": "e-0", "status_group": "UNDELIVERABLE"},
        {"sender": "shop-sender"},
        {"bulk_ids": bulks[2:5]},
        {"bulk_ids": bulks[2:5], "status_group": "DELIVERED"},
        {},
    ]
    for asked in asks:
        whole = await places_of(Logbook(pool, clock), scene, **asked)
        assert all(newer > older for newer, older in pairwise(whole))
        for front, large in ((0, 0), (1, 4), (5, 100)):
            logbook = Logbook(pool, clock, front=front, large=large)
            assert await places_of(logbook, scene, **asked) == whole, (asked, front, large)
    assert len(await places_of(Logbook(pool, clock), scene, campaigns=["rare"])) == 6
    assert len(await places_of(Logbook(pool, clock), scene, bulk_ids=bulks[2:5])) == 9


async def places_of(logbook: Logbook, scene: Scene, **asked: Any) -> list[tuple[object, int]]:
    """All places of what is asked for, page by page."""
    places: list[tuple[object, int]] = []
    before = None
    while True:
        page = await logbook.page(scene.account_id, Asked(limit=4, before=before, **asked))
        places += [(each.message.sent_at, each.message.id) for each in page.logged]
        before = page.next
        if before is None:
            return places


async def test_pages_of_some_accounts_together_show_everything_once(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    other = await given_account(pool, clock.now(), "other")
    expected: list[int] = []
    for number in range(9):
        owner = other if number % 3 == 0 else scene
        expected = [*await owner.finished(1, now=clock.now()), *expected]
        await clock.advance(MINUTE)
    logbook, seen, before = Logbook(pool, clock), list[int](), None
    while True:
        asked = Asked(limit=4, before=before)
        logged, before = await logbook.newest([scene.account_id, other.account_id], asked)
        seen += [each.message.id for each in logged]
        if before is None:
            break
    assert seen == expected


async def test_the_embedded_server_has_locks_for_statements_over_a_year_of_days(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """Two at once, each with every table and index of every day: erasing somebody locks them."""
    async with pool.acquire() as conn:
        of_a_day = await conn.fetchval(
            "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'i') AND relname LIKE $1",
            f"%\\_{clock.now():%Y%m%d}%",
        )
    settings = server_settings(Path("/tmp"))
    bound = int(settings["max_locks_per_transaction"]) * int(settings["max_connections"])
    assert of_a_day > len(PARTITIONED)
    assert bound >= 2 * 366 * of_a_day
