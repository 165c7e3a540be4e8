"""The LINE Platform over HTTP: push a message, and the few calls besides.

The one thing this file has to get right is what may have left the machine. A
request that surely never reached LINE is `unsent` and goes again; everything
else without an answer is `unknown`, because LINE has no idempotency for
notification messages. Nothing here retries. Why this HTTP library, and how far
its errors can be trusted: docs/decisions/0020.

Source: LINE notification messages reference; Messaging API reference.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PoolTimeoutError, RequestError
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.line.answers import outcome_of, unknown, unsent

__all__ = [
    "BotInfo",
    "DeliveredCount",
    "IssuedToken",
    "LineClient",
    "Timeouts",
    "WebhookEndpoint",
    "WebhookTest",
]

T = TypeVar("T", bound=msgspec.Struct)

_LONGEST_ANSWER = 64 * 1024
_REST = 0.05  # seconds
# The words of the HTTP library's connector; every other cause may follow the first byte.
_NEVER_CONNECTED = "client error (Connect)"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one request may take.

    total:   from the first byte to the last of the answer, connecting included.
    connect: to resolve, connect and finish the TLS handshake; must be below `total`,
             or a connection that was never made could not be told from a lost answer.
    idle:    how long an unused connection is kept. Short, since a connection that the
             other side closes while we write on it costs an unknown outcome.
    """

    total: timedelta = timedelta(seconds=10)
    connect: timedelta = timedelta(seconds=5)
    idle: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.connect < self.total:
            raise ValueError("the connect time-out must be above zero and below the total one")


class BotInfo(msgspec.Struct, rename="camel", frozen=True):
    """The Official Account behind a token; `user_id` is the `destination` of its events."""

    user_id: str
    basic_id: str = ""
    display_name: str = ""


class WebhookEndpoint(msgspec.Struct, frozen=True):
    """Where LINE sends this channel's events, and whether it does."""

    endpoint: str
    active: bool


class WebhookTest(msgspec.Struct, rename="camel", frozen=True):
    """What LINE's test call to the webhook gave; status_code: 0 if nobody answered."""

    success: bool
    status_code: int = 0
    reason: str = ""


