"""A search finds what a plain look at everything finds, whichever way it takes to it."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from linegate.domain.status import STATUSES
from linegate.postgres.pool import Pool
from linegate.report.log_search import USUAL_DEPTH, Depth
from linegate.report.logbook import Asked, Logbook
from linegate.report.pulse import Pulse
from linegate.report.rollup import Rollup
from support.clock import FakeClock
from support.reports import Scene, given_account

MINUTE = timedelta(minutes=1)
DEPTHS = (
    USUAL_DEPTH,
    Depth(first=0, front=0, few=0, many=0, large=0, dear=100),  # past all of the account
    Depth(first=0, front=1, few=0, many=100, large=4, dear=1),  # at the front, then by bulks
    Depth(first=0, front=2, few=0, many=3, large=100, dear=0),  # by bulks until they are too many
    Depth(first=9, front=0, few=0, many=100, large=100, dear=1),  # the newest bulks, then the rest
    Depth(first=3, front=5, few=4, many=4, large=100, dear=1),
    Depth(sums=1),  # as if there were too many
)
PARTS: tuple[dict[str, Any], ...] = (
    {},
    {"campaigns": ["common"]},
    {"campaigns": ["rare"]},
    {"campaigns": ["nothing"]},
    {"entity_id": "e-1"},
    {"campaigns": ["common"], "entity_id": "e-0"},
    {"sender": "shop-sender"},
    {"sender": "nobody"},
)
PLAIN = """
SELECT final.message_id, CASE WHEN $6 THEN final.done_at ELSE final.sent_at END AS at
FROM final
JOIN message_object AS object ON object.id = final.object_id
JOIN sender ON sender.id = object.sender_id
WHERE final.account_id = ANY($1) AND ($2::text[] IS NULL OR object.campaign = ANY($2))
  AND ($3::text IS NULL OR object.entity_id = $3) AND ($4::text IS NULL OR sender.name = $4)
  AND final.status = ANY($5)
  AND (NOT $7 OR EXISTS (SELECT 1 FROM sms_end WHERE sms_end.message_id = final.message_id))
ORDER BY at DESC, final.message_id DESC
"""


@pytest.fixture
async def scenes(pool: Pool, clock: FakeClock) -> tuple[Scene, Scene]:
    """Two accounts with twelve bulks of each; what expired ended long after it was sent."""
    scene = await given_account(pool, clock.now())
    other = await given_account(pool, clock.now(), "other")
    for number in range(24):
        owner = other if number % 2 else scene
        ids = await owner.finished(
            1 + number % 3,
            now=clock.now(),
            status=(5, 9, 15, 5)[number // 2 % 4],
            campaign="rare" if number in (4, 5, 14) else "common",
            entity=f"e-{number // 2 % 2}",
        )
        if number % 5 == 0:
            await _end_by_sms(pool, ids, owner)
        await clock.advance(MINUTE)
        if number == 16:
            await Pulse(pool, clock).run_once()  # these are not among the fresh ends any more
    async with pool.acquire() as conn:
        await conn.execute(
            "WITH late AS (UPDATE final SET done_at = done_at + interval '90 minutes'"
            "              WHERE status = 15 RETURNING message_id, done_at)"
            " UPDATE sms_end SET ended_at = late.done_at FROM late"
            " WHERE late.message_id = sms_end.message_id"
        )
    await clock.advance(90 * MINUTE)
    return scene, other


async def _end_by_sms(pool: Pool, ids: list[int], owner: Scene) -> None:
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO sms_end (message_id, sender, parts, line_status, line_error, account_id,"
            " sent_at, ended_at) SELECT message_id, 'SMS', 1, 0, 0, $2, sent_at, done_at"
            " FROM final WHERE message_id = ANY($1)",
            ids,
            owner.account_id,
        )


@pytest.mark.parametrize("is_added_up", [False, True])
async def test_every_way_finds_the_same_in_the_same_order(
    pool: Pool, scenes: tuple[Scene, Scene], clock: FakeClock, *, is_added_up: bool
) -> None:
    if is_added_up:
        await Rollup(pool, clock).run_once()
    whose = [each.account_id for each in scenes]
    seen = 0
    for accounts in (whose[:1], whose):
        for part in PARTS:
            for group in (None, "UNDELIVERABLE", "REJECTED"):
                for order in ({}, {"by_end": True}, {"by_sms": True}):
                    asked = {"status_group": group, **part, **order}
                    expected = await _plain(pool, accounts, **asked)
                    seen += len(expected)
                    for depth in DEPTHS:
                        logbook = Logbook(pool, clock, depth=depth)
                        found = await _pages(logbook, accounts, **asked)
                        assert found == expected, (accounts, asked, depth)
    assert seen > 500


async def test_bulks_are_read_one_by_one_or_past_their_accounts_alike(
    pool: Pool, scenes: tuple[Scene, Scene], clock: FakeClock
) -> None:
    whose = [each.account_id for each in scenes]
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, messages FROM bulk ORDER BY id OFFSET 2 LIMIT 7")
    names = [f"{row['id']:016x}" for row in rows]
    for group, count in ((None, sum(row["messages"] for row in rows)), ("DELIVERED", 6)):
        for depth in DEPTHS:
            logbook = Logbook(pool, clock, depth=depth)
            found = await _pages(logbook, whose, bulk_ids=names, status_group=group)
            assert len(found) == count, (group, depth)


async def test_what_ended_late_is_found_behind_the_newest_bulks(
    pool: Pool, scenes: tuple[Scene, Scene], clock: FakeClock
) -> None:
    """A page of one message looks at three bulks of each account first."""
    whose = [each.account_id for each in scenes]
    asked: dict[str, Any] = {"campaigns": ["common"], "status_group": None, "by_end": True}
    await Rollup(pool, clock).run_once()
    logbook = Logbook(pool, clock, depth=Depth(dear=0))
    found = await _pages(logbook, whose, limit=1, **asked)
    assert found == await _plain(pool, whose, **asked)


async def _plain(pool: Pool, accounts: list[int], **asked: Any) -> list[int]:
    group = asked["status_group"]
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            PLAIN,
            accounts,
            asked.get("campaigns"),
            asked.get("entity_id"),
            asked.get("sender"),
            [each.id for each in STATUSES.values() if group in (None, each.group_name)],
            bool({"by_end", "by_sms"} & asked.keys()),
            "by_sms" in asked,
        )
    return [row["message_id"] for row in rows]


async def _pages(
    logbook: Logbook, accounts: list[int], *, limit: int = 6, **asked: Any
) -> list[int]:
    """All that is found, page by page, each place behind the one before it."""
    ids: list[int] = []
    before = None
    while True:
        logged, after = await logbook.newest(accounts, Asked(limit=limit, before=before, **asked))
        ids += [each.message.id for each in logged]
        assert before is None or after is None or after < before
        before = after
        if before is None:
            assert all(a != b for a, b in pairwise(ids))
            return ids
