"""The two push endpoints, as a bare ASGI callable: the part that must be fast and exact.

`judge` decides, without waiting, what the answer is and what follows from it; `push` reads
the request, acts the decision out (late, never, cut off) and sends it.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated

import msgspec

from linegate.simulator import fates
from linegate.simulator.answers import (
    EMPTY,
    Detail,
    Receive,
    Scope,
    Send,
    close_connection,
    error_body,
    read_body,
    request_ids,
    send_json,
    wait_for_disconnect,
)
from linegate.simulator.channels import Channel, Channels
from linegate.simulator.events import delivery_event
from linegate.simulator.fates import CLOSED, NO_ANSWER, Fate, fate_of
from linegate.simulator.ledger import Shown
from linegate.simulator.numbers import NumberTable, shared_table
from linegate.simulator.templates import template_problem
from linegate.simulator.verdicts import Verdict, Verdicts, parse_problem

__all__ = ["ENDPOINTS", "Endpoint", "LinePlatform"]

# Source: LINE reference: a request is at most 2 MB (FACTS A1.6).
LARGEST_BODY = 2 * 1024 * 1024
_OVERTAKEN_AT_MOST = 2.0

_is_digest = re.compile(r"[0-9A-Fa-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One push endpoint. success: its status for a message taken (FACTS A1.1)."""

    path: str
    kind: str
    success: int


ENDPOINTS: dict[str, Endpoint] = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("/bot/pnp/push", "flexible", 200),
        Endpoint("/v2/bot/message/pnp/templated/push", "templated", 202),
    )
}


# Source: LINE SDK 3.26, `customAggregationUnits`: one name of 1-30 characters (FACTS A1.3).
_Unit = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]{1,30}$")]
_Units = Annotated[list[_Unit], msgspec.Meta(max_length=1)]


