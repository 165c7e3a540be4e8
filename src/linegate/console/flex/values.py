"""Values of a bubble as CSS: sizes, spaces, colours, places.

Everything that is not a known word or a well-formed number gives None, so that nothing of a
client's reaches a style unread. Both vocabularies are understood: LINE's and the clients'.

Source: LINE Flex Message reference and layout guide (keyword sizes); docs/reference/content.md.
"""

import re
from typing import Any

__all__ = [
    "BUBBLE_WIDTHS",
    "Css",
    "border_width",
    "colour",
    "font_size",
    "image_width",
    "length",
    "picture",
    "ratio",
    "space",
    "whole",
    "word",
]

BUBBLE_WIDTHS = {
    "nano": 120,
    "micro": 160,
    "deca": 220,
    "hecto": 241,
    "kilo": 260,
    "mega": 300,
    "giga": 386,
}
_SPACES = {"none": 0, "xs": 2, "sm": 4, "md": 8, "lg": 12, "xl": 16, "xxl": 20}
_FONTS = {
    "xxs": 11,
    "xs": 13,
    "sm": 14,
    "md": 16,
    "lg": 19,
    "xl": 22,
    "xxl": 29,
    "3xl": 35,
    "4xl": 48,
    "5xl": 74,
}
_IMAGES = {
    "xxs": 40,
    "xs": 60,
    "sm": 80,
    "md": 100,
    "lg": 120,
    "xl": 140,
    "xxl": 160,
    "3xl": 180,
    "4xl": 200,
    "5xl": 220,
}
_BORDERS = {"none": 0.0, "light": 0.5, "normal": 1.0, "medium": 2.0, "semi-bold": 3.0, "bold": 4.0}
_WORDS = {"left-to-right": "ltr", "right-to-left": "rtl", "small": "sm", "medium": "md"}
_MEASURE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)(px|%)")
_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})")
_RATIO = re.compile(r"([1-9][0-9]{0,5}):([1-9][0-9]{0,5})")
_PICTURE = re.compile(r"https://[^\s\"'<>\\]{1,1990}", re.IGNORECASE)


class Css:
    """Declarations of one element, in the order they were given."""

    def __init__(self) -> None:
        """Declare nothing."""
        self._declared: dict[str, str] = {}

    def set(self, name: str, value: str | None) -> None:
        """Declare, if there is a value."""
        if value is not None:
            self._declared[name] = value

    def __str__(self) -> str:
        """The declarations as one text."""
        return ";".join(f"{name}:{value}" for name, value in self._declared.items())


def word(value: Any, *known: str) -> str | None:
    """A word of a closed list, whichever way it is written; None for any other."""
    if not isinstance(value, str):
        return None
    plain = value.lower().replace("_", "-")
    plain = _WORDS.get(plain, plain) if plain not in known else plain
    return plain if plain in known else None


def colour(value: Any) -> str | None:
    """#RRGGBB or #RRGGBBAA."""
    return value if isinstance(value, str) and _COLOUR.fullmatch(value) else None


def space(value: Any) -> str | None:
    """A margin, padding, spacing or corner: a word, pixels or a percentage."""
    return _sized(value, _SPACES)


def length(value: Any) -> str | None:
    """Pixels or a percentage."""
    return _sized(value, {})


def font_size(value: Any) -> str | None:
    """A text's or icon's size."""
    return _sized(value, _FONTS)


def image_width(value: Any) -> str | None:
    """A picture's width; `full` is all there is."""
    return "100%" if word(value, "full") else _sized(value, _IMAGES)


def border_width(value: Any) -> str | None:
    """A border's width."""
    name = word(value, *_BORDERS)
    return f"{_BORDERS[name]:g}px" if name else length(value)


def ratio(value: Any) -> str | None:
    """Width to height, as CSS writes it."""
    found = _RATIO.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]} / {found[2]}" if found else None


def picture(value: Any) -> str | None:
    """The address of a picture; https only."""
    return value if isinstance(value, str) and _PICTURE.fullmatch(value) else None


def whole(value: Any, most: int) -> int | None:
    """A whole number from 0 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def _sized(value: Any, words: dict[str, int]) -> str | None:
    if not isinstance(value, str):
        return None
    if value.lower() in words:
        return f"{words[value.lower()]}px"
    return value if _MEASURE.fullmatch(value) else None
