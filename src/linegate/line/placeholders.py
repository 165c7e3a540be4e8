"""Where `{{placeholder}}`s may stand in a bubble, and what a filled one must obey.

A registered bubble is the client's own, with placeholders inside of texts, labels, URIs, picture
URLs and postback data; nowhere else, so that filling changes what a message says and never how it
is built. To check such a bubble with the rules of every bubble, each placeholder becomes one
character of a private range, and becomes a placeholder again in the rendered form.

Source: docs/reference/templates.md.
"""

import re
from typing import Any

from linegate.domain.violation import Violation

__all__ = ["FILLED", "Marks"]

FILLED = ("altText", "text", "label", "uri", "desktop", "url", "data")
"""The properties whose strings may hold placeholders; each name means one thing in a bubble."""

_URLS = ("uri", "desktop", "url")
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.-]{1,100})\s*\}\}")
_MOST = 100
_FIRST = 0xF5000  # a private plane, of which neither LINE nor an emoji uses anything
_HEAD = chr(_FIRST - 1)  # after a scheme that stands in for one in a placeholder
_RESERVED = re.compile(f"[{_HEAD}-{chr(_FIRST + _MOST)}]")
_SCHEME = "https://"
_DEEPEST = 64

_SYNTAX = "has {{ or }} that belong to no placeholder; one is written {{name}}"
_WHERE = f"may not hold a placeholder: they may stand in {', '.join(FILLED)}"


class Marks:
    """The placeholders of one bubble, and the characters that stand for them while it is checked.

    violations: placeholders that are none, or stand where none may.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._names: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The placeholders, in the order they were met."""
        return list(self._names)

    def mark(self, value: Any, path: str, name: str = "", level: int = 0) -> Any:
        """A JSON value with marks for its placeholders.

        path, name: where it stands, and under which property. What lies too deep stays as it is:
        other rules refuse it.
        """
        if isinstance(value, str):
            return self._mark_text(value, path, name)
        if level > _DEEPEST:
            return value
        if isinstance(value, list):
            return [
                self.mark(inner, f"{path}[{at}]", name, level + 1) for at, inner in enumerate(value)
            ]
        if isinstance(value, dict):
            return {
                key: self.mark(inner, f"{path}.{key}" if path else key, key, level + 1)
                for key, inner in value.items()
            }
        return value

    def unmark(self, rendered: str) -> str:
        """What was rendered of a marked bubble, with its placeholders again."""
        plain = rendered.replace(_SCHEME + _HEAD, "")
        for name, mark in self._names.items():
            plain = plain.replace(mark, "{{" + name + "}}")
        return plain

    def _mark_text(self, text: str, path: str, name: str) -> str:
        if _RESERVED.search(text):
            reason = "must not hold characters of the private range U+F4FFF to U+F5064"
            self.violations.append(Violation(path, reason))
        if "{{" not in text and "}}" not in text:
            return text
        if name not in FILLED:
            self.violations.append(Violation(path, _WHERE))
            return text
        marked = _PLACEHOLDER.sub(lambda found: self._mark_of(found[1], path), text)
        if "{{" in marked or "}}" in marked:
            self.violations.append(Violation(path, _SYNTAX))
        if name in _URLS and marked and marked[0] in self._names.values():
            return _SCHEME + _HEAD + marked
        return marked

    def _mark_of(self, name: str, path: str) -> str:
        if name not in self._names and len(self._names) == _MOST:
            self.violations.append(Violation(path, f"has more than {_MOST} different placeholders"))
            return "-"
        return self._names.setdefault(name, chr(_FIRST + len(self._names)))
