"""Would LINE take this content? Asked once per content, however many phones it goes to."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec

from linegate.simulator.answers import Detail, error_body
from linegate.simulator.flex_schema import message_problems

__all__ = ["Verdict", "Verdicts", "parse_problem", "unparsable"]

_MOST_REMEMBERED = 2_000
_LARGEST_REMEMBERED = 64 * 1024
# No example is deeper than a dozen; the walk over a message must end.
_DEEPEST = 50
_NOT_MESSAGES = error_body(
    "The property, 'messages', in the request body is invalid (line: -, column: -)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one content.

    problem:  the body of the 400 answer; None = LINE takes it.
    alt_text: what a phone shows in its list of chats.
    """

    content: bytes
    alt_text: str
    problem: bytes | None


class Verdicts:
    """Verdicts on `messages` arrays, remembered by their bytes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Verdict] = OrderedDict()

    def on(self, messages: bytes) -> Verdict:
        """The verdict on the JSON of one `messages` array."""
        verdict = self._known.get(messages)
        if verdict is None:
            verdict = _judge(messages)
            if len(messages) <= _LARGEST_REMEMBERED:
                self._known[messages] = verdict
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return verdict


def _judge(messages: bytes) -> Verdict:
    try:
        parsed = msgspec.json.decode(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Verdict(messages, "", unparsable(messages))
    if not isinstance(parsed, list) or (_may_be_deep(messages) and _too_deep(parsed)):
        return Verdict(messages, "", _NOT_MESSAGES)
    problem = message_problems(parsed)
    return Verdict(messages, "" if problem else _alt_text(parsed[0]), problem)


def _may_be_deep(messages: bytes) -> bool:
    """False where there are too few brackets; saves the walk over a usual message."""
    return messages.count(b"{") + messages.count(b"[") >= _DEEPEST


def _too_deep(parsed: Any) -> bool:
    level = [parsed]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _alt_text(message: dict[str, Any]) -> str:
    return str(message.get("altText") or message.get("text") or f"({message['type']})")


def unparsable(body: bytes) -> bytes:
    """The 400 for a body that is not JSON, with the place, as LINE words it (FACTS A1.6)."""
    line, column = "-", "-"
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        line, column = str(error.lineno), str(error.colno)
    except (UnicodeDecodeError, RecursionError):
        pass  # there is no place to name
    return error_body(
        f"The request body could not be parsed as JSON (line: {line}, column: {column})"
    )


def parse_problem(body: bytes, error: Exception) -> bytes:
    """The 400 for a body that a decoder refused."""
    if not isinstance(error, msgspec.ValidationError):
        return unparsable(body)
    text = str(error)
    missing = text.partition("missing required field `")[2].partition("`")[0]
    unknown = text.partition("contains unknown field `")[2].partition("`")[0]
    path = text.partition(" - at `$.")[2].rstrip("`").removesuffix("[...]")
    named = missing or unknown or path
    if not named:
        return error_body("The request body has 1 error(s)", [Detail("must be an object", "")])
    return error_body(
        f"The property, '{named}', in the request body is invalid (line: -, column: -)"
    )
