"""The simulator's own interface, `/simulator/...`: set it up, switch fates, see what happened."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.simulator.channels import Channel, bot_user_id
from linegate.simulator.fates import CLOSED, FATES, NO_ANSWER, SWITCHES
from linegate.simulator.ledger import Shown
from linegate.simulator.line_platform import LinePlatform
from linegate.simulator.numbers import BLOCKS
from linegate.simulator.replies import json_reply, local_only, refuse, whole_number
from linegate.simulator.settings import ChannelSettings

__all__ = ["Admin"]


class _NewChannel(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    channel_id: str
    channel_secret: str
    webhook_url: str = ""
    access_token: str = ""
    flexible: bool = True
    templated: bool = True
    redelivery: bool = False
    assertion_keys: dict[str, str] = {}


class _Switch(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    all: str = "normal"
    channel: str | None = None
    rate_limit: float | None = None
    answer_after: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None


class _Numbers(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[str]


class Admin:
    """Handlers of `/simulator`; each docstring is its documentation."""

    def __init__(self, platform: LinePlatform) -> None:
        self._platform = platform
        self._channels = platform.channels

    def routes(self) -> list[Route]:
        """All routes, for this machine only unless the settings say otherwise."""
        anywhere = self._channels.settings.admin_from_anywhere
        table = (
            ("POST", "/simulator/channels", self.add_channel),
            ("GET", "/simulator/channels", self.list_channels),
            ("GET", "/simulator/fates", self.list_fates),
            ("PUT", "/simulator/fate", self.switch),
            ("POST", "/simulator/numbers", self.add_numbers),
            ("GET", "/simulator/messages", self.messages),
            ("GET", "/simulator/stats", self.stats),
            ("DELETE", "/simulator/stats", self.reset),
            ("GET", "/simulator/arrivals", self.arrivals),
        )
        return [
            Route(path, local_only(handler, anywhere), methods=[method])
            for method, path, handler in table
        ]

    async def add_channel(self, request: Request) -> Response:
        """Register a channel, or replace the one with this id."""
        try:
            new = msgspec.json.decode(await request.body(), type=_NewChannel)
        except msgspec.DecodeError as error:
            return refuse(str(error))
        old = self._channels.by_id.get(new.channel_id)
        if old is not None:
            await old.events.close()
        self._channels.add(ChannelSettings(**msgspec.structs.asdict(new)))
        return json_reply({"channelId": new.channel_id, "userId": bot_user_id(new.channel_id)}, 201)

    async def list_channels(self, request: Request) -> Response:
        """The channels, without their secrets."""
        return json_reply(
            [
                {
                    "channelId": channel.id,
                    "userId": channel.bot,
                    "webhookUrl": channel.events.url,
                    "flexible": channel.given.flexible,
                    "templated": channel.given.templated,
                    "fate": channel.switched.name if channel.switched else "normal",
                    "rateLimit": channel.rate,
                }
                for channel in self._channels.by_id.values()
            ]
        )

    async def list_fates(self, request: Request) -> Response:
        """The table of fates and the blocks of numbers they are chosen by."""
        numbers = {land: f"+{prefix}00000 to +{prefix}99999" for land, prefix in BLOCKS.items()}
        return json_reply({"numbers": numbers, "fates": [asdict(fate) for fate in FATES]})

    async def switch(self, request: Request) -> Response:
        """Give all messages one fate (`{"all": "500"}`), or end that (`{"all": "normal"}`).

        `channel` limits it to one channel; `rateLimit` sets requests a second (0 = no limit);
        `answerAfter` lets every answer take so many seconds more, until it is set again.
        """
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Switch)
        except msgspec.DecodeError as error:
            return refuse(str(error))
        if wanted.all not in SWITCHES:
            return refuse(f"no such fate; one of {', '.join(SWITCHES)}")
        chosen = self._chosen(wanted.channel)
        if not chosen:
            return refuse("no such channel", 404)
        for channel in chosen:
            channel.switched = SWITCHES[wanted.all]
            if wanted.rate_limit is not None:
                channel.rate = wanted.rate_limit
            if wanted.answer_after is not None:
                channel.answer_after = wanted.answer_after
        return json_reply({"all": wanted.all, "channels": [channel.id for channel in chosen]})

    async def add_numbers(self, request: Request) -> Response:
        """Own more numbers (`{"numbers": ["+818000001234"]}`), so that their digits count."""
        try:
            new = msgspec.json.decode(await request.body(), type=_Numbers)
        except msgspec.DecodeError as error:
            return refuse(str(error))
        digits = [number.removeprefix("+") for number in new.numbers]
        if not all(number.isdecimal() and number.isascii() for number in digits):
            return refuse("numbers are digits with the country code, with or without +")
        for number in digits:
            self._platform.numbers.add(number)
        return json_reply({"added": len(digits)})

    async def messages(self, request: Request) -> Response:
        """What phones showed, newest first; `limit` (50), `channel`, `to` (a number)."""
        limit = whole_number(request, "limit", 50)
        channel = request.query_params.get("channel")
        number = request.query_params.get("to", "").strip().removeprefix("+")
        chosen = [
            shown
            for shown in reversed(self._channels.shown)
            if channel in (None, shown.channel) and number in ("", shown.number)
        ]
        return json_reply({"messages": [_message(shown) for shown in chosen[:limit]]})

    async def stats(self, request: Request) -> Response:
        """Counts by channel."""
        return json_reply(
            {
                "unauthorised": self._channels.unauthorised,
                "channels": {c.id: _stats(c) for c in self._channels.by_id.values()},
            }
        )

    async def reset(self, request: Request) -> Response:
        """Begin all counts anew and forget the messages; channels, tokens and fates stay."""
        self._channels.reset()
        return json_reply({})

    async def arrivals(self, request: Request) -> Response:
        """The latest arrivals of one channel, in seconds of a steady clock, oldest first."""
        channel = self._channels.by_id.get(request.query_params.get("channel", ""))
        if channel is None:
            return refuse("no such channel", 404)
        latest = list(channel.pace.latest)
        limit = whole_number(request, "limit", len(latest))
        return json_reply({"arrivals": latest[len(latest) - min(limit, len(latest)) :]})

    def _chosen(self, channel_id: str | None) -> list[Channel]:
        by_id = self._channels.by_id
        if channel_id is None:
            return list(by_id.values())
        return [by_id[channel_id]] if channel_id in by_id else []


# How the counts name requests that got no answer.
_NO_STATUS = {NO_ANSWER: "none", CLOSED: "closed"}


def _message(shown: Shown) -> dict[str, Any]:
    return {
        "channel": shown.channel,
        "to": f"+{shown.number}" if shown.number else None,
        "hash": shown.to,
        "altText": shown.alt_text,
        "content": msgspec.Raw(shown.content),
        "tag": shown.tag,
        "at": datetime.fromtimestamp(shown.at, UTC).isoformat(timespec="milliseconds"),
    }


def _stats(channel: Channel) -> dict[str, Any]:
    tally, events = channel.tally, channel.events
    return {
        "requests": tally.requests,
        "answers": {
            _NO_STATUS.get(status, str(status)): number
            for status, number in sorted(tally.answers.items())
        },
        "fates": tally.fates,
        "taken": tally.taken,
        "delivered": tally.delivered,
        "distinctTags": tally.tags.distinct,
        "duplicateTags": tally.same_tag.repeats,
        "duplicateContents": tally.same_content.repeats,
        "mostInOneSecond": channel.pace.most,
        "eventsSent": events.counts["sent"],
        "eventsFailed": events.counts["failed"],
        "eventsWaiting": events.waiting,
        "events": events.counts,
    }
