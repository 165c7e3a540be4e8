"""A registered template as it is sent: what it needs, and whether what fills it obeys LINE.

Source: docs/reference/templates.md; limits: docs/reference/content.md.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from linegate.line.bubble import AltText, Label, PictureUrl, SpanText, Uri
from linegate.line.filling import Form, escaped
from linegate.line.flex_rules import BUBBLE_BYTES, POSTBACK_DATA, utf16_units
from linegate.line.placeholders import FILLED

__all__ = ["Fault", "Registered", "registered"]

_STRING = re.compile(rf'"({"|".join(FILLED)})":"((?:[^"\\]|\\.)*)"')
_PLACE = re.compile(r"\{\{([^{}]+)\}\}")


class _Rule(NamedTuple):
    """What a filled string must obey: characters, at least and at most, and a pattern."""

    least: int
    most: int
    pattern: re.Pattern[str] | None
    words: str


def _rule(kind: Any, words: str) -> _Rule:
    """The rule of a type of `bubble.py`, taken apart: checked some 50,000 times in a request."""
    limits = kind.__metadata__[0]
    pattern = re.compile(limits.pattern) if limits.pattern else None
    return _Rule(limits.min_length or 0, limits.max_length or _ANY, pattern, words)


_ANY = 2**31
_RULES: dict[str, _Rule] = {
    "altText": _rule(AltText, "altText must have 1 to 400 characters when it is filled"),
    "text": _rule(SpanText, "a text must not be empty when it is filled"),
    "label": _rule(Label, "a label must have 1 to 20 characters when it is filled")._replace(
        least=1
    ),
    "uri": _rule(Uri, "must make a URI: http, https, line or tel, no spaces, 1000 characters"),
    "desktop": _rule(Uri, "must make a URI: http, https, line or tel, no spaces, 1000 characters"),
    "url": _rule(PictureUrl, "must make a picture's URL: https, no spaces, 2000 characters"),
    "data": _Rule(
        1, _ANY, None, f"data must have 1 to {POSTBACK_DATA} characters when it is filled"
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that LINE would refuse. name: the placeholder; None: all of them together."""

    name: str | None
    words: str


@dataclass(frozen=True, slots=True)
class _Slot:
    """One string with placeholders: its texts and names by turns."""

    property: str
    parts: tuple[str, ...]
    names: frozenset[str]

    def fault(self, values: Mapping[str, str], own: Collection[str]) -> Fault | None:
        """What is wrong with it when it is filled; the longest value of `own` is to blame."""
        filled = "".join(values[part] if at % 2 else part for at, part in enumerate(self.parts))
        rule = _RULES[self.property]
        if (
            rule.least <= len(filled) <= rule.most
            and (rule.pattern is None or rule.pattern.search(filled))
            and (self.property != "data" or utf16_units(filled) <= POSTBACK_DATA)
        ):
            return None
        return Fault(self._longest(values, own), rule.words)

    def _longest(self, values: Mapping[str, str], own: Collection[str]) -> str:
        names = sorted(name for name in self.names if name in own)
        return max(names, key=lambda name: len(values[name]))


class Registered:
    """One version of a template, ready to be filled.

    form:  the LINE message object with `{{name}}`.
    names: its placeholders; each needs a value.
    """

    __slots__ = ("_bytes", "_counts", "_slots", "form", "names", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.form = Form(text)
        self.names = self.form.names
        self._slots = tuple(_slots(text.decode()))
        bubble = text.partition(b'"contents":')[2].decode()
        places = _PLACE.findall(bubble)
        self._counts = {name: places.count(name) for name in self.names}
        self._bytes = len(_PLACE.sub("", bubble).encode()) - 1  # the message's own brace

    def faults(self, values: Mapping[str, str], own: Collection[str]) -> list[Fault]:
        """What LINE would refuse in the strings that hold one of these placeholders.

        values: a text for every placeholder.
        own:    the placeholders; one of them is to blame.
        """
        touched = (slot for slot in self._slots if not slot.names.isdisjoint(own))
        return [fault for slot in touched if (fault := slot.fault(values, own))]

    def faults_beside(self, values: Mapping[str, str], own: Collection[str]) -> list[Fault]:
        """What LINE would refuse in the strings that hold none of these, and that are complete.

        values: texts for some placeholders.
        """
        beside = (slot for slot in self._slots if slot.names.isdisjoint(own))
        return [
            fault
            for slot in beside
            if slot.names <= values.keys() and (fault := slot.fault(values, slot.names))
        ]

    def size_fault(self, values: Mapping[str, str]) -> Fault | None:
        """A bubble that is too large when it is filled."""
        size = self._bytes + sum(
            count * len(escaped(values[name])) for name, count in self._counts.items() if count
        )
        if size <= BUBBLE_BYTES:
            return None
        return Fault(None, f"the bubble must be at most {BUBBLE_BYTES} bytes when it is filled")


def _slots(text: str) -> Iterator[_Slot]:
    for found in _STRING.finditer(text):
        if "{{" not in found[2]:
            continue
        plain: str = msgspec.json.decode(f'"{found[2]}"')
        parts = _PLACE.split(plain)
        yield _Slot(found[1], tuple(parts), frozenset(parts[1::2]))


@lru_cache(maxsize=512)
def registered(text: bytes) -> Registered:
    """A version by its form; a version never changes, so it is read once."""
    return Registered(text)
