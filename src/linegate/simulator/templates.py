"""The template type: keys, items, buttons and their limits.

Source: LINE reference, template body and its errors (FACTS A1.3, A1.6, A2).
"""

from functools import cache
from importlib import resources
from typing import Annotated

import msgspec

from linegate.simulator.answers import Detail, error_body
from linegate.simulator.verdicts import Verdict, parse_problem

__all__ = ["Catalogue", "catalogue", "template_problem"]


class Catalogue(msgspec.Struct, frozen=True):
    """The keys LINE knows, over all countries."""

    templates: frozenset[str]
    items: frozenset[str]
    buttons: frozenset[str]


class _Item(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    item_key: str
    content: str


class _Button(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    button_key: str
    url: str


class _Body(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    emphasized_item: _Item | None = None
    items: Annotated[list[_Item], msgspec.Meta()] = []
    buttons: list[_Button] = []


_decode = msgspec.json.Decoder(_Body).decode
_INVALID_KEYS = "The request body has {} invalid key(s)."
_ERRORS = "The request body has {} error(s)"


@cache
def catalogue() -> Catalogue:
    """The known keys, from `schema/templates.json`; not LINE's whole list (see NOTICE)."""
    raw = resources.files(__package__).joinpath("schema/templates.json").read_bytes()
    countries = msgspec.json.decode(raw, type=dict[str, dict[str, list[str]]])

    def every(part: str) -> frozenset[str]:
        return frozenset(key for country in countries.values() for key in country[part])

    return Catalogue(every("templates"), every("items"), every("buttons"))


def template_problem(key: str, raw: bytes) -> Verdict:
    """The verdict on a template message. raw: the JSON of `body`."""
    content = b'{"templateKey":' + msgspec.json.encode(key) + b',"body":' + raw + b"}"
    return Verdict(content, key, _problem(key, raw))


def _problem(key: str, raw: bytes) -> bytes | None:
    known = catalogue()
    if key not in known.templates:
        text = "The specified template doesn't exist, or you don't have the permission"
        return error_body(f"Invalid templateKey: {key}", [Detail(text, "templateKey")])
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return parse_problem(raw, error)
    if found := _unknown_keys(body, known):
        return error_body(_INVALID_KEYS.format(len(found)), found)
    if found := [*_duplicates(body), *_limits(body)]:
        return error_body(_ERRORS.format(len(found)), found)
    return None


def _placed(body: _Body) -> list[tuple[str, _Item]]:
    placed = [(f"body.items[{index}]", item) for index, item in enumerate(body.items)]
    if body.emphasized_item is not None:
        placed.append(("body.emphasizedItem", body.emphasized_item))
    return placed


def _unknown_keys(body: _Body, known: Catalogue) -> list[Detail]:
    found = [
        Detail(f"The specified item key does not exist: {item.item_key}", f"{path}.itemKey")
        for path, item in _placed(body)
        if item.item_key not in known.items
    ]
    found += [
        Detail(
            f"The specified button key does not exist: {button.button_key}",
            f"body.buttons[{index}].buttonKey",
        )
        for index, button in enumerate(body.buttons)
        if button.button_key not in known.buttons
    ]
    return found


def _duplicates(body: _Body) -> list[Detail]:
    text = "Duplicate itemKey in items or between emphasizedItem and items are not allowed: "
    found: list[Detail] = []
    seen: set[str] = set()
    for path, item in _placed(body):
        if item.item_key in seen:
            found.append(Detail(text + item.item_key, f"{path}.itemKey"))
        seen.add(item.item_key)
    keys = [button.button_key for button in body.buttons]
    found += [
        Detail(f"Duplicate buttonKey is not allowed: {key}", f"body.buttons[{index}].buttonKey")
        for index, key in enumerate(keys)
        if key in keys[:index]
    ]
    return found


def _limits(body: _Body) -> list[Detail]:
    found: list[Detail] = []
    for path, item in _placed(body):
        most = 15 if path == "body.emphasizedItem" else 300
        if not 1 <= len(item.content) <= most:
            text = f"Length must be between 1 and {most}"
            found.append(Detail(text, f"{path}.content"))
    if len(body.items) > 15:
        found.append(Detail("Size must be between 0 and 15", "body.items"))
    if len(body.buttons) > 2:
        found.append(Detail("Size must be between 0 and 2", "body.buttons"))
    found += [
        Detail("Length must be between 1 and 1000", f"body.buttons[{index}].url")
        for index, button in enumerate(body.buttons)
        if not 1 <= len(button.url) <= 1000
    ]
    return found