class _FlexiblePush(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    to: str
    messages: msgspec.Raw
    notification_disabled: bool = False
    custom_aggregation_units: _Units = []


class _TemplatedPush(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    to: str
    template_key: str
    body: msgspec.Raw = msgspec.Raw(b"{}")
    custom_aggregation_units: _Units = []


_decode_flexible = msgspec.json.Decoder(_FlexiblePush).decode
_decode_templated = msgspec.json.Decoder(_TemplatedPush).decode
_quote = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Headers:
    authorization: bytes = b""
    media_type: bytes = b""
    tag: bytes | None = None
    retry_key: bool = False
    length: int = 0


@dataclass(slots=True)
class _Decision:
    """What to answer, and what to do besides. event: to be sent before the answer."""

    status: int
    body: bytes = EMPTY
    answer_after: float = 0.0
    event: bytes | None = None
    channel: Channel | None = None


class LinePlatform:
    """The push endpoints over the registered channels."""

    def __init__(self, channels: Channels, numbers: NumberTable | None = None) -> None:
        self.channels = channels
        self.settings = channels.settings
        self.next_id = request_ids()
        self._verdicts = Verdicts()
        self._numbers = numbers
        self._held: set[asyncio.Timeout] = set()

    @property
    def numbers(self) -> NumberTable:
        """The owned numbers; built when first needed."""
        if self._numbers is None:
            self._numbers = shared_table()
        return self._numbers

    async def push(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to a push endpoint."""
        headers = _read_headers(scope["headers"])
        if headers.length > LARGEST_BODY:
            body = None
        else:
            body = await read_body(receive, LARGEST_BODY)
        decision = self.judge(endpoint, headers, body)
        channel = decision.channel
        if channel is not None:
            channel.tally.answers[decision.status] += 1
            if decision.event is not None:
                await channel.events.send_now(decision.event)
        if decision.answer_after:
            await asyncio.sleep(decision.answer_after)
        if decision.status == CLOSED:
            await close_connection(receive, send)
        elif decision.status == NO_ANSWER:
            await self._hang(receive, send)
        else:
            await send_json(send, decision.status, decision.body, self.next_id())

    def release_held(self) -> None:
        """Close the connections of requests that get no answer, so that the server can stop."""
        for held in self._held:
            held.reschedule(0.0)

    def judge(self, endpoint: Endpoint, headers: _Headers, body: bytes | None) -> _Decision:
        """Decide on one request. body: None when it is longer than 2 MB."""
        channel = self.channels.by_authorization(headers.authorization)
        if channel is None:
            self.channels.unauthorised += 1
            return _Decision(401, error_body(fates.UNAUTHORISED))
        at = self.settings.ticks()
        channel.tally.requests += 1
        channel.pace.arrive(at)
        decision = _refusal(endpoint, channel, headers, body)
        if decision is None and not channel.bucket(endpoint.path).take(at):
            decision = _Decision(429, error_body(fates.RATE_LIMITED))
        if decision is None:
            decision = self._read(endpoint, channel, headers, body or b"")
        decision.channel = channel
        return decision

    def _read(
        self, endpoint: Endpoint, channel: Channel, headers: _Headers, body: bytes
    ) -> _Decision:
        try:
            if endpoint.kind == "flexible":
                flexible = _decode_flexible(body)
                to, verdict = flexible.to, self._verdicts.on(bytes(flexible.messages))
            else:
                templated = _decode_templated(body)
                to = templated.to
                verdict = template_problem(templated.template_key, bytes(templated.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _Decision(400, parse_problem(body, error))
        if _is_digest(to) is None:
            return _Decision(400, BAD_DIGEST)
        if verdict.problem is not None:
            return _Decision(400, verdict.problem)
        return self._fulfil(endpoint, channel, to.lower(), headers.tag, verdict)

    def _fulfil(
        self, endpoint: Endpoint, channel: Channel, to: str, tag: bytes | None, verdict: Verdict
    ) -> _Decision:
        number = self.numbers.find(to)
        fate = channel.switched or fate_of(number)
        if fate.once:
            fate = _first_or_second(channel, to, fate)
        channel.tally.fates[fate.name] += 1
        decision = _Decision(
            fate.answer or endpoint.success,
            _body_of(fate),
            fate.answer_after * self.settings.delay_factor + channel.answer_after,
        )
        name = tag.decode("latin-1") if tag is not None else to
        channel.tally.tags.note(name, None)
        if fate.processed:
            self._take(
                endpoint,
                channel,
                fate,
                Shown(
                    channel.id,
                    to,
                    number,
                    verdict.alt_text,
                    verdict.content,
                    name,
                    self.settings.wall(),
                ),
                decision,
            )
        return decision

    def _take(
        self, endpoint: Endpoint, channel: Channel, fate: Fate, shown: Shown, decision: _Decision
    ) -> None:
        tally = channel.tally
        tally.taken += 1
        tally.same_tag.note(shown.to, shown.tag)
        tally.same_content.note(shown.to, shown.content)
        if fate.early:
            self._show(endpoint, channel, shown)
            decision.event = self._event(shown)
        elif fate.events:
            delay = max(fate.event_after, fate.answer_after) * self.settings.delay_factor
            delay += channel.answer_after
            channel.events.after(delay, self._deliver, endpoint, channel, fate, shown)

    def _deliver(self, endpoint: Endpoint, channel: Channel, fate: Fate, shown: Shown) -> None:
        self._show(endpoint, channel, shown)
        event = self._event(shown)
        if fate.overtaken:
            channel.events.hold(event, _OVERTAKEN_AT_MOST * self.settings.delay_factor)
            return
        channel.events.put(event)
        for _ in range(fate.events - 1):
            channel.events.after(0.1, channel.events.put, event)

    def _show(self, endpoint: Endpoint, channel: Channel, shown: Shown) -> None:
        channel.tally.deliver(endpoint.kind, self.settings.wall())
        self.channels.shown.append(shown)

    def _event(self, shown: Shown) -> bytes:
        return delivery_event(_quote(shown.tag).decode(), self.settings.wall())

    async def _hang(self, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self.settings.hold) as held:
                self._held.add(held)
                await wait_for_disconnect(receive)
        except TimeoutError:
            await close_connection(receive, send)
        finally:
            self._held.discard(held)


def _read_headers(pairs: list[tuple[bytes, bytes]]) -> _Headers:
    headers = _Headers()
    for name, value in pairs:
        if name == b"authorization":
            headers.authorization = value
        elif name == b"content-type":
            headers.media_type = value
        elif name == b"x-line-delivery-tag":
            headers.tag = value
        elif name == b"x-line-retry-key":
            headers.retry_key = True
        elif name == b"content-length" and value.isdigit():
            headers.length = int(value)
    return headers


BAD_DIGEST = error_body(
    "The request body has 1 error(s)",
    [Detail("The value must be a valid SHA-256 digest.", "to")],
)


def _refusal(
    endpoint: Endpoint, channel: Channel, headers: _Headers, body: bytes | None
) -> _Decision | None:
    """What is wrong before the body is looked at (FACTS A1.2, A1.6)."""
    if not (channel.given.flexible if endpoint.kind == "flexible" else channel.given.templated):
        return _Decision(403, error_body(fates.NOT_AVAILABLE))
    if headers.media_type.partition(b";")[0].strip().lower() != b"application/json":
        return _Decision(415, error_body("Unsupported media type"))
    if body is None:
        return _Decision(413, error_body("Payload too large"))
    if headers.retry_key:
        return _Decision(400, error_body("The retry key is not supported by this API"))
    if headers.tag is not None and not 16 <= len(headers.tag) <= 100:
        return _Decision(400, error_body("The X-Line-Delivery-Tag header is invalid"))
    return None


def _first_or_second(channel: Channel, to: str, fate: Fate) -> Fate:
    if to in channel.refused_once:
        channel.refused_once.discard(to)
        return fates.DELIVERED
    channel.refused_once.add(to)
    return fate


def _body_of(fate: Fate) -> bytes:
    if fate.name == "invalid":
        return BAD_DIGEST
    return error_body(fate.text) if fate.text else EMPTY
