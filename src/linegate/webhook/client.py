"""POST to a URL that a client gave us: bounded in time, size, place and number.

Whatever the other side does, the answer is a value. This file does not know
reports, retries or accounts.

Source: RFC 9110 (Retry-After, 410); Standard Webhooks specification (2xx is
taken, no redirects).
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from types import TracebackType
from typing import Self

from aiohttp import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver

from linegate.resolver import Resolver
from linegate.webhook.acceptance import Acceptance
from linegate.webhook.guard import AddressRefusedError, Guard

__all__ = [
    "Answer",
    "PostOptions",
    "PushKind",
    "PushOutcome",
    "WebhookClient",
    "WebhookTimeouts",
]

_LONGEST_ANSWER = 64 * 1024
_PATIENCE_WITH_BODY = 1.0  # seconds, once the report is taken
_LONGEST_RETRY_AFTER = timedelta(hours=24)
_SHOWN, _SHOWN_OF_TAKEN = 2000, 200  # characters of an answer that are kept for people


class PushKind(Enum):
    """What became of one try."""

    TAKEN = "taken"  # 2xx
    FAILED = "failed"  # anything else: try again later
    GONE = "gone"  # 410: the receiver says it will never take anything again


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """One try's result.

    code:        the HTTP status; 0 if none came.
    detail:      why, in our words; never the receiver's body.
    retry_after: how long the receiver asks us to wait, at most 24 h; None if it does not.
    answer:      how the receiver's body began, for people; of one that takes reports only a little.
    """

    kind: PushKind
    code: int = 0
    detail: str = ""
    retry_after: timedelta | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class WebhookTimeouts:
    """connect: to connect and finish TLS. total: everything, name look-up and queue included."""

    connect: timedelta = timedelta(seconds=5)
    total: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class PostOptions:
    """How one endpoint wants to be called; what is None or absent is as everywhere.

    connect, read: longest wait for the connection, and between two pieces of the answer; the whole
                   exchange takes at most their sum.
    tls:           versions and the certificate we show.
    """

    connect: timedelta | None = None
    read: timedelta | None = None
    tls: ssl.SSLContext | None = None
    acceptance: Acceptance = field(default_factory=Acceptance)
    needs_body: bool = False


_PLAIN = PostOptions()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, the body's first 64 KB (where it was not wanted, what came of it with
    the head, at most 2,000 bytes), the wait asked for.
    """

    code: int
    body: bytes
    retry_after: timedelta | None = None


