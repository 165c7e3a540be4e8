"""Webhook calls from the platform: delivery events, batched, signed, sent, counted.

Source: LINE, "Message sending complete webhook event" and "Webhooks" (FACTS A3.1-A3.3).
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, RequestError, RequestTimeoutError

from linegate.simulator.settings import SimulatorSettings

__all__ = ["EventSender", "WebhookClient", "delivery_event", "sign", "ulid"]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]

# The real count and interval are not disclosed (FACTS A3.3): ours, in seconds.
_REDELIVER_AFTER = (1.0, 10.0, 60.0)
_MOST_WAITING = 1_000_000


def ulid(milliseconds: int) -> str:
    """A ULID, as LINE uses for `webhookEventId`: 26 characters, sortable by time."""
    value = milliseconds << 80 | int.from_bytes(secrets.token_bytes(10), "big")
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def sign(secret: str, body: bytes) -> str:
    """The value of `x-line-signature`: base64 of HMAC-SHA256 over the raw body."""
    mac = hmac.digest(secret.encode(), body, hashlib.sha256)
    return base64.b64encode(mac).decode()


def delivery_event(data: str, now: float) -> bytes:
    """One `delivery` event as JSON.

    data: the delivery tag or, when none was sent, the hashed phone; already checked to be
    free of characters that JSON escapes, or quoted by the caller.
    now:  seconds since 1970.
    """
    milliseconds = int(now * 1000)
    return (
        f'{{"type":"delivery","delivery":{{"data":{data}}},'
        f'"webhookEventId":"{ulid(milliseconds)}",'
        '"deliveryContext":{"isRedelivery":false},'
        f'"timestamp":{milliseconds},"mode":"active"}}'
    ).encode()


class WebhookClient:
    """POSTs webhook bodies over kept-alive connections; tells what came of each."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timedelta(seconds=timeout)
        self._client: Client | None = None

    async def post(self, url: str, secret: str, body: bytes) -> tuple[str, int]:
        """Send one call; a (reason, HTTP status) pair.

        reason: `ok`, or LINE's own words for a failure: `could_not_connect`,
        `request_timeout`, `error_status_code`, `unclassified`. Any 2xx is ok.
        """
        if self._client is None:
            self._client = self._made()
        try:
            request = self._client.post(url).header("x-line-signature", sign(secret, body))
            answer = await request.body_bytes(body).build().send()
        except RequestTimeoutError:
            return "request_timeout", 0
        except ConnectError:
            return "could_not_connect", 0
        except (RequestError, ValueError):
            return "unclassified", 0
        return ("ok" if answer.status // 100 == 2 else "error_status_code"), answer.status

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
            await asyncio.sleep(0.05)  # its threads abort a process that ends at once

    def _made(self) -> Client:
        return (
            ClientBuilder()
            .http1_only()
            .no_proxy()
            .follow_redirects(False)
            .timeout(self._timeout)
            .user_agent("LineBotWebhook/2.0")
            .default_headers({"Content-Type": "application/json; charset=utf-8"})
            .build()
        )


class EventSender:
    """One channel's events on their way to its webhook.

    Events wait `linger` seconds for company and leave in calls of at most `events_per_call`,
    with at most `event_calls` under way; what is ready meanwhile leaves in fuller calls.
    url: where they go, empty = nowhere; redelivery: repeat calls that failed.
    """

    def __init__(
        self, client: WebhookClient, *, bot: str, secret: str, settings: SimulatorSettings
    ) -> None:
        self.url = ""
        self.redelivery = False
        self.counts: Counter[str] = Counter()
        self._client = client
        self._secret = secret
        self._head = f'{{"destination":"{bot}","events":['.encode()
        self._settings = settings
        self._waiting: deque[bytes] = deque()
        self._overtaken: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._later: set[asyncio.TimerHandle] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._closed = False

    def put(self, event: bytes) -> None:
        """Queue one event; those it overtakes follow it."""
        if self._closed:
            return
        if not self.url or len(self._waiting) >= _MOST_WAITING:
            self.counts["no_webhook" if not self.url else "dropped"] += 1
            return
        self._waiting.append(event)
        if self._overtaken:
            self._waiting.extend(self._overtaken)
            self._overtaken.clear()
        if len(self._waiting) >= self._settings.events_per_call:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._settings.linger, self._flush)

    def hold(self, event: bytes, at_most: float) -> None:
        """Queue an event behind the next one, or after `at_most` seconds when none comes."""
        self._overtaken.append(event)
        self.after(at_most, self._release, event)

    async def send_now(self, event: bytes) -> None:
        """Send one event by itself and wait until the webhook has answered."""
        if self.url:
            await self._call([event])
        else:
            self.counts["no_webhook"] += 1

    def after(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Do something later, unless the sender is closed before."""
        if seconds <= 0:
            act(*args)
            return

        def fire() -> None:
            self._later.discard(handle)
            act(*args)

        handle = asyncio.get_running_loop().call_later(seconds, fire)
        self._later.add(handle)

    @property
    def waiting(self) -> int:
        """Events that have not left yet."""
        return len(self._waiting) + len(self._overtaken)

    async def close(self) -> None:
        """Drop what is scheduled, and end the calls under way."""
        self._closed = True
        for handle in self._later:
            handle.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _release(self, event: bytes) -> None:
        if event in self._overtaken:
            self._overtaken.remove(event)
            self.put(event)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and len(self._under_way) < self._settings.event_calls:
            size = min(self._settings.events_per_call, len(self._waiting))
            events = [self._waiting.popleft() for _ in range(size)]
            task = asyncio.get_running_loop().create_task(self._call(events))
            self._under_way.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not self._closed and self._waiting and self._timer is None:
            self._flush()

    async def _call(self, events: list[bytes], repeat: int = 0) -> None:
        body = self._head + b",".join(events) + b"]}"
        reason, _ = await self._client.post(self.url, self._secret, body)
        self.counts["calls"] += 1
        self.counts["call_" + reason] += 1
        self.counts["sent" if reason == "ok" else "failed"] += len(events)
        if reason != "ok" and self.redelivery and repeat < len(_REDELIVER_AFTER):
            again = [e.replace(b'"isRedelivery":false', b'"isRedelivery":true') for e in events]
            delay = _REDELIVER_AFTER[repeat] * self._settings.delay_factor
            self.after(delay, self._redeliver, again, repeat + 1)

    def _redeliver(self, events: list[bytes], repeat: int) -> None:
        task = asyncio.get_running_loop().create_task(self._call(events, repeat))
        self._under_way.add(task)
        task.add_done_callback(self._finished)
