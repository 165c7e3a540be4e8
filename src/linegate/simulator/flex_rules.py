"""Structure rules of Flex containers that LINE's published schema does not express.

The walk runs after the schema has let a container through, so types are as they should be.
Places are JSON pointers into the container, such as `/body/contents/0/text`.

Source: LINE, "Flex Message layout", "Flex Message elements", reference (FACTS A4.2-A4.5).
"""

from typing import Any

import msgspec

from linegate.simulator.answers import Detail
from linegate.simulator.flex_values import bad_colours, bad_values
from linegate.simulator.line_actions import action_problems, has_scheme

__all__ = ["flex_problems"]

_LARGEST_BUBBLE = 30 * 1024
_LARGEST_CAROUSEL = 50 * 1024
_MOST_BUBBLES = 12
_LONGEST_URL = 2000

_INVALID = "invalid property"
_MISSING = "must be specified"
_NO_BLOCK = "At least one block must be specified"  # seen in LINE's answers, not documented

# What a box may hold, by its layout; `span` only ever inside a text, `video` as a hero.
_STACKED = frozenset(("box", "button", "image", "text", "separator", "filler"))
_MAY_HOLD = {
    "horizontal": _STACKED,
    "vertical": _STACKED,
    "baseline": frozenset(("icon", "text", "filler")),
}
_BLOCKS = ("header", "hero", "body", "footer")
_HEROES = frozenset(("box", "image", "video"))
_PICTURE_SCHEMES = frozenset(("https",))
_URLS = {"image": ("url",), "icon": ("url",), "video": ("url", "previewUrl")}

Component = dict[str, Any]


def flex_problems(container: Component) -> list[Detail]:
    """Everything wrong with a container that the schema let through."""
    if container["type"] == "carousel":
        return _carousel(container)
    return _bubble(container, "")


def _carousel(carousel: Component) -> list[Detail]:
    bubbles = carousel["contents"]
    found: list[Detail] = []
    if not 1 <= len(bubbles) <= _MOST_BUBBLES:
        found.append(Detail(f"size must be between 1 and {_MOST_BUBBLES}", "/contents"))
    if len({bubble.get("size", "mega") for bubble in bubbles}) > 1:
        found.append(Detail("all bubbles must have the same size", "/contents"))
    if len(msgspec.json.encode(carousel)) > _LARGEST_CAROUSEL:
        found.append(Detail("carousel must not be larger than 50 KB", "/"))
    for index, bubble in enumerate(bubbles):
        found += _bubble(bubble, f"/contents/{index}")
    return found


def _bubble(bubble: Component, path: str) -> list[Detail]:
    found: list[Detail] = []
    if len(msgspec.json.encode(bubble)) > _LARGEST_BUBBLE:
        found.append(Detail("bubble must not be larger than 30 KB", path or "/"))
    if not any(block in bubble for block in _BLOCKS):
        found.append(Detail(_NO_BLOCK, path or "/"))
    for block in _BLOCKS:
        if block in bubble:
            found += _block(bubble[block], f"{path}/{block}", block)
        style = bubble.get("styles", {}).get(block)
        if style is not None:
            found += bad_colours(style, f"{path}/styles/{block}")
    if "action" in bubble:
        found += action_problems(bubble["action"], f"{path}/action")
    return found


def _block(component: Component, path: str, block: str) -> list[Detail]:
    found: list[Detail] = []
    if block == "hero" and component["type"] not in _HEROES:
        return [Detail(_INVALID, path)]
    first = (component.get("contents") or [None])[0]
    if component["type"] == "box" and first and first.get("position") == "absolute":
        found.append(Detail(_INVALID, f"{path}/contents/0/position"))
    return found + _component(component, path)


def _component(component: Component, path: str) -> list[Detail]:
    kind = component["type"]
    found = bad_values(component, path)
    if kind == "box":
        found += _held(component, path)
    elif kind == "text":
        found += _text(component, path)
    elif kind == "video" and "altContent" in component:
        found += _component(component["altContent"], f"{path}/altContent")
    for name in _URLS.get(kind, ()):
        found += _url(component[name], f"{path}/{name}")
    if "action" in component:
        needs_label = kind == "button"
        found += action_problems(component["action"], f"{path}/action", needs_label)
    return found


def _held(box: Component, path: str) -> list[Detail]:
    may_hold = _MAY_HOLD[box["layout"]]
    found: list[Detail] = []
    for index, child in enumerate(box["contents"]):
        place = f"{path}/contents/{index}"
        if child["type"] not in may_hold:
            found.append(Detail(_INVALID, place))
        else:
            found += _component(child, place)
    return found


def _text(text: Component, path: str) -> list[Detail]:
    spans = text.get("contents")
    if spans:
        return [
            problem
            for index, span in enumerate(spans)
            for problem in bad_values(span, f"{path}/contents/{index}")
        ]
    if "text" not in text:
        return [Detail(_MISSING, f"{path}/text")]
    return [] if text["text"] else [Detail("must be non-empty text", f"{path}/text")]


def _url(url: str, path: str) -> list[Detail]:
    if not has_scheme(url, _PICTURE_SCHEMES):
        return [Detail("invalid uri scheme", path)]
    return [] if len(url) <= _LONGEST_URL else [Detail("must be shorter than 2001", path)]