class WebhookClient:
    """Connections to all client URLs. One per process, made in a running loop; `close` it.

    connections, per_host: at the most; 0: whoever posts keeps the bound.
    resolver: turns names into addresses; one of its own if None.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        timeouts: WebhookTimeouts | None = None,
        connections: int = 0,
        per_host: int = 0,
        resolver: AbstractResolver | None = None,
    ) -> None:
        limits = timeouts or WebhookTimeouts()
        self._guard = guard
        self._limits = limits
        self._timeout = ClientTimeout(
            total=limits.total.total_seconds(), sock_connect=limits.connect.total_seconds()
        )
        self._session = ClientSession(
            connector=TCPConnector(
                limit=connections,
                limit_per_host=per_host,
                resolver=resolver or Resolver(),
                socket_factory=guard.open_socket,
            ),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,  # a small body could unpack into a huge one
            trust_env=False,
            headers={"User-Agent": "linegate", "Accept-Encoding": "identity"},
        )

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
        """Close every connection."""
        await self._session.close()

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str],
        options: PostOptions | None = None,
    ) -> PushOutcome:
        """Send the body once. An answer counts from its head on, unless its body is to be matched.

        headers: besides Content-Type, such as the signature's.
        """
        asked = options or _PLAIN
        answer = await self._exchange(url, body, content_type, headers, asked)
        return _failed(answer) if isinstance(answer, str) else _outcome_of(answer, asked.acceptance)

    async def fetch(
        self,
        url: str,
        *,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str],
        options: PostOptions | None = None,
    ) -> Answer | str:
        """Send the body once and read the answer, at most 64 KB; a text says why none came."""
        asked = replace(options or _PLAIN, needs_body=True)
        return await self._exchange(url, body, content_type, headers, asked)

    async def _exchange(
        self,
        url: str,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str],
        options: PostOptions,
    ) -> Answer | str:
        refusal = self._guard.refusal_of(url)
        if refusal is not None:
            return refusal
        all_headers = {**headers, "Content-Type": content_type}
        head: Answer | None = None
        try:
            async with self._session.post(
                url,
                data=body,
                headers=all_headers,
                allow_redirects=False,
                timeout=self._timeout_of(options),
                ssl=options.tls or True,
            ) as response:
                head = Answer(response.status, b"", _retry_after(response))
                if not (options.needs_body or options.acceptance.body):
                    return replace(head, body=await _read_on(response))
                return replace(head, body=await _read_some(response))
        except TimeoutError:
            return _without_body(head, options) or "no answer in time"
        except ClientError as error:
            return _without_body(head, options) or _reason_of(error)
        except ValueError:  # a name or header that cannot be written on the wire
            return "the URL or a header is not valid"

    def _timeout_of(self, options: PostOptions) -> ClientTimeout:
        connect, read = options.connect, options.read
        if connect is None and read is None:
            return self._timeout
        connect, read = connect or self._limits.connect, read or self._limits.total
        return ClientTimeout(
            total=(connect + read).total_seconds(),
            sock_connect=connect.total_seconds(),
            sock_read=read.total_seconds(),
        )


def _without_body(head: Answer | None, options: PostOptions) -> Answer | None:
    """The head alone, where nobody wants to see the body."""
    return None if options.needs_body or options.acceptance.body else head


async def _read_on(response: ClientResponse) -> bytes:
    """Read the body so that the connection can serve again; give up what is long or slow.
    Gives how it began.

    The report is taken already: an endpoint that sends its answer byte by byte must not keep the
    place of another.
    """
    left = _LONGEST_ANSWER
    beginning = b""
    try:
        async with asyncio.timeout(_PATIENCE_WITH_BODY):
            while left > 0:
                part = await response.content.read(left)
                if not part:
                    return beginning
                left -= len(part)
                if len(beginning) < _SHOWN:
                    beginning += part[: _SHOWN - len(beginning)]
    except TimeoutError:
        pass  # closed below, like an answer that is too long
    response.close()
    return beginning


async def _read_some(response: ClientResponse) -> bytes:
    """The first 64 KB of the body."""
    body = bytearray()
    while len(body) < _LONGEST_ANSWER:
        part = await response.content.read(_LONGEST_ANSWER - len(body))
        if not part:
            return bytes(body)
        body += part
    response.close()
    return bytes(body)


def _outcome_of(answer: Answer, acceptance: Acceptance) -> PushOutcome:
    code = answer.code
    if acceptance.is_taken(code, answer.body):
        return PushOutcome(PushKind.TAKEN, code, answer=_words(answer.body, _SHOWN_OF_TAKEN))
    words = _words(answer.body, _SHOWN)
    if code == 410:
        return PushOutcome(PushKind.GONE, code, "the receiver is gone", answer=words)
    detail = "redirects are not followed" if 300 <= code <= 399 else f"answered {code}"
    if 200 <= code <= 299:
        detail = f"answered {code}, which the profile's patterns do not take"
    return PushOutcome(PushKind.FAILED, code, detail, answer.retry_after, words)


def _words(body: bytes, most: int) -> str:
    """How a body begins, as text that the database takes."""
    return body[: 4 * most].decode("utf-8", "replace").replace("\0", "\ufffd")[:most]


def _retry_after(response: ClientResponse) -> timedelta | None:
    """The wait that the receiver asks for; a date counts from its own Date header.

    Source: RFC 9110, section 10.2.3.
    """
    wanted = response.headers.get("Retry-After", "").strip()
    if wanted.isascii() and wanted.isdigit():
        # Nine digits are 31 years; more would not fit a timedelta.
        return min(timedelta(seconds=int(wanted[:9])), _LONGEST_RETRY_AFTER)
    until, since = _date_of(wanted), _date_of(response.headers.get("Date", ""))
    if until is None or since is None:
        return None
    return min(max(until - since, timedelta(0)), _LONGEST_RETRY_AFTER)


def _date_of(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # no date, or one that no calendar holds
        return None
    return parsed if parsed.tzinfo is not None else None


# The first class that fits; the narrower ones stand before those they belong to.
_REASONS: tuple[tuple[type[ClientError], str], ...] = (
    (ClientConnectorDNSError, "the name could not be resolved"),
    (ClientConnectorCertificateError, "the certificate is not trusted"),
    (ClientConnectorError, "no connection"),
    (ClientConnectionError, "the connection was lost"),
    (InvalidURL, "not a URL"),
    (ClientError, "the answer is not HTTP"),
)


def _reason_of(error: ClientError) -> str:
    """Why no answer came, without the address: that would tell a client about our network."""
    if isinstance(error, ClientConnectorError) and isinstance(error.os_error, AddressRefusedError):
        return "the address is not a public one"
    return next(words for kind, words in _REASONS if isinstance(error, kind))


def _failed(detail: str) -> PushOutcome:
    return PushOutcome(PushKind.FAILED, detail=detail)
