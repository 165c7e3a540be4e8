"""What ended is counted once, by minute, in every grain of the overview's charts."""

import re
from datetime import timedelta

from linegate.domain.pulse import BOUNDS, BY_SMS, SPANS
from linegate.postgres.console import read_pulse
from linegate.report.pulse import Pulse
from support.world import World

ENDED = """
INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
SELECT n + (SELECT COALESCE(max(message_id), $6::bigint) FROM final), $1, 1, $2, 0,
       $3::timestamptz - $4::interval, $3
FROM generate_series(1, $5) AS n
"""


async def end(world: World, status: int, count: int, after: float = 0.3) -> None:
    first = (world.now.timestamp() - 1_577_836_800) * 1000
    await world.rows(
        ENDED, world.account, status, world.now, timedelta(seconds=after), count, int(first) << 22
    )


async def total(world: World, span: str) -> dict[tuple[int, int], int]:
    async with world.pool.acquire() as conn:
        beats = await read_pulse(
            conn,
            [world.account],
            grain=SPANS[span].grain,
            since=world.now - SPANS[span].lasts,
        )
    found: dict[tuple[int, int], int] = {}
    for beat in beats:
        key = (beat.status, beat.bucket)
        found[key] = found.get(key, 0) + beat.messages
    return found


async def test_what_ended_is_counted_before_and_after_it_is_added_up(world: World) -> None:
    pulse = Pulse(world.pool, world.clock)
    await end(world, 5, 30, after=0.3)
    await end(world, 9, 7)
    expected = {(5, 3): 30, (9, 0): 7}
    assert await total(world, "hour") == expected
    await pulse.run_once()
    for span in SPANS:
        assert await total(world, span) == expected
    await pulse.run_once()
    assert await total(world, "hour") == expected
    assert await world.rows("SELECT 1 FROM pulse_fresh") == []


async def test_two_at_once_count_nothing_twice(world: World) -> None:
    await end(world, 5, 50)
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(7301407)")
        assert await Pulse(world.pool, world.clock).run_once() == 0
        assert len(await world.rows("SELECT 1 FROM pulse_fresh")) == 1
    await Pulse(world.pool, world.clock).run_once()
    assert sum((await total(world, "day")).values()) == 50


async def test_minutes_are_forgotten_and_longer_spans_kept(world: World) -> None:
    pulse = Pulse(world.pool, world.clock)
    await end(world, 5, 10)
    await pulse.run_once()
    await world.clock.advance(timedelta(hours=3))
    await pulse.run_once()
    grains = await world.rows("SELECT DISTINCT grain FROM pulse ORDER BY 1")
    assert [row["grain"] for row in grains] == [15, 120]
    assert await total(world, "hour") == {}
    assert sum((await total(world, "day")).values()) == 10


async def test_another_accounts_messages_are_not_counted(world: World) -> None:
    other = await world.new_account("other")
    await end(world, 5, 10)
    async with world.pool.acquire() as conn:
        since = world.now - timedelta(hours=1)
        assert await read_pulse(conn, [other], grain=1, since=since) == []


async def test_the_trigger_and_the_rules_have_the_same_bounds(world: World) -> None:
    (row,) = await world.rows("SELECT prosrc FROM pg_proc WHERE proname = 'note_pulse'")
    found = re.search(r"ARRAY\[([^\]]*)\]", row["prosrc"])
    assert found is not None
    assert tuple(float(each) for each in found[1].split(",")) == BOUNDS


async def test_what_the_sms_leg_ended_is_counted_besides(world: World) -> None:
    await end(world, 5, 4)
    await world.rows(
        "INSERT INTO sms_end (message_id, sender, parts, line_status, line_error)"
        " SELECT message_id, 'SHOP', 1, 9, 0 FROM final ORDER BY message_id LIMIT 3"
    )
    assert await total(world, "hour") == {(5, 3): 4, (5, BY_SMS): 3}
