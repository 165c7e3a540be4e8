"""The connection to the database breaks in a statement: before it, after it, after its commit.

Whatever is lost, what was answered with 200 ends in one report, and the program goes on by itself.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from support.cutting import Cut, Cutter, cutting
from support.gateway import a_request
from support.program import Program, free_port, home_folder, program
from support.shop import Shop, simulated_line
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
    sent: int = 0
    refused: int = 0

    async def send(self) -> None:
        """One message, repeated with the same key until it is answered with 200."""
        self.sent += 1
        number = f"8190100{self.sent // 80:03d}{self.sent % 80:02d}"
        options = {"validityPeriod": {"amount": VALID, "timeUnit": "SECONDS"}}
        body = a_request(number, options=options)
        key = f"message {self.sent}"
        async with asyncio.timeout(30):
            while True:
                status, answer = await self.up.call(
                    "POST", "/line/1/messages", self.shop.key, body, {"Idempotency-Key": key}
                )
                if status == 200:
                    return
                assert status == 503, answer
                self.refused += 1

    async def cut(self, name: str, cut: Cut) -> None:
        """Break a connection there, and see that the message at work comes to its end."""
        self.cutter.arm(name, cut)
        await self.send()
        await until(self._is_cut, within=20)
        await self.send()  # and the next one goes as if nothing had been
        try:
            told = await self.shop.is_told(self.sent, within=VALID + 60)
        except AssertionError as error:
            raise AssertionError(f"{name}, {cut.value}: {error}") from error
        assert told["distinctMessageIds"] == self.sent, (name, cut)
        assert set(told["byStatus"]) <= {"DELIVERED_TO_HANDSET", "EXPIRED_EXPIRED"}

    async def _is_cut(self) -> bool:
        return not self.cutter.is_armed

    async def is_well(self) -> None:
        """Each message has one report, and was sent again only where its fate was not known."""
        pulled = await self.shop.pull(self.up)
        assert len(pulled) == self.sent
        assert set(pulled.values()) == {1}
        assert await self.shop.asked() <= self.sent + self.cutter.cuts
        status, answer = await self.up.call("GET", "/health/ready", self.shop.key)
        assert status == 200, answer


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
            await scene.cut(name, cut)
        await scene.is_well()
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

        names = await until(repeated, within=60)
        for name in names:
            await scene.cut(name, Cut.BEFORE)
            await scene.cut(name, Cut.AFTER)
            if name in scene.cutter.in_transactions:
                await scene.cut(name, Cut.COMMIT)
        await scene.is_well()
