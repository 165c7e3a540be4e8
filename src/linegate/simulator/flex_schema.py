"""Message objects against LINE's own published schema.

Source: line-messages.json (see schema/NOTICE) and the reference's limits (FACTS A4.2).
"""

from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import msgspec

from linegate.simulator.answers import Detail, error_body
from linegate.simulator.flex_rules import flex_problems

__all__ = ["message_problems"]

_MOST_DETAILS = 20
_ALT_TEXT = 1500
_TEXT = 5000


@cache
def _validator() -> jsonschema_rs.Validator:
    raw = resources.files(__package__).joinpath("schema/line-messages.json").read_bytes()
    return jsonschema_rs.validator_for(msgspec.json.decode(raw))


def message_problems(messages: Any) -> bytes | None:
    """The body of LINE's 400 for one `messages` array; None when it is in order.

    messages: the parsed JSON. Errors outside of Flex containers are reported as
    `messages[0].altText`, errors in a container as `/body/contents/0` of one message,
    which is how the platform words both.
    """
    if not isinstance(messages, list) or not 1 <= len(messages) <= 5:
        return _errors([Detail("Size must be between 1 and 5", "messages")])
    outer: list[Detail] = []
    inner: dict[int, list[Detail]] = {}
    if not _validator().is_valid(messages):  # the usual answer in two thirds of the time
        for error in _validator().iter_errors(messages):
            _sort_in(error, outer, inner)
    if not outer and not inner:
        for index, message in enumerate(messages):
            outer += _limits(message, f"messages[{index}]")
            if message["type"] == "flex" and (found := flex_problems(message["contents"])):
                inner[index] = found
    if outer:
        return _errors(outer)
    if inner:
        index = min(inner)
        text = f"A message (messages[{index}]) in the request body is invalid"
        return error_body(text, inner[index][:_MOST_DETAILS])
    return None


def _errors(details: list[Detail]) -> bytes:
    text = f"The request body has {len(details)} error(s)"
    return error_body(text, details[:_MOST_DETAILS])


def _sort_in(
    error: jsonschema_rs.ValidationError, outer: list[Detail], inner: dict[int, list[Detail]]
) -> None:
    kind: Any = error.kind
    path = list(error.instance_path)
    text = "invalid property"
    if kind.name == "required":
        path.append(kind.property)
        text = "must be specified"
    elif kind.name == "additionalProperties":
        path.append(kind.unexpected[0])
        text = "unknown field"
    if len(path) > 2 and path[1] == "contents":
        pointer = "".join(f"/{part}" for part in path[2:])
        inner.setdefault(int(path[0]), []).append(Detail(text, pointer))
    else:
        outer.append(Detail(text, _dotted(path)))


def _dotted(path: list[str | int]) -> str:
    return "messages" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)


def _limits(message: dict[str, Any], path: str) -> list[Detail]:
    found = []
    for name, most in (("altText", _ALT_TEXT), ("text", _TEXT)):
        value = message.get(name)
        if value is None:
            continue
        if not value:
            found.append(Detail("May not be empty", f"{path}.{name}"))
        elif utf16_length(value) > most:
            found.append(Detail(f"Length must be between 0 and {most}", f"{path}.{name}"))
    return found


def utf16_length(text: str) -> int:
    """How LINE counts characters: UTF-16 code units (FACTS A4.2)."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
