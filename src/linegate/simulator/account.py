"""The endpoints around a channel: counts, bot info, webhook settings, checking a message.

Source: LINE reference (FACTS A1.8, A4.1).
"""

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.simulator.answers import Detail
from linegate.simulator.channels import Channel
from linegate.simulator.fates import RATE_LIMITED, UNAUTHORISED
from linegate.simulator.ledger import day_of
from linegate.simulator.line_platform import LinePlatform
from linegate.simulator.replies import Handler, json_reply, line_error
from linegate.simulator.verdicts import Verdicts, parse_problem

__all__ = ["LineAccount"]

_WEBHOOK = "/v2/bot/channel/webhook/endpoint"


class _Validate(msgspec.Struct, forbid_unknown_fields=True):
    messages: msgspec.Raw


class _Endpoint(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str = ""


class LineAccount:
    """Handlers of the slower endpoints; each needs a valid token and counts its rate."""

    def __init__(self, platform: LinePlatform) -> None:
        self._next_id = platform.next_id
        self._channels = platform.channels
        self._settings = platform.settings
        self._verdicts = Verdicts()

    def routes(self) -> list[Route]:
        """All routes."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/v2/bot/message/delivery/pnp", self.count),
            ("GET", "/v2/bot/message/delivery/pnp/templated", self.count),
            ("POST", "/v2/bot/message/validate/push", self.validate),
            ("GET", "/v2/bot/info", self.info),
            ("GET", _WEBHOOK, self.webhook),
            ("PUT", _WEBHOOK, self.set_webhook),
            ("POST", "/v2/bot/channel/webhook/test", self.test_webhook),
        )
        return [Route(path, self._authorised(act), methods=[how]) for how, path, act in table]

    async def count(self, request: Request) -> Response:
        """Messages really delivered on one day of UTC+9: `ready` the day after, as at LINE."""
        date = request.query_params.get("date", "")
        if len(date) != 8 or not (date.isascii() and date.isdecimal()):
            return line_error(400, "The value for the 'date' parameter is invalid")
        if date < "20180331":
            return json_reply({"status": "out_of_service"})
        if date >= day_of(self._settings.wall()) and not self._settings.counts_at_once:
            return json_reply({"status": "unready"})
        kind = "templated" if request.url.path.endswith("/templated") else "flexible"
        by_day = _channel(request).tally.by_day
        return json_reply({"status": "ready", "success": by_day[date, kind]})

    async def validate(self, request: Request) -> Response:
        """Whether LINE would take these message objects; nobody gets them."""
        body = await request.body()
        try:
            messages = msgspec.json.decode(body, type=_Validate).messages
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Response(parse_problem(body, error), 400, media_type="application/json")
        problem = self._verdicts.on(bytes(messages)).problem
        if problem is not None:
            return Response(problem, 400, media_type="application/json")
        return json_reply({})

    async def info(self, request: Request) -> Response:
        """The bot behind the channel; `userId` is the `destination` of its webhooks."""
        channel = _channel(request)
        return json_reply(
            {
                "userId": channel.bot,
                "basicId": "@sim" + channel.bot[1:6],
                "displayName": f"Simulated account {channel.id}",
                "chatMode": "bot",
                "markAsReadMode": "auto",
            }
        )

    async def webhook(self, request: Request) -> Response:
        """The webhook URL; 404 when none is set."""
        url = _channel(request).events.url
        if not url:
            return line_error(404, "Webhook endpoint not found")
        return json_reply({"endpoint": url, "active": True})

    async def set_webhook(self, request: Request) -> Response:
        """Set the webhook URL. LINE asks for https; the simulator takes http as well."""
        try:
            url = msgspec.json.decode(await request.body(), type=_Endpoint).endpoint
        except msgspec.DecodeError:
            url = ""
        if not url.startswith(("https://", "http://")) or len(url) > 500:
            return line_error(400, "Invalid webhook endpoint URL", [Detail("invalid", "endpoint")])
        _channel(request).events.url = url
        return json_reply({})

    async def test_webhook(self, request: Request) -> Response:
        """Call the webhook with no events, as the console's Verify button does."""
        channel = _channel(request)
        body = await request.body()
        try:
            given = msgspec.json.decode(body or b"{}", type=_Endpoint).endpoint
        except msgspec.DecodeError as error:
            return Response(parse_problem(body, error), 400, media_type="application/json")
        call = b'{"destination":"' + channel.bot.encode() + b'","events":[]}'
        url = given or channel.events.url
        reason, status = await self._channels.client.post(url, channel.given.channel_secret, call)
        return json_reply(
            {
                "success": reason == "ok",
                "timestamp": _iso(self._settings.wall()),
                "statusCode": status,
                "reason": reason.upper(),
                "detail": str(status) if status else reason,
            }
        )

    def _authorised(self, handler: Handler) -> Handler:
        async def authorised(request: Request) -> Response:
            header = request.headers.get("authorization", "").encode("latin-1")
            channel = self._channels.by_authorization(header)
            if channel is None:
                response = line_error(401, UNAUTHORISED)
            elif not channel.bucket(request.url.path).take(self._settings.ticks()):
                response = line_error(429, RATE_LIMITED)
            else:
                request.state.channel = channel
                response = await handler(request)
            response.headers["x-line-request-id"] = self._next_id().decode()
            return response

        return authorised


def _channel(request: Request) -> Channel:
    channel: Channel = request.state.channel
    return channel


def _iso(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
