"""Workers are exchanged one after the other under load: nothing is lost and nothing goes twice."""

import asyncio

from support.fleet import A_REQUEST, a_site, send_on
from support.program import free_port

ROUNDS = 2
SLOW = [f"81901000{at:02d}86" for at in range(20)]  # LINE takes three seconds to answer


async def test_two_workers_restarted_in_turn_lose_nothing_and_send_nothing_twice(
    database_url: str,
) -> None:
    ports = [free_port(), free_port()]
    async with a_site(database_url) as site:
        roles, shop = site.roles, site.shop
        workers = [await roles.worker(each) for each in ports]
        stopping = asyncio.Event()
        sending = asyncio.create_task(send_on(shop, [site.api], stopping))
        for _ in range(ROUNDS):
            for at, probes in enumerate(ports):
                before = await shop.asked()
                assert await roles.stop(workers[at]) == 0
                await shop.has_asked(before + A_REQUEST)  # the other one goes on
                workers[at] = await roles.worker(probes)
        stopping.set()
        sent = await sending
        assert len(set(sent)) == len(sent) > 4 * A_REQUEST
        books = await shop.books(site.api, len(sent), within=60)
        assert books.show_each_once(sent), books
        assert await shop.shown_twice() == 0
        for process in (*workers, site.api.process):
            assert await roles.stop(process) == 0


async def test_a_worker_stopped_while_line_answers_slowly_settles_what_it_was_asking(
    database_url: str,
) -> None:
    """The stop waits for LINE's answer: an attempt that is cut off would be unknown."""
    probes = free_port()
    async with a_site(database_url) as site:
        worker = await site.roles.worker(probes)
        sent = await site.shop.send(site.api, *SLOW, seconds=60)
        await site.shop.has_asked(len(SLOW))
        assert await site.roles.stop(worker) == 0
        await site.roles.worker(probes)
        books = await site.shop.books(site.api, len(sent), within=60)
        assert books.show_each_once(sent), books
