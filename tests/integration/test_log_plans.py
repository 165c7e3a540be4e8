"""What the lists read: never a whole table, however the planner values a look-up by key."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linegate.domain.ids import day_start
from linegate.postgres.console import endpoint_pushes
from linegate.postgres.embedded_settings import server_settings
from linegate.postgres.partitions import PARTITIONED, ensure_partitions
from linegate.postgres.pool import Pool, transaction
from linegate.report.logbook import Asked, Logbook
from linegate.report.rollup import Rollup
from support.clock import FakeClock
from support.plans import rows_read, ways_to
from support.reports import Scene, given_account

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LOOKS_UP_OBJECTS = (
    "log_network",
    "pull_oldest",
    "pull_bulks",
    "fates_of_small_bulk",
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


async def test_a_page_of_a_bulks_reports_reads_no_more_than_the_page(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """It read and sorted the whole bulk: half a second for a hundred thousand, for each page."""
    await scene.finished(2000, now=clock.now())
    pulled = await scene.finished(1000, now=clock.now())
    other = await given_account(pool, clock.now(), "other")
    other.ids = scene.ids
    await other.finished(2000, now=clock.now())
    *_, last = await scene.finished(4000, now=clock.now())
    async with transaction(pool) as conn:
        (bulk,) = await conn.fetchrow(  # as an import is whose parts came before and after
            "UPDATE bulk SET last_id = $2 WHERE $1 BETWEEN id AND last_id RETURNING id",
            pulled[0],
            last,
        )
        await conn.execute(
            "UPDATE message_object SET bulk_id = $1"
            " WHERE id = (SELECT max(id) FROM message_object)",
            bulk,
        )
        await conn.execute("ANALYZE final, message_object, bulk")
        await conn.execute(
            "UPDATE final SET pulled = true WHERE message_id = ANY($1::bigint[])", pulled
        )
        read = await rows_read(
            conn,
            "pull_bulks",
            "final",
            account_id=scene.account_id,
            bulk_ids=[bulk],
            since=clock.now() - DAY,
            now=clock.now(),
            limit=100,
        )
        assert read == 2 * 100  # to find them and to mark them
        assert await conn.fetchval("SELECT count(*) FROM final WHERE pulled_at IS NOT NULL") == 100


async def test_a_search_reads_the_days_that_it_names_by_the_indexes_that_fit(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """Before statistics are told as after; no other day is planned for, however many are kept."""
    at = clock.now()
    values: dict[str, object] = {
        "statuses": [5, 9],
        "since": at - DAY,
        "until": at,
        "before_at": at,
        "before_id": 1 << 60,
        "first_id": day_start(at.date()),
        "end_id": day_start(at.date() + 2 * DAY),
        "bulk_ids": [1],
        "sinces": [at - DAY],
        "account_ids": [scene.account_id],
        "limit": 50,
        "most": 1000,
        "messages": 5000,
        "large": 10_000,
        "mosts": [1000],
    }
    parts: list[dict[str, object]] = [
        {},
        {"campaigns": ["c"]},
        {"entity_id": "e"},
        {"application_id": "a"},
        {"sender_id": 7},
    ]
    for day in (at, at + DAY):
        await scene.finished(2000, now=day, campaign="c", entity="e")
        async with pool.acquire() as conn:
            await conn.execute(
                "INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated,"
                " line_message, validity, campaign, entity_id, application_id)"
                " SELECT $1::bigint + n, $1, $2, n % 20, false, '{}', '1 hour',"
                "  CASE WHEN n % 20 = 1 THEN 'c' ELSE 'd' END,"
                "  CASE WHEN n % 20 = 2 THEN 'e' ELSE 'f' END,"
                "  CASE WHEN n % 20 = 3 THEN 'a' ELSE 'b' END"
                " FROM generate_series(1, 3000) AS n",
                day_start(day.date()),
                scene.account_id,
            )
    for told in (False, True):
        async with transaction(pool) as conn:
            if told:
                await conn.execute("ANALYZE final, message_object, bulk")
            for part in parts:
                for by_end, column in ((False, "sent_at"), (True, "done_at")):
                    asked = {**values, **part, "by_end": by_end}
                    newest = await ways_to(conn, "log_accounts", "final", **asked)
                    horizon = await ways_to(conn, "log_horizons", "final", **asked)
                    in_bulks = await ways_to(conn, "log_bulks", "final", **asked)
                    assert _are_two_days_by(column, newest), (part, newest)
                    assert _are_two_days_by(column, horizon), horizon
                    assert _are_two_days_by("pkey", in_bulks), (part, in_bulks)
                if part:
                    own = {"campaign": "c"} if "campaigns" in part else part
                    (column,) = own
                    newest = await ways_to(conn, "newest_bulks", "message_object", **values, **own)
                    assert _are_two_days_by(column, newest), (part, newest)
                    bulks = await ways_to(conn, "newest_bulks", "bulk", **values, **own)
                    assert _are_two_days_by("pkey", bulks), (part, bulks)
                by_sms = await ways_to(conn, "log_by_sms", "sms_end", **values)
                assert _are_two_days_by("ended_at", by_sms), by_sms
                for name in ("log_accounts", "log_bulks", "log_by_sms"):
                    objects = await ways_to(conn, name, "message_object", **asked)
                    assert _are_two_days_by("pkey", objects), (name, part, objects)


def _are_two_days_by(column: str, ways: list[str]) -> bool:
    """Whether the two days that were named are read, each by an index whose name says so."""
    return len(ways) == 2 and all(column in way and way.endswith("by key") for way in ways)


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


async def places_of(logbook: Logbook, scene: Scene, **asked: Any) -> list[tuple[object, int]]:
    """All places of what is asked for, page by page."""
    places: list[tuple[object, int]] = []
    before = None
    while True:
        page = await logbook.page([scene.account_id], Asked(limit=4, before=before, **asked))
        places += [(each.message.sent_at, each.message.id) for each in page.logged]
        before = page.next
        if before is None:
            return places


async def test_what_was_sent_long_after_it_was_accepted_is_found_where_it_was_sent(
    pool: Pool, scene: Scene, clock: FakeClock
) -> None:
    """Its day is noted, before it is added up and after; a search for other days skips it."""
    sent = clock.now() + 20 * DAY
    late = await scene.finished(2, now=clock.now(), campaign="held")
    async with transaction(pool) as conn:
        await conn.execute("DELETE FROM final; DELETE FROM tally WHERE status > 0")
        await conn.execute(
            "INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)"
            " SELECT id, $1, object_id, 5, 0, $2, $2 FROM message",
            scene.account_id,
            sent,
        )
    await clock.advance(21 * DAY)
    async with pool.acquire() as conn:
        await ensure_partitions(conn, now=clock.now(), behind=25)
    prompt = await scene.finished(1, now=clock.now(), campaign="held")
    for _ in range(2):  # the second time it has been added up
        for asked in ({}, {"campaigns": ["held"]}):
            places = await places_of(Logbook(pool, clock), scene, **asked)
            assert [id_ for _, id_ in places] == [*prompt, *reversed(late)], asked
        assert await Rollup(pool, clock).run_once() == 0
    async with pool.acquire() as conn:
        days = await conn.fetch("SELECT account_id, day, last_day FROM late_day")
        assert await conn.fetchval("SELECT count(*) FROM tally") == 0
    first = (clock.now() - 21 * DAY).date()
    assert [tuple(each) for each in days] == [(scene.account_id, first, first)]


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
