"""A customer of the running program: an account of its own, its sender at a simulated LINE, its
endpoint for delivery reports. The simulator runs in the test, so it outlives whatever is killed."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.gateway import a_request
from support.program import Program, Ran, command
from support.waiting import until

__all__ = ["Books", "Shop", "simulated_line"]

SENDER = "ACME"
_SECRET = "8c570fa6dd201bb328f1c1eac23a96d8"


@asynccontextmanager
async def simulated_line(api_port: int) -> AsyncIterator[RunningSimulator]:
    """A LINE whose events go to the API on this port; it also takes delivery reports."""
    channel = ChannelSettings(
        "1",
        _SECRET,
        access_token="word",
        webhook_url=f"http://127.0.0.1:{api_port}/line/webhook/{SENDER}",
    )
    async with running(SimulatorSettings(channels=(channel,))) as line:
        yield line


@dataclass(frozen=True, slots=True)
class Books:
    """What became of messages, when all of them had come to their end.

    ends:        how many, by the status that was reported.
    pulled:      how often each was handed out as a final report.
    doubles:     reports that were pushed again.
    asked:       requests that LINE has seen. events_lost: that nobody took.
    """

    ends: dict[str, int]
    pulled: Counter[str]
    doubles: int
    asked: int
    events_lost: int

    def are_whole(self, sent: Collection[str]) -> bool:
        """Each of these, and no other, was handed out as one report: delivered, or expired."""
        known = {"DELIVERED_TO_HANDSET", "EXPIRED_EXPIRED"}
        return self.pulled == Counter(set(sent)) and set(self.ends) <= known

    def show_each_once(self, sent: Collection[str]) -> bool:
        """All of these were delivered, at the first attempt and told of once."""
        return (
            self.pulled == Counter(sent)
            and self.ends == {"DELIVERED_TO_HANDSET": len(sent)}
            and self.doubles == 0
            and self.asked == len(sent)
        )


@dataclass(slots=True)
class Shop:
    """Who sends. home and settings: of the commands that the operator gives for it."""

    key: str
    line: RunningSimulator

    @classmethod
    async def open(cls, home: Path, line: RunningSimulator, **settings: str) -> "Shop":
        """Set it up by commands, while `up` runs or not."""

        async def told(*arguments: str) -> Ran:
            ran = await command(home, *arguments, **settings)
            assert ran.code == 0, ran.err
            return ran

        await told("account", "create", "acme")
        await told(
            *("sender", "create", "--account", "acme", "--sender", SENDER, "--channel-id", "1"),
            *("--channel-secret", _SECRET, "--access-token", "word"),
        )
        url = f"{line.url}/subscriber/acme"
        await told("webhook", "set", "--account", "acme", "--url", url)
        key = await told("key", "create", "--account", "acme")
        return cls(key.last_line, line)

    async def send(self, up: Program, *numbers: str, seconds: int = 60) -> list[str]:
        """Send to these numbers, worth so many seconds; the message ids."""
        options = {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}}
        status, answer = await up.call(
            "POST", "/line/1/messages", self.key, a_request(*numbers, options=options)
        )
        assert status == 200, answer
        return [each["messageId"] for each in answer["messages"]]

    async def asked(self) -> int:
        """How many requests LINE has seen."""
        stats = await self._get("/simulator/stats")
        return int(stats["channels"]["1"]["requests"])

    async def has_asked(self, count: int) -> None:
        async def enough() -> bool:
            return await self.asked() >= count

        await until(enough, within=60)

    async def shown_twice(self) -> int:
        """How many messages a phone was shown more than once."""
        stats = await self._get("/simulator/stats")
        return int(stats["channels"]["1"]["duplicateContents"])

    async def events_lost(self) -> int:
        """How many delivery events were not taken: LINE does not repeat them."""
        stats = await self._get("/simulator/stats")
        return int(stats["channels"]["1"]["eventsFailed"])

    async def reported(self) -> dict[str, Any]:
        """What the endpoint has been told: `distinctMessageIds`, `duplicates`, `byStatus`."""
        told: dict[str, Any] = await self._get("/subscriber?limit=0")
        return told

    async def is_told(self, messages: int, within: float) -> dict[str, Any]:
        """Wait until so many messages have been reported."""

        async def all_of_them() -> dict[str, Any] | None:
            told = await self.reported()
            return told if told["distinctMessageIds"] >= messages else None

        told = await until(all_of_them, within=within, every=0.2)
        assert told is not None
        return told

    async def pull(self, up: Program) -> Counter[str]:
        """All reports that can be pulled, counted by message."""
        found: Counter[str] = Counter()
        while True:
            _, answer = await up.call("GET", "/line/1/reports?limit=1000", self.key)
            if not answer["results"]:
                return found
            found.update(report["messageId"] for report in answer["results"])

    async def books(self, up: Program, messages: int, within: float) -> Books:
        """What became of all, once so many messages have been reported."""
        told = await self.is_told(messages, within)
        return Books(
            told["byStatus"],
            await self.pull(up),
            told["duplicates"],
            await self.asked(),
            await self.events_lost(),
        )

    async def _get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.line.url + path) as answer:
            return await answer.json()
