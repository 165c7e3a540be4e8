"""Everything in which a small JSON body is not of the shape its type wants.

The decoder tells the first error alone. So what it blames is recorded and taken out, or put in
where it is missing, and the rest is read again. Pure: no I/O, no clock.
"""

import re
from copy import deepcopy
from typing import Any

import msgspec

from linegate.domain.violation import Violation

__all__ = ["shortcomings"]

_AT_MOST = 50
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_STEP = re.compile(r"[^.\[\]`]+|\[\d+\]|\[\.\.\.\]")
# What stands for required members; of the right type, and otherwise of no meaning.
_STAND_INS: dict[str, Any] = {
    "events": [],
    "profile": {},
    "notifyUrl": "-",
    "certificateId": "-",
    "certificateContent": "-",
    "webhookUrl": "-",
}


def shortcomings(body: bytes, kind: type) -> list[Violation]:
    """What is wrong, at most 50 of it, each at its place; empty if nothing. `body`: JSON."""
    tree = msgspec.json.decode(body)
    found: list[Violation] = []
    while len(found) < _AT_MOST:
        try:
            msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            steps = _STEP.findall(place)
            missing = _MISSING.fullmatch(reason)
            if missing:
                found.append(Violation(_path([*steps, missing[1]]), "must be given"))
                is_mended = _put(tree, steps, missing[1])
            else:
                found.append(Violation(_path(steps) or "body", reason))
                is_mended = _take_out(tree, steps)
            if is_mended:
                continue
        break
    return found


def _path(steps: list[str]) -> str:
    return "".join(step if step[0] == "[" else f".{step}" for step in steps).removeprefix(".")


def _put(tree: Any, steps: list[str], name: str) -> bool:
    """Put a stand-in where a member is missing; False if there is no place or stand-in for it."""
    target = _at(tree, steps)
    if not isinstance(target, dict) or name not in _STAND_INS or name in target:
        return False
    target[name] = deepcopy(_STAND_INS[name])
    return True


def _take_out(tree: Any, steps: list[str]) -> bool:
    """Take the member out that is wrong, with the whole list of an element; False if it is all."""
    while steps and steps[-1][0] == "[":
        steps = steps[:-1]
    parent = _at(tree, steps[:-1]) if steps else None
    if not isinstance(parent, dict) or steps[-1] not in parent:
        return False
    if steps[-1] in _STAND_INS:
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
