"""The connection to the database breaks in a statement: before it, after it, after its commit.

Whatever is lost, what was answered with 200 ends in one report, and the program goes on by itself.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from support.cutting import Cut, Cutter, cutting
from support.gateway import a_request
from support.program import Program, free_port, home_folder, program
from support.shop import Books, Shop, simulated_line
from support.waiting import until

KEY = base64.b64encode(bytes(range(32))).decode()
SETTINGS = {
    "secret_key": KEY,
    "resend_unknown_after": "1s",
    "lease_for": "3s",
    "line_timeout": "2s",
    "webhook_allow_private": "1",
}
VALID = 15  # seconds: an event that was answered with 503 does not come again
# The life of a message, statement by statement, and where it can break.
SHORT = [
    ("insert_accepted", Cut.BEFORE),
    ("insert_accepted", Cut.AFTER),
    ("claim_due", Cut.AFTER),
    ("move", Cut.COMMIT),
    ("deliver", Cut.BEFORE),
    ("reports_taken", Cut.AFTER),
]


@dataclass
class Scene:
    """The running program behind the proxy, and its customer."""

    up: Program
    shop: Shop
    cutter: Cutter
    ids: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def sent(self) -> int:
        """How many messages were answered with 200."""
        return len(self.ids)

    async def send(self) -> None:
        """One message, repeated with the same key until it is answered with 200."""
        at = self.sent + 1
        number = f"8190100{at // 80:03d}{at % 80:02d}"
        options = {"validityPeriod": {"amount": VALID, "timeUnit": "SECONDS"}}
        body = a_request(number, options=options)
        key = f"message {at}"
        async with asyncio.timeout(30):
            while True:
                status, answer = await self.up.call(
                    "POST", "/line/1/messages", self.shop.key, body, {"Idempotency-Key": key}
                )
                if status == 200:
                    self.ids += [each["messageId"] for each in answer["messages"]]
                    return
                assert status == 503, answer
                self.refused += 1

    async def cut(self, name: str, cut: Cut) -> int | None:
        """Break a connection there; gives how many messages have come to their end in time.

        None: the statement did not come within some seconds, as those of once an hour.
        """
        self.cutter.arm(name, cut)
        await self.send()
        with contextlib.suppress(AssertionError):  # for it to come
            await until(self._is_cut, within=12)
        if self.cutter.disarm():
            return None
        await self.send()  # and the next one goes as if nothing had been

        async def all_told() -> bool:
            return bool((await self.shop.reported())["distinctMessageIds"] >= self.sent)

        with contextlib.suppress(AssertionError):  # the test says where it was cut
            await until(all_told, within=VALID + 60, every=0.2)
        return int((await self.shop.reported())["distinctMessageIds"])

    async def _is_cut(self) -> bool:
        return not self.cutter.is_armed

    async def books(self) -> Books:
        """What became of all of them."""
        return await self.shop.books(self.up, self.sent, within=VALID + 60)

    async def health(self) -> int:
        """The status of /health/ready."""
        status, _ = await self.up.call("GET", "/health/ready", self.shop.key)
        return status


@asynccontextmanager
async def a_scene(database_url: str) -> AsyncIterator[Scene]:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line, cutting(database_url) as cutter:
            settings = {**SETTINGS, "line_api_url": line.url}
            shop = await Shop.open(home, line, **settings, database_url=database_url)
            async with program(home, port=port, **settings, database_url=cutter.dsn) as up:
                yield Scene(up, shop, cutter)


async def test_a_connection_that_breaks_in_a_statement_loses_nothing(database_url: str) -> None:
    async with a_scene(database_url) as scene:
        for name, cut in SHORT:
            assert await scene.cut(name, cut) == scene.sent, (name, cut)
        books = await scene.books()
        assert books.are_whole(scene.ids), books
        assert books.asked <= scene.sent + scene.cutter.cuts  # again where its fate was not known
        assert await scene.health() == 200
        assert scene.refused > 0  # and where it was not known, it was told


@pytest.mark.long
async def test_a_connection_may_break_in_every_statement(database_url: str) -> None:
    async with a_scene(database_url) as scene:
        for _ in range(3):
            await scene.send()
        await scene.shop.is_told(scene.sent, within=60)

        async def repeated() -> list[str]:
            """Once the loops have come round that look every few seconds."""
            names = sorted(name for name, times in scene.cutter.seen.items() if times > 1)
            return names if len(names) > 30 else []

        seldom: set[str] = set()
        for name in await until(repeated, within=60):
            cuts = [Cut.BEFORE, Cut.AFTER]
            if name in scene.cutter.in_transactions:
                cuts.append(Cut.COMMIT)
            for cut in cuts:
                ended = await scene.cut(name, cut)
                if ended is None:
                    seldom.add(name)
                    break
                assert ended == scene.sent, (name, cut)
        assert scene.cutter.cuts > 60, seldom
        assert not seldom & {name for name, _ in SHORT}
        books = await scene.books()
        assert books.are_whole(scene.ids), books
        assert books.asked <= scene.sent + scene.cutter.cuts
        assert await scene.health() == 200
