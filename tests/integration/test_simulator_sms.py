"""The simulated SMSC over HTTP: its phones and its switch."""

import asyncio
import socket
from datetime import timedelta

import aiohttp

from linegate.clock import SystemClock
from linegate.domain.outcome import OutcomeKind
from linegate.domain.transport import OnReceipts, Receipt, Submission
from linegate.simulator.app import running
from linegate.simulator.settings import SimulatorSettings
from linegate.sms.smpp.transport import SmppOptions, SmppTransport


async def _kept(receipts: list[Receipt]) -> bool:
    return True


async def _bound(transport: SmppTransport) -> None:
    async with asyncio.timeout(10):
        while not transport.is_up:  # noqa: ASYNC110 - a transport rings no bell
            await asyncio.sleep(0.01)


async def _taken(receipts: list[Receipt], count: int) -> None:
    async with asyncio.timeout(10):
        while len(receipts) < count:  # noqa: ASYNC110 - a receipt rings no bell
            await asyncio.sleep(0.01)


async def test_phones_are_shown_and_the_switch_ends_connections() -> None:
    smpp = socket.create_server(("127.0.0.1", 0))
    options = SmppOptions("127.0.0.1", smpp.getsockname()[1], "any", "one")
    sms = Submission(1, "Shop", "819010000001", "สวัสดี 🎉", timedelta(hours=1))
    async with (
        running(SimulatorSettings(smpp=smpp)) as simulator,
        aiohttp.ClientSession(simulator.url) as http,
    ):
        transport = SmppTransport(options, SystemClock(), _kept)
        task = asyncio.create_task(transport.run())
        await _bound(transport)
        await transport.submit(sms)
        async with http.get("/simulator/sms", params={"to": "+819010000001"}) as answer:
            (shown,) = (await answer.json())["messages"]
        assert (shown["to"], shown["from"], shown["text"]) == ("+819010000001", "Shop", sms.text)
        async with http.put("/simulator/sms/fate", json={"all": "nonsense"}) as answer:
            assert answer.status == 400
        async with http.put("/simulator/sms/fate", json={"all": "closed"}) as answer:
            assert answer.status == 200
        submitted = await transport.submit(sms)
        assert submitted.outcome.kind is OutcomeKind.UNKNOWN
        async with http.get("/simulator/sms/fates") as answer:
            assert len((await answer.json())["fates"]) == 10
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_receipts_go_to_the_user_who_submitted() -> None:
    smpp = socket.create_server(("127.0.0.1", 0))
    taken: dict[str, list[Receipt]] = {"one": [], "two": []}
    sms = Submission(1, "Shop", "819010000001", "Shipped", timedelta(hours=1))

    def taker(user: str) -> OnReceipts:
        async def take(receipts: list[Receipt]) -> bool:
            taken[user] += receipts
            return True

        return take

    async with running(SimulatorSettings(smpp=smpp)):
        made = {
            user: SmppTransport(
                SmppOptions("127.0.0.1", smpp.getsockname()[1], user, "x"),
                SystemClock(),
                taker(user),
            )
            for user in taken
        }
        tasks = [asyncio.create_task(each.run()) for each in made.values()]
        for user, transport in made.items():
            await _bound(transport)
            for _ in range(5):
                await transport.submit(sms)
            await _taken(taken[user], 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert {user: len(found) for user, found in taken.items()} == {"one": 5, "two": 5}
