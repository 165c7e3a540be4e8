"""A notification's content as LINE's JSON, and back for logs.

The structs of `bubble.py` carry LINE's own property names (in camelCase) in LINE's own
structure; only words of closed lists differ (`LINE_THROUGH`, `line-through`). So
the encoder writes the JSON in C, and the words are then exchanged in the bytes.

Why that is safe: each exchange looks for a whole property, `"align":"CENTER"`,
with its closing quotes. Within a JSON string every quote has a backslash before
it, so no text, URL or label can contain such a sequence; and a property's name
decides, so a text that reads CENTER keeps its capitals.

Source: docs/reference/content.md (mapping table).
"""

import re
from typing import Any

import msgspec

from linegate.line.bubble import Bubble, LineNotification

__all__ = ["WORDS", "bubble_size", "render_bubble", "restore_bubble"]

WORDS: dict[str, dict[str, str]] = {
    "type": {
        "LINE_NOTIFICATION": "flex",
        "BUBBLE": "bubble",
        "BOX": "box",
        "BUTTON": "button",
        "ICON": "icon",
        "IMAGE": "image",
        "SEPARATOR": "separator",
        "TEXT": "text",
        "SPAN": "span",
        "URI": "uri",
        "POSTBACK": "postback",
    },
    "size": {"NANO": "nano", "MICRO": "micro", "KILO": "kilo", "MEGA": "mega", "GIGA": "giga"},
    "direction": {"LEFT_TO_RIGHT": "ltr", "RIGHT_TO_LEFT": "rtl"},
    "layout": {"HORIZONTAL": "horizontal", "VERTICAL": "vertical", "BASELINE": "baseline"},
    "align": {"START": "start", "END": "end", "CENTER": "center"},
    "gravity": {"TOP": "top", "BOTTOM": "bottom", "CENTER": "center"},
    "position": {"RELATIVE": "relative", "ABSOLUTE": "absolute"},
    "aspectMode": {"COVER": "cover", "FIT": "fit"},
    "weight": {"BOLD": "bold", "REGULAR": "regular"},
    "style": {
        "NORMAL": "normal",
        "ITALIC": "italic",
        "LINK": "link",
        "PRIMARY": "primary",
        "SECONDARY": "secondary",
    },
    "decoration": {"NONE": "none", "UNDERLINE": "underline", "LINE_THROUGH": "line-through"},
    "height": {"SMALL": "sm", "MEDIUM": "md"},
}
"""The client's word -> LINE's word, by property. A property takes a word of one list only,
whichever component it belongs to, so the component need not be asked."""

_EXCHANGES = {
    f'"{name}":"{ours}"'.encode(): f'"{name}":"{theirs}"'.encode()
    for name, words in WORDS.items()
    for ours, theirs in words.items()
}
# One pass that stops at every property of the table; a loop of replacements costs half more.
_EXCHANGEABLE = re.compile(rf'"(?:{"|".join(WORDS)})":"[A-Z_]+"'.encode())
_BACK = {name: {theirs: ours for ours, theirs in words.items()} for name, words in WORDS.items()}
# LINE refuses an empty label; anything but a button may have none (`flex_rules` sees to buttons).
_EMPTY_LABEL = b'"label":"",'
_ENCODER = msgspec.json.Encoder()


def render_bubble(content: LineNotification) -> bytes:
    """One LINE message object of type flex, as compact JSON, the same for every destination.

    content: one that `flex_rules` has no objection to; another is rendered as faithfully, but
             LINE may refuse it.
    Returns: `{"type":"flex","altText":...,"contents":{...}}` with only the properties that
             were set.
    """
    return _rendered(content)


def bubble_size(bubble: Bubble) -> int:
    """How many bytes the bubble takes as LINE's JSON, which is what LINE limits."""
    return len(_rendered(bubble))


def restore_bubble(line_json: bytes) -> dict[str, Any]:
    """The client's view of a rendered LINE message object, for logs: `render_bubble` reversed.

    line_json: what `render_bubble` gave.
    Returns:   `{"type": "LINE_NOTIFICATION", "altText": ..., "contents": {...}}`.
    """
    message: dict[str, Any] = _restored(msgspec.json.decode(line_json))
    contents = message["contents"]
    if "styles" in contents:
        contents["style"] = contents.pop("styles")
    return message


def _rendered(value: LineNotification | Bubble) -> bytes:
    encoded = _EXCHANGEABLE.sub(_exchanged, _ENCODER.encode(value))
    return encoded.replace(_EMPTY_LABEL, b"")


def _exchanged(match: re.Match[bytes]) -> bytes:
    """One property in LINE's words; a word of no list stays (free strings are LINE's own)."""
    found = match[0]
    return _EXCHANGES.get(found, found)


def _restored(value: Any, name: str = "") -> Any:
    """One JSON value in the client's words; `name` is the property it stands under."""
    if isinstance(value, dict):
        restored = {key: _restored(inner, key) for key, inner in value.items()}
        if restored.get("type") in ("URI", "POSTBACK"):
            restored.setdefault("label", "")  # the client must give one; LINE got none if empty
        return restored
    if isinstance(value, list):
        return [_restored(inner) for inner in value]
    return _BACK.get(name, {}).get(value, value) if isinstance(value, str) else value
