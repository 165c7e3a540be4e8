"""`kill -9` in the middle of a bulk: nothing is lost, and every message ends in one report."""

import os
import signal

from support.program import free_port, home_folder, program
from support.shop import Shop, simulated_line

BULK = 2000
SECONDS = 12  # validity: events that came while nobody listened are gone, and LINE repeats none
IN_FLIGHT = 256  # attempts that a worker may have claimed and not settled
SETTINGS = {
    "resend_unknown_after": "2s",
    "lease_for": "4s",
    "line_timeout": "3s",
    "webhook_allow_private": "1",
}


async def test_every_message_of_a_bulk_ends_in_one_report_after_kill_9_of_everything() -> None:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {**SETTINGS, "line_api_url": line.url}
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                numbers = [f"8190100{at // 80:03d}{at % 80:02d}" for at in range(BULK)]
                sent = await shop.send(up, *numbers, seconds=SECONDS)
                await shop.has_asked(BULK // 5)
                database = int((home / "postgres/data/postmaster.pid").read_text().split()[0])
                await up.kill(database)
                assert await shop.asked() < BULK  # it was the middle
            async with program(home, port=port, **settings) as up:
                told = await shop.is_told(BULK, within=60)
                pulled = await shop.pull(up)
                assert await up.end() == 0
            assert sorted(pulled) == sorted(sent)
            assert set(pulled.values()) == {1}
            assert told["distinctMessageIds"] == BULK
            await check_ends(shop, told["byStatus"])
            # Only what was in flight may have been sent twice, and may have lost its event.
            assert await shop.asked() <= BULK + IN_FLIGHT


async def test_a_worker_that_dies_is_started_again_and_its_messages_go_on() -> None:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {**SETTINGS, "line_api_url": line.url}
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                numbers = [f"8190100{at // 80:03d}{at % 80:02d}" for at in range(BULK)]
                sent = await shop.send(up, *numbers, seconds=30)
                await shop.has_asked(BULK // 5)
                up.kill_children()
                told = await shop.is_told(BULK, within=60)
                pulled = await shop.pull(up)
                await check_ends(shop, told["byStatus"])
                assert sorted(pulled) == sorted(sent)
                assert await up.end() == 0


async def check_ends(shop: Shop, by_status: dict[str, int]) -> None:
    """All were delivered but those whose event nobody was there to take."""
    assert set(by_status) <= {"DELIVERED_TO_HANDSET", "EXPIRED_EXPIRED"}
    assert by_status.get("EXPIRED_EXPIRED", 0) <= await shop.events_lost()


async def test_a_database_that_dies_alone_is_started_again_and_nothing_accepted_is_lost() -> None:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {**SETTINGS, "line_api_url": line.url}
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                numbers = [f"8190100{at // 80:03d}{at % 80:02d}" for at in range(BULK)]
                sent = await shop.send(up, *numbers, seconds=30)
                await shop.has_asked(BULK // 5)
                database = int((home / "postgres/data/postmaster.pid").read_text().split()[0])
                os.kill(database, signal.SIGKILL)
                told = await shop.is_told(BULK, within=90)
                pulled = await shop.pull(up)
                await check_ends(shop, told["byStatus"])
                assert sorted(pulled) == sorted(sent)
                assert await up.end() == 0
