"""Workers are exchanged one after the other under load: nothing is lost and nothing goes twice."""

import asyncio
import base64

from support.fleet import A_REQUEST, fleet, send_on
from support.program import Program, free_port, home_folder
from support.shop import Shop, simulated_line

KEY = base64.b64encode(bytes(range(32))).decode()
ROUNDS = 2
SLOW = [f"81901000{at:02d}86" for at in range(20)]  # LINE takes three seconds to answer


async def test_two_workers_restarted_in_turn_lose_nothing_and_send_nothing_twice(
    database_url: str,
) -> None:
    port, ports = free_port(), [free_port(), free_port()]
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                process = await roles.start("api", "--port", str(port), probes=port)
                api = Program(f"http://127.0.0.1:{port}", process, home, [])
                workers = [await roles.worker(each) for each in ports]
                shop = await Shop.open(home, line, **settings)
                stopping = asyncio.Event()
                sending = asyncio.create_task(send_on(shop, [api], stopping))
                for _ in range(ROUNDS):
                    for at, probes in enumerate(ports):
                        before = await shop.asked()
                        assert await roles.stop(workers[at]) == 0
                        await shop.has_asked(before + A_REQUEST)  # the other one goes on
                        workers[at] = await roles.worker(probes)
                stopping.set()
                sent = await sending
                assert len(set(sent)) == len(sent) > 4 * A_REQUEST
                told = await shop.is_told(len(sent), within=60)
                pulled = await shop.pull(api)

                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(sent)}
                assert told["duplicates"] == 0
                assert set(pulled) == set(sent)
                assert set(pulled.values()) == {1}
                assert await shop.asked() == len(sent)  # no attempt was made twice
                assert await shop.shown_twice() == 0
                for worker in workers:
                    assert await roles.stop(worker) == 0
                assert await roles.stop(process) == 0


async def test_a_worker_stopped_while_line_answers_slowly_settles_what_it_was_asking(
    database_url: str,
) -> None:
    """The stop waits for LINE's answer: an attempt that is cut off would be unknown."""
    port, probes = free_port(), free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                process = await roles.start("api", "--port", str(port), probes=port)
                api = Program(f"http://127.0.0.1:{port}", process, home, [])
                worker = await roles.worker(probes)
                shop = await Shop.open(home, line, **settings)
                sent = await shop.send(api, *SLOW, seconds=60)
                await shop.has_asked(len(SLOW))
                assert await roles.stop(worker) == 0
                await roles.worker(probes)
                told = await shop.is_told(len(sent), within=60)
                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(sent)}
                assert await shop.asked() == len(sent)
