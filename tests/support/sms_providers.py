"""Stand-ins for Infobip and Twilio: what they answer is chosen by the number, as at the SMSC."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from itertools import count

from aiohttp import web

__all__ = ["HttpProvider", "infobip_app", "served", "twilio_app"]

_SEND_INFOBIP = "/sms/3/messages"


class HttpProvider:
    """What a stand-in has seen. seen: request bodies in order."""

    def __init__(self) -> None:
        self.seen: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.known: set[str] = set()
        self.ids = count(1)

    async def trouble(self, request: web.Request, number: str) -> web.Response | None:
        """The answer for a number that is in trouble by its third digit from the end."""
        match number[-3]:
            case "4":
                return web.json_response({"code": 20429}, status=429)
            case "5":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "9":
                return web.json_response({"code": 20003}, status=401)
        return None


def infobip_app(provider: HttpProvider) -> web.Application:
    async def send(request: web.Request) -> web.Response:
        body = await request.json()
        provider.seen.append(body)
        provider.headers.append(dict(request.headers))
        destination = body["messages"][0]["destinations"][0]
        if (trouble := await provider.trouble(request, destination["to"])) is not None:
            provider.known.add(destination["messageId"])
            return trouble
        status = {"groupId": 1, "id": 26, "name": "PENDING_ACCEPTED"}
        if destination["to"][-3] == "3":
            status = {"groupId": 5, "id": 52, "name": "REJECTED_DESTINATION"}
        elif destination["messageId"] in provider.known:
            status = {"groupId": 5, "id": 23, "name": "REJECTED_DUPLICATE_MESSAGE_ID"}
        provider.known.add(destination["messageId"])
        parts = len(body["messages"][0]["content"]["text"]) // 160 + 1
        sent = {
            "messageId": destination["messageId"],
            "destination": destination["to"],
            "status": status,
            "details": {"messageCount": parts},
        }
        return web.json_response({"bulkId": "b", "messages": [sent]})

    app = web.Application()
    app.router.add_post(_SEND_INFOBIP, send)
    return app


def twilio_app(provider: HttpProvider) -> web.Application:
    async def send(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        provider.seen.append(dict(form))
        provider.headers.append(dict(request.headers))
        if (trouble := await provider.trouble(request, form["To"])) is not None:
            return trouble
        if form["To"][-3] == "3":
            return web.json_response({"code": 21211, "message": "not a number"}, status=400)
        parts = str(len(form["Body"]) // 160 + 1)
        sent = {"sid": f"SM{next(provider.ids):032x}", "num_segments": parts, "status": "queued"}
        return web.Response(
            status=201, body=json.dumps(sent).encode(), content_type="application/json"
        )

    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", send)
    return app


@contextlib.asynccontextmanager
async def served(make: Callable[[], web.Application]) -> AsyncIterator[str]:
    """The application on a free port; gives its base URL."""
    runner = web.AppRunner(make(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
