"""What LINE is certain to refuse in a bubble although each value alone is well formed.

Found at intake, it is the client's violation; found by LINE, it would be one
refusal per destination. What LINE only might refuse, or only its reviewers
object to, is a warning and stops nothing. Words and limits of single values are
in `bubble.py`, as types.

Source: docs/reference/content.md (structure rules; actions; limits).
"""

import msgspec

from linegate.domain.violation import Violation
from linegate.line.bubble import (
    Action,
    Box,
    Bubble,
    Button,
    Component,
    Icon,
    Image,
    PostbackAction,
    Separator,
    Span,
    Text,
)
from linegate.line.flex import bubble_size

__all__ = [
    "BUBBLE_BYTES",
    "NESTING",
    "POSTBACK_DATA",
    "bubble_violations",
    "bubble_warnings",
    "utf16_units",
]

BUBBLE_BYTES = 30 * 1024
"""LINE's limit for the JSON of one bubble."""

NESTING = 20
"""How many JSON objects and arrays may lie within one another in a content, itself included,
down to a component; the spans and actions of one component are not counted."""

POSTBACK_DATA = 300
"""LINE's limit for a postback's data, in UTF-16 units; the published schema says 1000."""

# How deep, in JSON levels, a block's box lies in a content (content, bubble, box), and how much
# deeper each box takes its children (array, object).
_BLOCK_LEVEL = 3
_LEVELS_PER_BOX = 2

_FIRST_ABSOLUTE = "must not be ABSOLUTE on the first component of a block"
_NO_BLOCK = "is required without header and footer: LINE takes no bubble without a block"
_TOO_DEEP = f"must not be nested deeper than {NESTING} levels of objects and arrays"

_ENCODER = msgspec.json.Encoder()

_PLAIN_BOX = frozenset({Box, Button, Image, Text, Separator})
_BASELINE_BOX = frozenset({Icon, Text})
_NAMES: dict[type, str] = {
    Box: "a BOX",
    Button: "a BUTTON",
    Icon: "an ICON",
    Image: "an IMAGE",
    Separator: "a SEPARATOR",
    Span: "a SPAN",
    Text: "a TEXT",
}


def bubble_violations(bubble: Bubble, path: str) -> list[Violation]:
    """Everything LINE is certain to refuse in a bubble; empty if nothing.

    path: where the bubble stands in the request, such as `messages[0].content.contents`.
    """
    found: list[Violation] = []
    blocks = (("header", bubble.header), ("body", bubble.body), ("footer", bubble.footer))
    for name, block in blocks:
        if block is not None:
            _check_block(block, f"{path}.{name}", found)
    if all(block is None for _, block in blocks):
        found.append(Violation(f"{path}.body", _NO_BLOCK))
    if bubble.action is not None:
        _check_action(bubble.action, f"{path}.action", found)
    _check_size(bubble, path, found)
    return found


def bubble_warnings(bubble: Bubble, path: str) -> list[Violation]:
    """What LINE's review of notifications forbids but its API takes (pictures), and what LINE takes
    and does not show.

    Source: docs/reference/content.md (flexible body: messages with images are not permitted;
            structure rules).
    """
    warnings: list[Violation] = []
    for name in ("header", "body", "footer"):
        block: Box | None = getattr(bubble, name)
        if block is not None:
            _find_oddities(block, f"{path}.{name}", warnings)
    return warnings


def _find_oddities(box: Box, path: str, warnings: list[Violation]) -> None:
    is_baseline = box.layout == "BASELINE"
    for index, component in enumerate(box.contents or ()):
        place = f"{path}.contents[{index}]"
        if isinstance(component, Image):
            warnings.append(
                Violation(place, "LINE permits no images in notifications unless it reviewed them")
            )
        elif isinstance(component, Box):
            _find_oddities(component, place, warnings)
        elif isinstance(component, Text) and component.text and component.contents:
            warnings.append(Violation(f"{place}.text", "is not shown: LINE shows contents instead"))
        if is_baseline:
            warnings += _without_effect(component, place)


def _without_effect(component: Component, path: str) -> list[Violation]:
    """What LINE ignores in a baseline box."""
    reason = "has no effect in a BASELINE box"
    names = {"gravity": "gravity", "offset_bottom": "offsetBottom"}
    return [
        Violation(f"{path}.{names[name]}", reason)
        for name in names
        if getattr(component, name, None) is not None
    ]


