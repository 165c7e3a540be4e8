"""Who sends while something outside fails: one who has nothing to do with it, and one who has."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import aiohttp
from load import numbers

__all__ = ["Steady", "Troubled"]

_MOST_UNANSWERED = 500
_BODY = {"layout": "VERTICAL", "contents": [{"type": "TEXT", "text": "Shipped"}]}
_BUBBLE = {"type": "BUBBLE", "body": _BODY}


def _message(sender: str, to: list[str], text: str, more: dict[str, Any]) -> dict[str, Any]:
    content = {"type": "LINE_NOTIFICATION", "altText": text, "contents": _BUBBLE}
    return {
        "sender": sender,
        "destinations": [{"to": number} for number in to],
        "content": content,
        **more,
    }


class _Client:
    """Posts messages with one key; refused: answers other than 200, by status (0: none)."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str) -> None:
        self.refused: Counter[int] = Counter()
        self._http = http
        self._url = url + "/line/1/messages"
        self._headers = {"Authorization": f"App {key}"}

    async def post(self, message: dict[str, Any]) -> list[str]:
        """The message ids; none if it was refused."""
        try:
            async with self._http.post(
                self._url, json={"messages": [message]}, headers=self._headers
            ) as answer:
                told = await answer.json()
                if answer.status == 200:
                    return [each["messageId"] for each in told["messages"]]
                self.refused[answer.status] += 1
        except (aiohttp.ClientError, TimeoutError):
            self.refused[0] += 1
        return []


class Steady:
    """One message at a time at an even rate, whatever happens.

    sent_at: when the request of each accepted message began; answers: (began, seconds) of each
    request; times are of the steady clock.
    """

    def __init__(self, client: _Client, sender: str, rate: float) -> None:
        """rate: messages a second."""
        self.client = client
        self.sent_at: dict[str, float] = {}
        self.answers: list[tuple[float, float]] = []
        self._sender = sender
        self._rate = rate

    @classmethod
    def of(
        cls, http: aiohttp.ClientSession, url: str, key: str, sender: str, rate: float
    ) -> "Steady":
        """Send with this key."""
        return cls(_Client(http, url, key), sender, rate)

    async def run(self) -> None:
        """Send until cancelled; what is under way is answered all the same."""
        number, tasks = numbers(0), set[asyncio.Task[None]]()
        next_at = time.monotonic()
        try:
            for index in count():
                next_at += 1 / self._rate
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))
                if len(tasks) < _MOST_UNANSWERED:
                    task = asyncio.create_task(self._send(next(number), index))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                else:
                    self.client.refused[-1] += 1
        finally:
            await asyncio.gather(*tasks)

    async def _send(self, number: str, index: int) -> None:
        began = time.monotonic()
        message = _message(self._sender, [number], f"Steady {index}", {})
        for id_ in await self.client.post(message):
            self.sent_at[id_] = began
        self.answers.append((began, time.monotonic() - began))


class Troubled:
    """Some messages each second in one request, to the sender or account that has the trouble.

    accepted: all ids; more: what each message has besides; to: where its numbers come from.
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, key: str, sender: str, rate: int
    ) -> None:
        """rate: messages a second."""
        self.client = _Client(http, url, key)
        self.accepted: set[str] = set()
        self.more: Callable[[], dict[str, Any]] = dict
        self.to: Iterator[str] = numbers(120_000)
        self.validity = 600
        self._sender = sender
        self._rate = rate
        self._count = count()

    async def run(self) -> None:
        """Send until cancelled; what is under way is answered all the same."""
        next_at = time.monotonic()
        while True:
            next_at += 1
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            sending = asyncio.create_task(self.send(self._rate))
            try:
                await asyncio.shield(sending)
            except asyncio.CancelledError:
                await sending
                raise

    async def send(self, messages: int) -> None:
        """Send so many now, in one request."""
        more = self.more()
        validity = {"amount": self.validity, "timeUnit": "SECONDS"}
        more["options"] = {"validityPeriod": validity, **more.get("options", {})}
        to = [next(self.to) for _ in range(messages)]
        message = _message(self._sender, to, f"Troubled {next(self._count)}", more)
        self.accepted.update(await self.client.post(message))
