"""Everything in which a small tree of values is not of the shape its type wants, in plain words.

The decoder tells the first error alone, and in its own words. So what it blames is recorded and
taken out, or put in where it is missing, and the rest is read again. Pure: no I/O, no clock.
"""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import msgspec
from msgspec import inspect

from linegate.domain.violation import Violation

__all__ = ["shortcomings"]

_AT_MOST = 50
_ROUNDS = 200  # one error may take several: what stands in for a member may be wrong too
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_STEP = re.compile(r"[^.\[\]`]+|\[\d+\]|\[\.\.\.\]")
_WORDS = {
    "array": "an array",
    "bool": "true or false",
    "datetime": "an instant like 2027-01-31T00:00:00Z",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a string",
}
# What stands for required members; of the right type, and otherwise of no meaning.
_STAND_INS: dict[str, Any] = {
    "events": [],
    "profile": {},
    "notifyUrl": "-",
    "certificateId": "-",
    "certificateContent": "-",
    "webhookUrl": "-",
}


def shortcomings(tree: Any, kind: type) -> list[Violation]:
    """What is wrong, at most 50 of it, each at its place; empty if nothing.

    tree: JSON or TOML as Python values; it is changed.
    """
    found: dict[str, Violation] = {}
    for _ in range(_ROUNDS):
        if len(found) >= _AT_MOST:
            break
        try:
            msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            steps = _STEP.findall(place)
            missing, unknown = _MISSING.fullmatch(reason), _UNKNOWN.fullmatch(reason)
            named = missing or unknown
            at = [*steps, named[1]] if named else steps
            path = _path(at) or "body"
            # What was taken out for being wrong is not missing.
            found.setdefault(path, Violation(path, _words(reason, kind, at)))
            if _put(tree, steps, missing[1]) if missing else _take_out(tree, at, bool(unknown)):
                continue
            if steps and _take_out(tree, steps):
                continue
        break
    return list(found.values())


def _path(steps: list[str]) -> str:
    return "".join(step if step[0] == "[" else f".{step}" for step in steps).removeprefix(".")


def _words(reason: str, kind: type, steps: list[str]) -> str:
    """What is expected, in plain words."""
    for pattern, words in _REASONS:
        if match := pattern.match(reason):
            return words(*match.groups())
    for each in _types_at(inspect.type_info(kind), steps):
        if isinstance(each, inspect.LiteralType):
            return "must be one of " + ", ".join(map(str, each.values))
        if isinstance(each, inspect.Metadata) and each.extra_json_schema:
            return f"must be {each.extra_json_schema['description']}"
    return "must be of another form"


def _of_type(wanted: str) -> str:
    return "must be " + " or ".join(_WORDS.get(name, name) for name in wanted.split(" | "))


_BOUNDS = {">=": "at least", "<=": "at most"}
_REASONS: tuple[tuple[re.Pattern[str], Callable[..., str]], ...] = (
    (_MISSING, lambda _: "must be given"),
    (_UNKNOWN, lambda _: "is not known here"),
    (re.compile(r"Expected `([^`]+)`, got"), _of_type),
    (
        re.compile(r"Expected `\w+` of length (>=|<=) (\d+)"),
        lambda sign, count: f"must have {_BOUNDS[sign]} {count} characters or elements",
    ),
    (re.compile(r"Expected `\w+` (>=|<=) (\S+)"), lambda sign, n: f"must be {_BOUNDS[sign]} {n}"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), lambda: _of_type("datetime")),
)


def _types_at(kind: Any, steps: list[str]) -> Iterator[Any]:
    """The types that a place may have, alternatives and wrappings included."""
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _types_at(each, steps)
        return
    if not steps:
        yield kind
    if isinstance(kind, inspect.Metadata):
        yield from _types_at(kind.type, steps)
    elif isinstance(kind, inspect.ListType) and steps:
        yield from _types_at(kind.item_type, steps[1:])
    elif isinstance(kind, inspect.StructType) and steps:
        for field in kind.fields:
            if field.encode_name == steps[0]:
                yield from _types_at(field.type, steps[1:])


def _put(tree: Any, steps: list[str], name: str) -> bool:
    """Put a stand-in where a member is missing; False if there is no place or stand-in for it."""
    target = _at(tree, steps)
    if not isinstance(target, dict) or name not in _STAND_INS or name in target:
        return False
    target[name] = deepcopy(_STAND_INS[name])
    return True


def _take_out(tree: Any, steps: list[str], for_good: bool = False) -> bool:
    """Take the member out that is wrong, with the whole list of an element; False if it is all.

    for_good: nothing stands in for it, as it does for a required one.
    """
    while steps and steps[-1][0] == "[":
        steps = steps[:-1]
    parent = _at(tree, steps[:-1]) if steps else None
    if not isinstance(parent, dict) or steps[-1] not in parent:
        return False
    if steps[-1] in _STAND_INS and not for_good:
        parent[steps[-1]] = deepcopy(_STAND_INS[steps[-1]])
    else:
        del parent[steps[-1]]
    return True


def _at(tree: Any, steps: list[str]) -> Any:
    """What stands at a place; None if nothing does."""
    for step in steps:
        if step[0] == "[":
            is_there = (
                isinstance(tree, list) and step[1:-1].isdigit() and int(step[1:-1]) < len(tree)
            )
            tree = tree[int(step[1:-1])] if is_there else None
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    return tree
