"""One linegate with two accounts, and everything outside of it within our reach."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
from chaos_load import Steady, Troubled
from chaos_outside import NameServer, Receiver, Relay
from chaos_watch import Arrivals, Memory
from installation import BenchError, Installation, command, installed

__all__ = ["CROWD", "STEADY", "TROUBLED", "Site", "site"]

STEADY, TROUBLED, CROWD = "bench", "troubled", "crowd"
_SENDER = {STEADY: "BENCH1", TROUBLED: "TROUBLED"}
_CHANNEL = {STEADY: "2000000001", TROUBLED: "2000000099"}
_SECRET = "secret of the troubled channel"  # noqa: S105
_RATE_LIMIT = 2000  # Source: LINE reference, "Rate limits": requests a second to one channel
_REPEATS = 60
_LATEST = 3000  # arrivals asked for at once


@dataclass(slots=True)
class Site:
    """What runs. names: only in a namespace of our own."""

    installation: Installation
    http: aiohttp.ClientSession
    receiver: Receiver
    smsc: Relay
    names: NameServer | None
    keys: dict[str, str]
    steady: Steady
    troubled: Troubled
    arrivals: Arrivals
    memory: Memory

    async def line(self, fate: str = "normal", answer_after: float = 0.0) -> None:
        """Give all messages of the troubled sender one fate at LINE."""
        wanted = {"all": fate, "channel": _CHANNEL[TROUBLED], "answerAfter": answer_after}
        url = f"{self.installation.line_url}/simulator/fate"
        async with self.http.put(url, json=wanted) as answer:
            answer.raise_for_status()

    async def channel(self, account: str) -> dict[str, Any]:
        """What LINE counted of an account's channel."""
        stats = await self._get(self.installation.line_url + "/simulator/stats")
        counted: dict[str, Any] = stats["channels"][_CHANNEL[account]]
        return counted

    async def tags(self) -> list[str]:
        """Delivery tags of the troubled sender's last messages."""
        path = f"/simulator/messages?limit=1000&channel={_CHANNEL[TROUBLED]}"
        found = await self._get(self.installation.line_url + path)
        return [each["tag"] for each in found["messages"]]

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        async with self.http.get(self.installation.url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.startswith((name + " ", name + "{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    async def watch(self) -> None:
        """Follow the steady sender's arrivals at LINE until cancelled."""
        path = f"/simulator/arrivals?channel={_CHANNEL[STEADY]}&limit={_LATEST}"
        while True:
            found = await self._get(self.installation.line_url + path)
            self.arrivals.add(found["arrivals"])
            await asyncio.sleep(1)

    async def call_webhook(self, body: bytes) -> int:
        """One call of LINE for the troubled sender, signed; its status, 0 if none came."""
        mac = hmac.digest(_SECRET.encode(), body, hashlib.sha256)
        headers = {"x-line-signature": base64.b64encode(mac).decode()}
        url = f"{self.installation.url}/line/webhook/{_SENDER[TROUBLED]}"
        try:
            async with self.http.post(url, data=body, headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def pulled(self, account: str) -> dict[str, int]:
        """How many reports of each message can be pulled; each is handed out only once."""
        headers = {"Authorization": f"App {self.keys[account]}"}
        found: dict[str, int] = {}
        while True:
            url = self.installation.url + "/line/1/reports?limit=1000"
            results = (await self._get(url, headers))["results"]
            if not results:
                return found
            for report in results:
                found[report["messageId"]] = found.get(report["messageId"], 0) + 1

    async def database(self) -> asyncpg.Connection:
        """A connection to the installation's database."""
        return await asyncpg.connect(self.installation.database())

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> Any:
        for _ in range(_REPEATS):
            async with self.http.get(url, headers=headers) as answer:
                if answer.status == 200:
                    return await answer.json()
                problem = f"{url}: {answer.status} {await answer.text()}"
            if answer.status != 503:  # that one says: again later
                break
            await asyncio.sleep(1)
        raise BenchError(problem)


@asynccontextmanager
async def site(
    *, rate: float, troubled_rate: int, resend_after: float, names: NameServer | None
) -> AsyncIterator[Site]:
    """Start everything; what runs in our own process ends with the block.

    rate, troubled_rate: messages a second of the two; names: whose names linegate is given, for
    LINE and the steady endpoint; None: addresses.
    Raises: BenchError.
    """
    hosts = ("127.0.0.1", "127.0.0.1") if names is None else ("line.good.test", "steady.good.test")
    receiver = Receiver(STEADY)
    async with AsyncExitStack() as stack:
        await receiver.open()
        stack.push_async_callback(receiver.close)
        installation = await stack.enter_async_context(
            installed(
                workers=1,
                senders=1,
                events_per_call=20,
                rate_limit=_RATE_LIMIT,
                reports=f"http://{hosts[1]}:{receiver.port}/{STEADY}/0",
                settings={
                    "LINEGATE_LINE_API_URL": f"http://{hosts[0]}:{{port}}",
                    "LINEGATE_RESEND_UNKNOWN_AFTER": f"{resend_after:g}s",
                },
            )
        )
        smsc = Relay(installation.smpp_port)
        await smsc.mend()
        stack.push_async_callback(smsc.cut)
        key = await _add_troubled(installation, receiver.port, smsc.port)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
        )
        http = await stack.enter_async_context(session)
        await _add_channel(http, installation)
        url = installation.url
        steady = Steady.of(http, url, installation.key, _SENDER[STEADY], rate)
        troubled = Troubled(http, url, key, _SENDER[TROUBLED], troubled_rate)
        keys = {STEADY: installation.key, TROUBLED: key}
        watched = Memory(installation.groups())
        yield Site(
            installation, http, receiver, smsc, names, keys, steady, troubled, Arrivals(), watched
        )


async def _add_troubled(installation: Installation, port: int, smpp: int) -> str:
    """The account that has the trouble; gives its key."""
    env = dict(installation.env)
    await command(env, "account", "create", TROUBLED)
    url = f"http://127.0.0.1:{port}/{TROUBLED}/0"
    made = await asyncio.gather(
        command(env, "key", "create", "--account", TROUBLED),
        command(env, "webhook", "set", "--account", TROUBLED, "--url", url),
        command(
            {**env, "LINEGATE_CHANNEL_SECRET": _SECRET},
            *("sender", "create", "--account", TROUBLED, "--sender", _SENDER[TROUBLED]),
            *("--channel-id", _CHANNEL[TROUBLED]),
        ),
        command(
            {**env, "LINEGATE_SMS_URL": f"smpp://{TROUBLED}:bench@127.0.0.1:{smpp}?window=50"},
            *("sms-route", "create", "--account", TROUBLED, "--name", "smsc"),
            *("--default-sender", "Bench"),
        ),
    )
    return made[0]["key"]


async def _add_channel(http: aiohttp.ClientSession, installation: Installation) -> None:
    channel = {
        "channelId": _CHANNEL[TROUBLED],
        "channelSecret": _SECRET,
        "webhookUrl": f"{installation.url}/line/webhook/{_SENDER[TROUBLED]}",
    }
    async with http.post(f"{installation.line_url}/simulator/channels", json=channel) as answer:
        answer.raise_for_status()
