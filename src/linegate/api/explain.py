"""All violations of a bad request, in plain words; good requests never come here.

The decoder stops at the first thing it does not like. So a request it refused is
read again: once against the JSON Schema that the same types yield (structure),
and, with what is broken replaced by stand-ins, once by the rules (meaning).

Bounds: `MOST_VIOLATIONS` are told, `DEEPEST` levels are looked into, and no
value of the client's is repeated.
"""

import json
import math
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

import msgspec

from linegate.api.nesting import is_deeper
from linegate.api.repair import related, repaired
from linegate.api.request_rules import check_request
from linegate.api.schemas import LineRequest, decode_request
from linegate.api.structure import structure_errors
from linegate.domain.violation import Violation

__all__ = [
    "DEEPEST",
    "MOST_VIOLATIONS",
    "Broken",
    "bounded",
    "examine",
    "explain",
    "read_request",
]

MOST_VIOLATIONS = 200
"""How many violations one answer tells; one more says that there are more."""

DEEPEST = 20
"""How many levels of objects and arrays a request may have, itself included."""

_ROOT = "$"
_TOO_DEEP = f"must not be nested deeper than {DEEPEST} levels of objects and arrays"
_LARGEST = 2**53
_NOT_WHOLE = 1.5
_ESCAPED_NUL = rb"\u0000"


class Broken(NamedTuple):
    """What is wrong with a request, and the request with stand-ins for it, if that makes it whole.

    Nothing of it is ever sent: what it tells about what is sound is true all the same.
    """

    violations: list[Violation]
    request: LineRequest | None = None


def read_request(
    body: bytes, now: datetime, *, needs_sender: bool = True
) -> LineRequest | list[Violation]:
    """A request that breaks no rule, or everything that is wrong with it (never empty).

    now:          aware; `sendAt` is measured from it.
    needs_sender: False for accounts with a default sender.
    """
    read = examine(body, now, needs_sender=needs_sender)
    return read.violations if isinstance(read, Broken) else read


def examine(body: bytes, now: datetime, *, needs_sender: bool = True) -> LineRequest | Broken:
    """The same, with what is left of a broken request."""
    if is_deeper(body, DEEPEST):
        return _examined(body, now, needs_sender=needs_sender)
    try:
        request = decode_request(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _examined(body, now, needs_sender=needs_sender)
    # PostgreSQL cannot store NUL; JSON can only write it so (or as an escaped backslash).
    if _ESCAPED_NUL in body:
        broken = _examined(body, now, needs_sender=needs_sender)
        if broken.violations:
            return broken
    found = bounded(check_request(request, now, needs_sender=needs_sender))
    return Broken(found, request) if found else request


def explain(body: bytes, now: datetime, *, needs_sender: bool = True) -> list[Violation]:
    """Everything wrong with a request, structure and meaning together; empty if nothing.

    body: as received: it may be empty, no JSON, not UTF-8, or nested without end.
    """
    return _examined(body, now, needs_sender=needs_sender).violations


def _examined(body: bytes, now: datetime, *, needs_sender: bool) -> Broken:
    tree = _parsed(body)
    if isinstance(tree, Violation):
        return Broken([tree])
    found: list[Violation] = []
    tree = _cleaned(tree, "", 1, found)
    errors = structure_errors(tree, MOST_VIOLATIONS + 1)
    found += [Violation(error.path or _ROOT, error.words) for error in errors]
    request = repaired(tree, errors) if len(found) <= MOST_VIOLATIONS else None
    if request is not None:
        broken = [violation.property for violation in found]
        found += [
            violation
            for violation in check_request(request, now, needs_sender=needs_sender)
            if not any(related(violation.property, place) for place in broken)
        ]
    return Broken(bounded(found) or _refusal(body), request)


def bounded(found: list[Violation]) -> list[Violation]:
    """At most `MOST_VIOLATIONS`, and one that says that there are more."""
    if len(found) <= MOST_VIOLATIONS:
        return found
    more = Violation(_ROOT, f"has more violations than these {MOST_VIOLATIONS}")
    return [*found[:MOST_VIOLATIONS], more]


def _refusal(body: bytes) -> list[Violation]:
    """The decoder's own words, should it know a reason that the schema does not."""
    try:
        decode_request(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return [Violation(_ROOT, f"cannot be read: {error}")]
    return []


def _parsed(body: bytes) -> Any | Violation:
    """The JSON value, or why there is none, with the byte where reading stopped."""
    if not body.strip():
        return Violation(_ROOT, "must be a JSON object; the body is empty")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        return Violation(_ROOT, f"must be UTF-8; byte {error.start} is not")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode())
        where = f"line {error.lineno}, column {error.colno}, byte {at}"
        return Violation(_ROOT, f"must be valid JSON; reading stopped at {where}")
    except RecursionError:
        return Violation(_ROOT, _TOO_DEEP)
    except ValueError:  # NaN and the like; a number of thousands of digits
        return Violation(_ROOT, "must be valid JSON; it has a number that JSON does not know")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _cleaned(value: Any, path: str, level: int, found: list[Violation]) -> Any:
    """The value without nulls (the same as absent) and without what cannot be stored."""
    match value:
        case str():
            return _cleaned_text(value, path, found)
        case int() | float():
            return _cleaned_number(value, path, found)
        case dict() | list() if level > DEEPEST:
            found.append(Violation(path or _ROOT, _TOO_DEEP))
            return value.__class__()
        case dict():
            return _cleaned_object(value, path, level, found)
        case list():
            return [
                _cleaned(item, f"{path}[{index}]", level + 1, found)
                for index, item in enumerate(value)
            ]
        case _:
            return value


def _cleaned_number(value: float, path: str, found: list[Violation]) -> float:
    """A number that a validator judges as the decoder does."""
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else _LARGEST  # beyond every limit all the same
    if not math.isfinite(value):
        found.append(Violation(path or _ROOT, "must be a smaller number"))
    return _NOT_WHOLE  # JSON Schema takes 1.0 for a whole number; the decoder does not


def _cleaned_text(text: str, path: str, found: list[Violation]) -> str:
    reason = _unstorable(text)
    if reason is None:
        return text
    found.append(Violation(path or _ROOT, reason))
    return "".join("?" if "\ud800" <= c <= "\udfff" or c == "\0" else c for c in text)


def _cleaned_object(
    value: dict[str, Any], path: str, level: int, found: list[Violation]
) -> dict[str, Any]:
    # A placeholder is not a property: null is no text for it. A type, if given, must be one.
    keeps_null = path.endswith(".placeholders")
    cleaned: dict[str, Any] = {}
    for name, inner in value.items():
        if reason := _unstorable(name):
            found.append(Violation(path or _ROOT, f"has a name that {reason}"))
        elif inner is not None or keeps_null or name == "type":
            place = f"{path}.{name}" if path else name
            cleaned[name] = _cleaned(inner, place, level + 1, found)
    return cleaned


def _unstorable(text: str) -> str | None:
    if "\x00" in text:
        return "must not contain the character U+0000"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "must not contain half of a surrogate pair"
    return None
