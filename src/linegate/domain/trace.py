"""Where a request's trace is kept while its messages wait: a few bytes, read by every process.

A span's id is derived from what it is about, so that processes which never meet agree on it: the
one that pushes a report names as parent the span of a message that another process tells of later.

Source: W3C Trace Context, section 3.2 (traceparent).
"""

import hashlib
import re
from typing import NamedTuple

__all__ = ["TRACED_AT_MOST", "Parent", "Trace", "read_parent", "span_id_of", "trace_name", "unpack"]

TRACED_AT_MOST = 20
"""Messages of one request that are told of; its first ones. A bulk's trace would have millions."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_PACKED = 32


class Parent(NamedTuple):
    """The span of the caller, from its `traceparent`; is_sampled: it is being recorded there."""

    trace_id: int
    span_id: int
    is_sampled: bool


class Trace(NamedTuple):
    """A request that is traced.

    span_id: of the request itself, the parent of its messages' spans.
    last_id: its last message that is told of; 0 before it has ids.
    """

    trace_id: int
    span_id: int
    last_id: int = 0

    @property
    def name(self) -> str:
        """The trace's id as logs and traceparent write it: 32 hexadecimal digits."""
        return f"{self.trace_id:032x}"

    def covers(self, message_id: int) -> bool:
        """Whether this message is told of."""
        return message_id <= self.last_id

    def message_span(self, message_id: int) -> int:
        """The span of one message, from its acceptance to its end."""
        return span_id_of(self.trace_id, message_id, "message")

    def traceparent(self, span_id: int) -> str:
        """What says to another system that it works for this span."""
        return f"00-{self.name}-{span_id:016x}-01"

    def packed(self) -> bytes:
        """As it is stored: 32 bytes."""
        return (
            self.trace_id.to_bytes(16, "big")
            + self.span_id.to_bytes(8, "big")
            + self.last_id.to_bytes(8, "big")
        )


def unpack(stored: bytes | None) -> Trace | None:
    """A trace as it was stored; None where the request is not traced."""
    if stored is None or len(stored) != _PACKED:
        return None
    return Trace(
        int.from_bytes(stored[:16], "big"),
        int.from_bytes(stored[16:24], "big"),
        int.from_bytes(stored[24:], "big"),
    )


def trace_name(stored: bytes | None) -> str:
    """The id of a stored trace for logs; '' where the request is not traced."""
    trace = unpack(stored)
    return "" if trace is None else trace.name


def read_parent(traceparent: str | None) -> Parent | None:
    """The caller's span; None without the header, and for one that breaks the rules.

    A later version may have more fields; version 00 has four, and ff is none.
    """
    match = _PARENT.fullmatch(traceparent or "")
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return Parent(trace_id, span_id, is_sampled=bool(int(match[4], 16) & 1))


def span_id_of(trace_id: int, *about: object) -> int:
    """The id, never 0, of the one span of a trace that is about this."""
    text = ":".join(map(str, (trace_id, *about)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1
