"""What the API remembers of keys, senders and endpoints, and for how long."""

import asyncio

from linegate.api.directory import Directory
from support.world import SECOND, World


async def test_a_sender_is_remembered_for_a_second(world: World) -> None:
    directory = Directory(world.pool, world.clock)
    before = await directory.sender("parcel-service", world.now)
    assert before is not None
    await world.rows("UPDATE sender SET channel_secret = 'new'")
    assert await directory.sender("parcel-service", world.now) == before
    await world.clock.advance(SECOND)
    after = await directory.sender("parcel-service", world.now)
    assert after is not None
    assert after.channel_secret == b"new"


async def test_what_is_not_found_is_not_remembered(world: World) -> None:
    directory = Directory(world.pool, world.clock)
    assert await directory.sender("soon", world.now) is None
    await world.new_sender("soon")
    assert await directory.sender("soon", world.now) is not None


async def test_a_clock_that_goes_back_keeps_nothing_for_longer(world: World) -> None:
    directory = Directory(world.pool, world.clock)
    ahead = world.now + 3600 * SECOND
    await directory.sender("parcel-service", ahead)
    await world.rows("UPDATE sender SET channel_secret = 'new'")
    after = await directory.sender("parcel-service", world.now)
    assert after is not None
    assert after.channel_secret == b"new"


async def test_an_endpoint_is_made_once_however_many_ask(world: World) -> None:
    asked = [
        Directory(world.pool, world.clock).endpoint(
            world.account, "https://example.com/reports", "application/json", world.now
        )
        for _ in range(20)
    ]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(await world.rows("SELECT 1 FROM endpoint")) == 1


async def test_a_url_in_another_format_or_of_another_account_is_another_endpoint(
    world: World,
) -> None:
    directory = Directory(world.pool, world.clock)
    other = await world.new_account("another")
    url = "https://example.com/reports"
    made = {
        await directory.endpoint(account, url, content_type, world.now)
        for account in (world.account, other)
        for content_type in ("application/json", "application/xml")
    }
    assert len(made) == 4
