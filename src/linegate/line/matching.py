"""Whether a message is a filled template: the same structure, with any text for a placeholder."""

import re
from typing import Any

__all__ = ["matches"]

_PLACE = re.compile(r"\{\{[^{}]+\}\}")


def matches(message: Any, form: Any) -> bool:
    """True if the form, filled with some texts, is the message. Both are LINE's JSON, decoded."""
    if isinstance(form, str):
        return isinstance(message, str) and _text_matches(message, form)
    if isinstance(form, dict):
        return (
            isinstance(message, dict)
            and message.keys() == form.keys()
            and all(matches(message[name], inner) for name, inner in form.items())
        )
    if isinstance(form, list):
        return (
            isinstance(message, list)
            and len(message) == len(form)
            and all(map(matches, message, form))
        )
    return bool(message == form)


def _text_matches(text: str, form: str) -> bool:
    """Whether the fixed parts follow each other in the text. The leftmost place of each is as good
    as any other, so nothing is tried twice, however the text was made."""
    first, *rest = _PLACE.split(form)
    if not rest:
        return text == form
    last = rest.pop()
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    start, end = len(first), len(text) - len(last)
    for part in rest:
        found = text.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True