def _check_size(bubble: Bubble, path: str, found: list[Violation]) -> None:
    """LINE's limit for the whole bubble."""
    # The client's words are never shorter than LINE's: what fits before rendering fits after.
    if len(_ENCODER.encode(bubble)) <= BUBBLE_BYTES:
        return
    size = bubble_size(bubble)
    if size > BUBBLE_BYTES:
        reason = f"must be at most {BUBBLE_BYTES} bytes as LINE's JSON; it is {size}"
        found.append(Violation(path, reason))


def _check_block(box: Box, path: str, found: list[Violation]) -> None:
    """A block of a bubble: what stands first in it must be in the flow of the layout."""
    if box.position == "ABSOLUTE":
        found.append(Violation(f"{path}.position", _FIRST_ABSOLUTE))
    if box.contents:
        first = box.contents[0]
        if not isinstance(first, Separator | Span) and first.position == "ABSOLUTE":
            found.append(Violation(f"{path}.contents[0].position", _FIRST_ABSOLUTE))
    _check_box(box, path, _BLOCK_LEVEL, found)


def _check_box(box: Box, path: str, level: int, found: list[Violation]) -> None:
    """What a box holds, and all below it. `level` is the box's own depth in the content."""
    if box.action is not None:
        _check_action(box.action, f"{path}.action", found)
    if not box.contents:
        return
    level += _LEVELS_PER_BOX
    if level > NESTING:
        found.append(Violation(f"{path}.contents", _TOO_DEEP))
        return
    allowed = _BASELINE_BOX if box.layout == "BASELINE" else _PLAIN_BOX
    for index, component in enumerate(box.contents):
        place = f"{path}.contents[{index}]"
        kind = component.__class__
        if kind not in allowed:
            found.append(Violation(f"{place}.type", _misplaced(kind, box.layout)))
        if kind is Text:
            _check_text(component, place, found)  # type: ignore[arg-type]
        elif kind is Box:
            _check_box(component, place, level, found)  # type: ignore[arg-type]
        else:
            _check_other(component, place, found)


def _misplaced(kind: type, layout: str) -> str:
    """Why a component may not be where it is."""
    if kind is Span:
        return "a SPAN cannot be in a box: LINE takes it only in the contents of a TEXT"
    if layout == "BASELINE":
        return f"{_NAMES[kind]} cannot be in a BASELINE box: LINE takes only ICON and TEXT there"
    return f"{_NAMES[kind]} cannot be in a {layout} box: LINE takes it only in a BASELINE box"


def _check_text(text: Text, path: str, found: list[Violation]) -> None:
    if text.text is None and text.contents is None:
        reason = "must not be empty where contents has no SPAN"
        found.append(Violation(f"{path}.text", reason))
    if text.action is not None:
        _check_action(text.action, f"{path}.action", found)


def _check_other(component: Component, path: str, found: list[Violation]) -> None:
    """The kinds that are rarer than text and boxes."""
    if isinstance(component, Button):
        if not component.action.label:
            found.append(Violation(f"{path}.action.label", "must not be empty on a BUTTON"))
        _check_action(component.action, f"{path}.action", found)
    elif isinstance(component, Icon | Image):
        if component.aspect_ratio is not None:
            _check_ratio(component.aspect_ratio, f"{path}.aspectRatio", found)
        if isinstance(component, Image) and component.action is not None:
            _check_action(component.action, f"{path}.action", found)


def _check_ratio(ratio: str, path: str, found: list[Violation]) -> None:
    width, height = (int(side) for side in ratio.split(":"))
    if width > 100_000 or height > 100_000:
        found.append(Violation(path, "must have a width and a height of at most 100000"))
    if height > 3 * width:
        found.append(Violation(path, "must not be more than three times as high as wide"))


def _check_action(action: Action, path: str, found: list[Violation]) -> None:
    if not isinstance(action, PostbackAction):
        return
    if not action.data:
        found.append(Violation(f"{path}.data", "must not be empty: LINE refuses it"))
    elif utf16_units(action.data) > POSTBACK_DATA:
        reason = f"must be at most {POSTBACK_DATA} characters (UTF-16 units): LINE takes no more"
        found.append(Violation(f"{path}.data", reason))


def utf16_units(text: str) -> int:
    """A text's length as LINE counts it: characters outside the basic plane count twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
