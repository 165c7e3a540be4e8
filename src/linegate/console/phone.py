"""What a phone shows of one content: a bubble, or one of LINE's own templates."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from markupsafe import Markup

from linegate.console.flex.bubble import draw_bubble
from linegate.line.filling import Form
from linegate.postgres.logs import Content

__all__ = ["draw_content", "draw_stored", "parse"]


def draw_stored(content: Content, placeholders: str | None) -> tuple[str, Markup]:
    """The notification's text and the bubble of a message that was accepted."""
    line_message = content.line_message.encode()
    if placeholders is not None and not content.templated:
        line_message = Form(line_message).fill_stored(placeholders)
    return draw_content(parse(line_message))


def draw_content(tree: Any) -> tuple[str, Markup]:
    """The text that announces it and how it looks; in LINE's words or in the client's."""
    if not isinstance(tree, Mapping):
        return "", Markup("")
    if "templateKey" in tree:
        return f"template {tree['templateKey']}", _draw_template(tree)
    alt = tree.get("altText")
    return (alt if isinstance(alt, str) else ""), draw_bubble(tree.get("contents"))


def parse(text: bytes) -> Any:
    """JSON as Python values; None for what is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _draw_template(tree: Mapping[str, Any]) -> Markup:
    """One of LINE's own templates: its items by their keys, since only LINE knows their words."""
    body = tree.get("body")
    parts: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    contents: list[dict[str, Any]] = [
        _text(str(tree["templateKey"]), size="lg", weight="bold", wrap=True)
    ]
    emphasized = parts.get("emphasizedItem")
    if isinstance(emphasized, Mapping):
        contents.append(_text(_word(emphasized, "itemKey"), size="sm", color="#8C8C8C"))
        contents.append(_text(_word(emphasized, "content"), size="xl", weight="bold", wrap=True))
    contents += [_row(item) for item in _list(parts.get("items"))]
    footer = [_button(each) for each in _list(parts.get("buttons"))]
    bubble: dict[str, Any] = {"type": "bubble", "body": _box("vertical", contents, spacing="md")}
    if footer:
        bubble["footer"] = _box("vertical", footer, spacing="sm")
    return draw_bubble(bubble)


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    key = _text(_word(item, "itemKey"), size="sm", color="#8C8C8C", flex=2, wrap=True)
    value = _text(_word(item, "content"), size="sm", wrap=True, flex=3)
    return _box("horizontal", [key, value], spacing="sm")


def _button(each: Mapping[str, Any]) -> dict[str, Any]:
    action = {"type": "uri", "label": _word(each, "buttonKey"), "uri": _word(each, "url")}
    return {"type": "button", "style": "secondary", "height": "sm", "action": action}


def _box(layout: str, contents: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "box", "layout": layout, "contents": contents, **more}


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def _word(tree: Mapping[str, Any], name: str) -> str:
    value = tree.get(name)
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [each for each in value if isinstance(each, Mapping)]
