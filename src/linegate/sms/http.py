"""What the HTTP providers share: one client, bounded answers, and failures as outcomes."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import AddrInfoType

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.resolver import Resolver
from linegate.silence import bear_silence

__all__ = ["Answer", "HttpSender"]

_LONGEST_ANSWER = 64 * 1024
_CONNECTIONS = 50
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Answer:
    """status: HTTP's; body: at most 64 KB of it."""

    status: int
    body: bytes


class HttpSender:
    """Posts to one provider. `window` requests at once."""

    def __init__(self, *, window: int = _CONNECTIONS, timeout: float = 15.0) -> None:
        self.window = window
        self.under_way = 0
        self._seconds = timeout
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=timeout / 3)
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._session is not None

    async def stay_open(self) -> None:
        """Hold the connections until cancelled."""
        connector = aiohttp.TCPConnector(
            limit=self.window, resolver=Resolver(), socket_factory=self._open_socket
        )
        async with aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            self._session = session
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._session = None

    def _open_socket(self, address: AddrInfoType) -> socket.socket:
        """What the provider has not taken when we give up must not reach it later."""
        family, kind, protocol, *_ = address
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        bear_silence(opened, self._seconds)
        return opened

    async def post(self, url: str, *, headers: Mapping[str, str], **body: Any) -> Answer | Outcome:
        """The answer; an outcome where there is none. body: `data=` or `json=`.

        Only what surely never left this machine is unsent; every other failure is unknown.
        """
        if self._session is None:
            return Outcome(OutcomeKind.UNSENT, error=4097, detail="the route is closed")
        self.under_way += 1
        answer: Answer | None = None
        try:
            async with self._session.post(
                url, headers=dict(headers), allow_redirects=False, **body
            ) as response:
                answer = Answer(response.status, b"")
                return Answer(response.status, await response.content.read(_LONGEST_ANSWER))
        except _NEVER_SENT as error:
            return Outcome(OutcomeKind.UNSENT, error=4097, detail=f"cannot connect: {error}"[:200])
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # A head without its body is an answer too.
            why = f"no answer: {type(error).__name__}"
            return answer or Outcome(OutcomeKind.UNKNOWN, error=502, detail=why)
        finally:
            self.under_way -= 1
