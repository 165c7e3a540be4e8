"""Answers in LINE's form, sent straight through ASGI because every microsecond counts here."""

from collections.abc import Awaitable, Callable, MutableMapping
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec

__all__ = [
    "EMPTY",
    "Detail",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "close_connection",
    "error_body",
    "read_body",
    "request_ids",
    "send_json",
    "wait_for_disconnect",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

EMPTY = b"{}"


class Detail(msgspec.Struct, frozen=True):
    """One entry of `details`: what is wrong, and where.

    Source: LINE Messaging API reference, "Error responses" (FACTS A1.6).
    """

    message: str
    property: str


class _Error(msgspec.Struct, omit_defaults=True):
    message: str
    details: list[Detail] = []


_encode = msgspec.json.Encoder().encode


def error_body(message: str, details: list[Detail] | None = None) -> bytes:
    """The JSON of an error; `details` is left out when there are none."""
    return _encode(_Error(message, details or []))


class request_ids:  # noqa: N801 - used as a function that remembers its counter
    """Give each answer an id of the form LINE uses (a UUID), without drawing one each time."""

    def __init__(self) -> None:
        head = token_hex(10)
        self._head = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-a{head[17:20]}-".encode()
        self._next = count(1).__next__

    def __call__(self) -> bytes:
        """The next id, as bytes for a header."""
        return self._head + b"%012x" % self._next()


async def send_json(send: Send, status: int, body: bytes, request_id: bytes) -> None:
    """Send one complete JSON answer with `x-line-request-id`."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"x-line-request-id", request_id),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole request body; None when it is longer than `limit` bytes or was cut off."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                return None
        body = b"".join(parts)
    return body if len(body) <= limit else None


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def close_connection(receive: Receive, send: Send) -> None:
    """Drop the connection without an answer.

    ASGI has no word for this. Under uvicorn `send` belongs to the request, which knows its
    transport; under any other server the answer breaks off after the headers instead.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return
    transport.abort()
    await wait_for_disconnect(receive)
