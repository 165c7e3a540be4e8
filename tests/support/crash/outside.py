"""The other machines, which linegate's death does not touch and which keep their own books.

LINE and an SMSC are the simulator's; here are the client's endpoint for reports, a bot, an HTTP SMS
provider, and the road that LINE's events take, where is written down which of them were answered.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from linegate.line.tag import read_tag
from linegate.simulator.app import RunningSimulator

__all__ = ["Outside", "outside"]

_RECEIPT_AFTER = 0.1  # seconds
_REPEATED_EVERY = 0.5


class Outside:
    """Books of what came.

    asked:     requests at LINE by message and attempt; taken: those that LINE carried out.
    heard:     messages whose delivery event was answered with 200.
    told:      reports by message, each as the name of its status.
    texted:    SMS handed to the HTTP provider, by our message id.
    bot:       calls that the bot has taken, by webhookEventId.
    answers:   what reports of a visit are answered: status and seconds before it.
    """

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        self.url = ""
        self.asked: Counter[tuple[int, int]] = Counter()
        self.taken: Counter[tuple[int, int]] = Counter()
        self.heard: set[int] = set()
        self.told: dict[str, list[str]] = defaultdict(list)
        self.texted: dict[str, dict[str, Any]] = {}
        self.submitted: Counter[str] = Counter()
        self.bot: set[str] = set()
        self.bot_refused: set[str] = set()
        self.answers: dict[str, tuple[int, float]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._receipts: set[asyncio.Task[None]] = set()

    def listen_to(self, line: RunningSimulator) -> None:
        """Write down what the simulated LINE is asked and takes, and the SMSC's submits."""
        platform, smsc = line.app.platform, line.app.smsc
        push, take, fate_of = platform.push, platform._take, smsc.fate_of

        async def pushed(endpoint: Any, scope: Any, receive: Any, send: Any) -> None:
            tag = dict(scope["headers"]).get(b"x-line-delivery-tag", b"").decode()
            ours = read_tag(tag)
            if ours is not None:
                self.asked[ours] += 1
            await push(endpoint, scope, receive, send)

        def taken(endpoint: Any, channel: Any, fate: Any, shown: Any, decision: Any) -> None:
            ours = read_tag(shown.tag)
            if ours is not None:
                self.taken[ours] += 1
            take(endpoint, channel, fate, shown, decision)

        def fated(number: str) -> Any:
            self.submitted[number] += 1
            return fate_of(number)

        setattr(platform, "push", pushed)  # noqa: B010 - the books are ours, not the simulator's
        setattr(platform, "_take", taken)  # noqa: B010
        setattr(smsc, "fate_of", fated)  # noqa: B010

    def app(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/events/{sender}", self._event)
        made.router.add_post("/reports/{visit}", self._report)
        made.router.add_post("/bot", self._bot)
        made.router.add_post("/sms/3/messages", self._sms)
        return made

    async def _event(self, request: web.Request) -> web.Response:
        """LINE's call, passed on; what linegate answered is what LINE gets."""
        body = await request.read()
        headers = {"x-line-signature": request.headers.get("x-line-signature", "")}
        status = await self._post(f"/line/webhook/{request.match_info['sender']}", body, headers)
        if status == 200:
            for event in json.loads(body)["events"]:
                tag = read_tag(event.get("delivery", {}).get("data", ""))
                if tag is not None:
                    self.heard.add(tag[0])
        return web.Response(status=status or 502)

    async def _report(self, request: web.Request) -> web.Response:
        told = (await request.json())["results"]
        status, pause = self.answers.get(request.match_info["visit"], (200, 0.0))
        await asyncio.sleep(pause)
        if status == 200:
            for report in told:
                self.told[report["messageId"]].append(report["status"]["name"])
        return web.Response(status=status)

    async def _bot(self, request: web.Request) -> web.Response:
        """Refuses each call once."""
        for event in (await request.json())["events"]:
            id_ = event["webhookEventId"]
            if id_ not in self.bot_refused:
                self.bot_refused.add(id_)
                return web.Response(status=500)
            self.bot.add(id_)
        return web.Response()

    async def _sms(self, request: web.Request) -> web.Response:
        """Infobip's API: takes each messageId once, and tells of it, but for ...8xx."""
        message = (await request.json())["messages"][0]
        destination = message["destinations"][0]
        id_ = destination["messageId"]
        known = id_ in self.texted
        self.texted[id_] = message
        if not known and destination["to"][-3] != "8":
            task = asyncio.create_task(self.tell(id_))
            self._receipts.add(task)
            task.add_done_callback(self._receipts.discard)
        rejected = {"groupId": 5, "id": 23, "name": "REJECTED_DUPLICATE_MESSAGE_ID"}
        status = rejected if known else {"groupId": 1, "id": 26, "name": "PENDING_ACCEPTED"}
        sent = {"messageId": id_, "destination": destination["to"], "status": status}
        return web.json_response({"messages": [{**sent, "details": {"messageCount": 1}}]})

    async def tell(self, id_: str) -> None:
        """Tell of an SMS's delivery until linegate has taken it."""
        message = self.texted[id_]
        destination = message["destinations"][0]
        report = {
            "messageId": destination["messageId"],
            "to": destination["to"],
            "callbackData": message["webhooks"]["callbackData"],
            "status": {"groupId": 3, "id": 5, "name": "DELIVERED_TO_HANDSET"},
            "error": {"groupId": 0, "id": 0, "name": "NO_ERROR"},
            "messageCount": 1,
        }
        path = "/sms/receipts/" + message["webhooks"]["delivery"]["url"].rpartition("/")[2]
        body = json.dumps({"results": [report]}).encode()
        await asyncio.sleep(_RECEIPT_AFTER)
        while await self._post(path, body, {}) != 200:  # noqa: ASYNC110 - it is told again
            await asyncio.sleep(_REPEATED_EVERY)

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """The status that linegate answers; 0 if it answers nothing."""
        assert self._session is not None
        try:
            url = self.api_url + path
            async with self._session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen while the block lasts."""
        runner = web.AppRunner(self.app(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://127.0.0.1:{1}".format(*runner.addresses[0][:2])
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            try:
                yield
            finally:
                for task in tuple(self._receipts):
                    task.cancel()
                await asyncio.gather(*self._receipts, return_exceptions=True)
                await runner.cleanup()


@asynccontextmanager
async def outside(api_url: str) -> AsyncIterator[Outside]:
    """The other machines of a linegate whose API is there."""
    made = Outside(api_url)
    async with made.serving():
        yield made
