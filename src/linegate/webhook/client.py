"""POST to a URL that a client gave us: bounded in time, size, place and number.

Whatever the other side does, the answer is a value. This file does not know
reports, retries or accounts.

Source: RFC 9110 (Retry-After, 410); Standard Webhooks specification (2xx is
taken, no redirects).
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver

from linegate.webhook.guard import AddressRefusedError, Guard

__all__ = ["PushKind", "PushOutcome", "WebhookClient", "WebhookTimeouts"]

_LONGEST_ANSWER = 64 * 1024
_LONGEST_RETRY_AFTER = timedelta(hours=24)


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
    """

    kind: PushKind
    code: int = 0
    detail: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class WebhookTimeouts:
    """connect: to connect and finish TLS. total: everything, name look-up and queue included."""

    connect: timedelta = timedelta(seconds=5)
    total: timedelta = timedelta(seconds=15)


class WebhookClient:
    """Connections to all client URLs. One per process, made in a running loop; `close` it.

    per_host: at one host, port and scheme at a time, so that a slow receiver cannot take
              all of `connections`.
    resolver: turns names into addresses; the system's own if None.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        timeouts: WebhookTimeouts | None = None,
        connections: int = 256,
        per_host: int = 8,
        resolver: AbstractResolver | None = None,
    ) -> None:
        limits = timeouts or WebhookTimeouts()
        self._guard = guard
        self._session = ClientSession(
            connector=TCPConnector(
                limit=connections,
                limit_per_host=per_host,
                resolver=resolver or ThreadedResolver(),
                socket_factory=guard.open_socket,
            ),
            timeout=ClientTimeout(
                total=limits.total.total_seconds(), sock_connect=limits.connect.total_seconds()
            ),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,  # a small body could unpack into a huge one
            trust_env=False,
            headers={"User-Agent": "linegate"},
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
        self, url: str, *, body: bytes, content_type: str, headers: Mapping[str, str]
    ) -> PushOutcome:
        """Send the body once. An answer counts from its head on.

        headers: besides Content-Type, such as the signature's.
        """
        refusal = self._guard.refusal_of(url)
        if refusal is not None:
            return _failed(refusal)
        all_headers = {**headers, "Content-Type": content_type}
        answered: PushOutcome | None = None
        try:
            async with self._session.post(
                url, data=body, headers=all_headers, allow_redirects=False
            ) as response:
                answered = _outcome_of(response)
                await _read_on(response)
                return answered
        except TimeoutError:
            return answered or _failed("no answer in time")
        except ClientError as error:
            return answered or _failed(_reason_of(error))
        except ValueError:  # a name or header that cannot be written on the wire
            return answered or _failed("the URL or a header is not valid")


async def _read_on(response: ClientResponse) -> None:
    """Read the body so that the connection can serve again; past 64 KB give it up instead."""
    left = _LONGEST_ANSWER
    while left > 0:
        part = await response.content.read(left)
        if not part:
            return
        left -= len(part)
    response.close()


def _outcome_of(response: ClientResponse) -> PushOutcome:
    code = response.status
    if 200 <= code <= 299:
        return PushOutcome(PushKind.TAKEN, code)
    if code == 410:
        return PushOutcome(PushKind.GONE, code, "the receiver is gone")
    detail = "redirects are not followed" if 300 <= code <= 399 else f"answered {code}"
    return PushOutcome(PushKind.FAILED, code, detail, _retry_after(response))


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
