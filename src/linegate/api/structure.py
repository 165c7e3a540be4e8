"""Where a request is not of the shape its types want, piece by piece.

A validator collects every error before it tells the first, and a body of ten
megabytes can hold millions. So a request is taken apart: what decodes by itself
needs no validator, each broken piece is small, and the search ends with the
caller's limit.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from linegate.api.explain_schema import Step, StructureError, errors_in
from linegate.api.schemas import Destination, LineMessage
from linegate.api.schemas_content import Content

__all__ = ["LARGEST_PIECE", "structure_errors"]

LARGEST_PIECE = 64 * 1024
"""Bytes of compact JSON up to which a broken piece is looked into; LINE takes no bubble of half
that size."""

# What stands in the place of pieces that are looked at by themselves.
_DESTINATION: dict[str, Any] = {"to": "-"}
_CONTENT: dict[str, Any] = {"type": "REGISTERED_TEMPLATE", "templateName": "-"}
_MESSAGE = {"sender": "-", "destinations": [_DESTINATION], "content": _CONTENT}


def structure_errors(tree: Any, limit: int) -> list[StructureError]:
    """What is structurally wrong with a request: at most `limit` errors, in its own order.

    tree: JSON as Python values, as `explain` has cleaned them.
    """
    return list(islice(_request_errors(tree), limit))


def _request_errors(tree: Any) -> Iterator[StructureError]:
    messages = tree.get("messages") if isinstance(tree, dict) else None
    if not isinstance(messages, list) or not messages:
        yield from _piece_errors(tree, "LineRequest", ())
        return
    yield from _piece_errors({**tree, "messages": [_MESSAGE]}, "LineRequest", ())
    for index, message in enumerate(messages):
        if not _is(message, LineMessage):
            yield from _message_errors(message, ("messages", index))


def _message_errors(message: Any, steps: tuple[Step, ...]) -> Iterator[StructureError]:
    if not isinstance(message, dict):
        yield from _piece_errors(message, "LineMessage", steps)
        return
    rest = dict(message)
    destinations, content = message.get("destinations"), message.get("content")
    if isinstance(destinations, list) and destinations:
        rest["destinations"] = [_DESTINATION]
    else:
        destinations = ()
    if isinstance(content, dict):
        rest["content"] = _CONTENT
    yield from _piece_errors(rest, "LineMessage", steps)
    for index, destination in enumerate(destinations):
        if not _is(destination, Destination):
            yield from _piece_errors(destination, "Destination", (*steps, "destinations", index))
    if isinstance(content, dict) and not _is(content, Content):
        yield from _piece_errors(content, "Content", (*steps, "content"))


def _is(value: Any, kind: Any) -> bool:
    """True if a piece is as its type wants it."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _piece_errors(value: Any, definition: str, steps: tuple[Step, ...]) -> Iterator[StructureError]:
    """The errors of one piece, if it is small enough to be looked into."""
    size = len(msgspec.json.encode(value))
    if size <= LARGEST_PIECE:
        yield from errors_in(value, definition, steps)
    else:
        words = f"is wrong, and with {size} bytes too large to be explained"
        yield StructureError(steps, words, absent=False)
