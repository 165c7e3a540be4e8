"""A broken request with stand-ins where it is broken, so that rules can judge the rest.

Nothing of it is ever sent: it lives from the schema's errors to the rules'.
"""

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from linegate.api.explain_schema import Step, StructureError
from linegate.api.schemas import LineRequest
from linegate.api.structure import structure_errors

__all__ = ["related", "repaired"]

# What stands in for a required property that is missing or broken, by its name. Each keeps every
# rule; a name whose right value depends on its place is decided in `_stand_in`.
_BUBBLE: dict[str, Any] = {"type": "BUBBLE", "body": {"layout": "VERTICAL"}}
_CONTENT: dict[str, Any] = {"type": "LINE_NOTIFICATION", "altText": "-", "contents": _BUBBLE}
_URL = "https://stand-in.invalid/"
_ACTION = {"type": "URI", "label": "-", "uri": _URL}
_STAND_INS: dict[str, Any] = {
    "action": _ACTION,
    "altText": "-",
    "amount": 1000,
    "buttonKey": "-",
    "contents": _BUBBLE,
    "data": "-",
    "days": ["MONDAY"],
    "destinations": [{"to": "-"}],
    "hour": 0,
    "itemKey": "-",
    "label": "-",
    "messages": [{"sender": "-", "destinations": [{"to": "-"}], "content": _CONTENT}],
    "minute": 0,
    "principalEntityId": "-",
    "recipientType": "TACIR",
    "sender": "-",
    "templateKey": "-",
    "templateName": "-",
    "text": "-",
    "to": "-",
    "uri": _URL,
    "url": _URL,
}

_BLOCKS = {("contents", name) for name in ("header", "body", "footer")}

# Taking a broken value away may leave a required one missing, whose stand-in may have to be
# completed; no place of a request is deeper in this than so.
_ROUNDS = 4


def repaired(tree: Any, errors: list[StructureError]) -> LineRequest | None:
    """The request with stand-ins for what is broken; None if that does not make it whole.

    tree:   the request's JSON as Python values; it is changed.
    errors: what `structure_errors` found in it.
    """
    for _ in range(_ROUNDS):
        if not errors:
            return _converted(tree)
        for error in errors:
            _mend(tree, error)
        errors = structure_errors(tree, len(errors) * 8 + 8)
    return _converted(tree) if not errors else None


def related(one: str, other: str) -> bool:
    """True if one path lies within the other, or both are the same."""
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and longer[len(shorter) : len(shorter) + 1] in ("", ".", "[")


def _converted(tree: Any) -> LineRequest | None:
    try:
        return msgspec.convert(tree, LineRequest)
    except msgspec.ValidationError:  # the decoder is stricter than the schema: no rules then
        return None


def _mend(tree: Any, error: StructureError) -> None:
    """Give a missing property its stand-in; take a broken one away."""
    if not error.steps:
        return
    parent, last = _parent(tree, error.steps), error.steps[-1]
    if isinstance(parent, dict) and isinstance(last, str):
        if _takes_partners(tree, error.steps, parent):
            return
        if error.steps[-2:-1] == ("placeholders",):
            parent[last] = "-"  # its template would miss it
        elif error.steps[-2:] in _BLOCKS:
            parent[last] = {"layout": "VERTICAL"}  # a bubble would miss its only block
        elif error.absent:
            parent[last] = copy.deepcopy(_stand_in(error.steps, parent))
        else:
            parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int):
        # Elements keep their index; an empty object is filled in the next round.
        parent[last] = "MONDAY" if "days" in error.steps else {}


def _takes_partners(tree: Any, steps: tuple[Step, ...], parent: dict[str, Any]) -> bool:
    """Mend what a rule judges together, so that the sound half is not blamed for the broken one."""
    if steps[-1] in ("text", "contents") and parent.get("type") == "TEXT":
        parent["text"] = "-"
        parent.pop("contents", None)
        return True
    if "from" in steps or "to" in steps:
        at = next(index for index, step in enumerate(steps) if step in ("from", "to"))
        window = _parent(tree, steps[: at + 1])
        # A destination's `to` has no partner.
        if steps[at - 1] == "deliveryTimeWindow" and isinstance(window, dict):
            _mend_end(window, str(steps[at]))
            return True
    return False


def _mend_end(window: dict[str, Any], end: str) -> None:
    """Both ends go, whose distance nobody can tell; one that is alone stays, or none misses it."""
    if "from" in window and "to" in window:
        del window["from"], window["to"]
    elif end in window:
        window[end] = {"hour": 0, "minute": 0}


def _parent(tree: Any, steps: tuple[Step, ...]) -> Any:
    """The object or array that holds the last step; None if an earlier error took it away."""
    for step in steps[:-1]:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _stand_in(steps: tuple[Step, ...], parent: dict[str, Any]) -> Any:
    """The stand-in for the property at the end of the steps."""
    name = steps[-1]
    if name == "type":
        return _type_for(steps)
    if name == "layout":
        return "BASELINE" if _holds_icon(parent) else "VERTICAL"
    if name == "content":
        return _CONTENT if len(steps) == 3 else "-"
    return _STAND_INS.get(str(name), "-")


def _type_for(steps: Iterable[Step]) -> str:
    """A type for what has none, by the last property's name on the way to it."""
    names = [step for step in steps if isinstance(step, str)]
    return {"content": "LINE_NOTIFICATION", "action": "URI"}.get(names[-2], "SEPARATOR")


def _holds_icon(box: dict[str, Any]) -> bool:
    contents = box.get("contents")
    return isinstance(contents, list) and any(
        isinstance(component, dict) and component.get("type") == "ICON" for component in contents
    )