class DeliveredCount(msgspec.Struct, frozen=True):
    """LINE's own count of delivered messages of one day; `success` only when `ready`.

    status: `ready`, `unready` or `out_of_service`.
    """

    status: str
    success: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A channel access token as issued; `lives_for` counts from the request."""

    token: str = field(repr=False)
    lives_for: timedelta


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    body: bytes
    request_id: str


class LineClient:
    """A pool of connections to one LINE Platform. One per process; give it back with `close`.

    base_url:    without a path, `https://api.line.me` or a stand-in for it.
    connections: the most requests in flight; one more waits for the connect time-out.
    ca_pem:      certificates trusted besides the system's.
    Errors:      ValueError for an https address on a machine without any trusted certificates.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts | None = None,
        connections: int = 256,
        ca_pem: bytes | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._client = _client(self._base, timeouts or Timeouts(), connections, ca_pem)
        self._flexible = Url(f"{self._base}/bot/pnp/push")
        self._templated = Url(f"{self._base}/v2/bot/message/pnp/templated/push")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Take no more requests; those in flight end as unknown, at once."""
        await self._client.close()
        # The library's thread may still be letting go of the last request. If Python ends in
        # that moment the process aborts (docs/decisions/0020).
        await asyncio.sleep(_REST)

    async def push(
        self, *, token: str, to_hash: str, message_json: bytes, tag: str, templated: bool
    ) -> Outcome:
        """Hand one message over and tell what became of it. Never raises for LINE's part.

        to_hash:      SHA-256 of the number, hex.
        message_json: rendered once per content. Flexible: one message object. Templated: an
                      object with `templateKey` and `body`, without `to`.
        tag:          16 to 100 characters, comes back in the delivery event.
        Cancelled: the outcome is unknown, and the caller must record it so. The library does not
                      abort the request: it keeps its connection until the total time-out.
        Source: both push endpoints; `X-Line-Retry-Key` is never sent, they answer it with 400.
        """
        to = to_hash.encode()
        if templated:
            url, body = self._templated, b'{"to":"%b",%b' % (to, message_json[1:])
        else:
            url, body = self._flexible, b'{"to":"%b","messages":[%b]}' % (to, message_json)
        try:
            request = self._client.post(url).bearer_auth(token)
        except ValueError:
            return _unusable_token()
        request = request.header("X-Line-Delivery-Tag", tag).body_bytes(body)
        answer = await _exchange(request)
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer.code, answer.body, answer.request_id)

    async def bot_info(self, token: str) -> BotInfo | Outcome:
        """The account a token belongs to. Source: Messaging API reference, "Get bot info"."""
        return await self._get("/v2/bot/info", token, BotInfo)

    async def webhook_endpoint(self, token: str) -> WebhookEndpoint | Outcome:
        """The channel's webhook settings. Source: "Get webhook endpoint information"."""
        return await self._get("/v2/bot/channel/webhook/endpoint", token, WebhookEndpoint)

    async def test_webhook(self, token: str) -> WebhookTest | Outcome:
        """Let LINE call the webhook with no events. Source: "Test webhook endpoint"."""
        path = f"{self._base}/v2/bot/channel/webhook/test"
        try:
            request = self._client.post(path).bearer_auth(token).body_bytes(b"{}")
        except ValueError:
            return _unusable_token()
        return _decoded(await _exchange(request), WebhookTest)

    async def count_delivered(
        self, token: str, day: date, *, templated: bool
    ) -> DeliveredCount | Outcome:
        """How many messages LINE delivered on a day of UTC+9; complete during the next day.

        Source: "Get number of sent LINE notification messages", both types.
        """
        kind = "pnp/templated" if templated else "pnp"
        path = f"/v2/bot/message/delivery/{kind}?date={day:%Y%m%d}"
        return await self._get(path, token, DeliveredCount)

    async def issue_token(self, form: Mapping[str, str]) -> IssuedToken | Outcome:
        """A stateless channel access token for these form fields.

        Source: Messaging API reference, "Issue stateless channel access token".
        """
        request = (
            self._client.post(f"{self._base}/oauth2/v3/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body_bytes(urlencode(form).encode())
        )
        answer = _decoded(await _exchange(request), _TokenAnswer)
        if isinstance(answer, Outcome):
            return answer
        return IssuedToken(answer.access_token, timedelta(seconds=answer.expires_in))

    async def _get(self, path: str, token: str, shape: type[T]) -> T | Outcome:
        try:
            request = self._client.get(self._base + path).bearer_auth(token)
        except ValueError:
            return _unusable_token()
        return _decoded(await _exchange(request), shape)


def _client(base: str, timeouts: Timeouts, connections: int, ca_pem: bytes | None) -> Client:
    """HTTP/1.1, no redirects, no proxy of the environment, no compression (bounded bodies)."""
    builder = (
        ClientBuilder()
        .http1_only()
        .no_proxy()
        .follow_redirects(False)
        .referer(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .timeout(timeouts.total)
        .connect_timeout(timeouts.connect)
        .max_connections(connections)
        .pool_timeout(timeouts.connect)
        .pool_idle_timeout(timeouts.idle)
        # What the network has not taken by then never goes: the kernel would try on for minutes
        # after we gave up, and LINE get a request that has been repeated long ago.
        .tcp_user_timeout(timeouts.total)
        .pool_max_idle_per_host(connections)
        .user_agent("linegate")
        .default_headers({"Content-Type": "application/json"})
    )
    if base.startswith("http:"):
        # No TLS is ever spoken to a stand-in like the sandbox; without this the library would
        # want trusted certificates all the same, which a bare machine does not have.
        builder = builder.danger_accept_invalid_certs(True)
    if ca_pem is not None:
        builder = builder.add_root_certificate_pem(ca_pem)
    return builder.build()


async def _exchange(request: RequestBuilder) -> _Answer | Outcome:
    """Send one request once. An answer counts from its head on: a cut body changes nothing."""
    answer: _Answer | None = None
    try:
        # A limit of 0 hands over the head before the body is read.
        async with request.streamed_read_buffer_limit(0).build_streamed() as response:
            request_id = _header_of(response, "x-line-request-id")
            answer = _Answer(response.status, b"", request_id)
            return _Answer(response.status, await _body_of(response), request_id)
    except RequestError as error:
        return answer or _failed(error)


def _header_of(response: Response, name: str) -> str:
    """A header's value; "" if there is none, or none that is text."""
    try:
        return response.get_header(name) or ""
    except ValueError:
        return ""


async def _body_of(response: Response) -> bytes:
    """The body up to 64 KB; what is longer is left, and the connection with it."""
    reader = response.body_reader
    if _header_of(response, "content-length") == "2":  # `{}`, nearly every answer
        return bytes(await reader.read(2) or b"")
    parts: list[bytes] = []
    left = _LONGEST_ANSWER
    while left > 0 and (part := await reader.read(left)) is not None:
        parts.append(bytes(part))
        left -= len(part)
    return b"".join(parts)


def _failed(error: RequestError) -> Outcome:
    """A request without an answer: unsent only where that is certain.

    The library's exception classes do not tell: it also says `ConnectError` of a connection
    lost after the request was written. Only its connector's own words are proof. Should they
    change, everything becomes unknown, which is slow but never sends twice.
    """
    causes = [cause["message"] for cause in error.details["causes"] or ()]
    words = causes[-1] if causes else error.message
    if isinstance(error, PoolTimeoutError):
        return unsent("every connection was in use")
    return unsent(words) if _NEVER_CONNECTED in causes else unknown(words)


def _unusable_token() -> Outcome:
    """A token that no header can hold: the same fault as one that LINE refuses."""
    detail = "the channel token holds characters that no header can carry"
    return Outcome(OutcomeKind.UNAUTHORISED, error=7004, status=4, detail=detail)


def _decoded(answer: _Answer | Outcome, shape: type[T]) -> T | Outcome:
    if isinstance(answer, Outcome):
        return answer
    if answer.code != 200:
        return outcome_of(answer.code, answer.body, answer.request_id)
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unknown("LINE's answer could not be read")
