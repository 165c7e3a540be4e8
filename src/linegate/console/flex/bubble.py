"""A bubble as HTML, laid out as LINE lays it out.

Takes what a client is still typing too: whatever is not understood is left out, nothing is raised.
Colours and sizes go into `data-css`, since the pages' policy forbids style attributes; the page's
script sets them. All components and properties of the published schema are drawn, and of LINE's
own those that registered templates use (`hero`, `filler`, `justifyContent`, `alignItems`).

Source: LINE Flex Message elements and layout guides (defaults of flex, blocks' paddings, buttons).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from linegate.console.flex.pieces import (
    button,
    filler,
    icon,
    image,
    note_of,
    separator,
    text,
)
from linegate.console.flex.values import (
    BUBBLE_WIDTHS,
    Css,
    border_width,
    colour,
    length,
    space,
    whole,
    word,
)

__all__ = ["draw_bubble"]

_BLOCKS = ("header", "hero", "body", "footer")
_DEEPEST = 24
_JUSTIFY = {
    "flex-start": "flex-start",
    "center": "center",
    "flex-end": "flex-end",
    "space-between": "space-between",
    "space-around": "space-around",
    "space-evenly": "space-evenly",
}


def draw_bubble(bubble: Any) -> Markup:
    """The bubble as an element of class `fx-bubble`; an empty one for what is no bubble."""
    tree: Mapping[str, Any] = bubble if isinstance(bubble, Mapping) else {}
    size = word(tree.get("size"), *BUBBLE_WIDTHS) or "mega"
    css = Css()
    css.set("width", f"{BUBBLE_WIDTHS[size]}px")
    direction = word(tree.get("direction"), "ltr", "rtl") or "ltr"
    styles = tree.get("styles") or tree.get("style")
    drawn: list[Markup] = []
    for name in _BLOCKS:
        block = tree.get(name)
        if isinstance(block, Mapping):
            style = styles.get(name) if isinstance(styles, Mapping) else None
            drawn.append(_block(name, block, style, is_first=not drawn))
    return Markup('<div class="fx-bubble" dir="{}" data-css="{}"{}>{}</div>').format(
        direction, css, note_of(tree.get("action")), Markup("").join(drawn)
    )


def _block(name: str, block: Mapping[str, Any], style: Any, *, is_first: bool) -> Markup:
    css, rule = Css(), Markup("")
    if isinstance(style, Mapping):
        css.set("background-color", colour(style.get("backgroundColor")))
        if style.get("separator") is True and not is_first:
            line = Css()
            line.set("background-color", colour(style.get("separatorColor")))
            rule = Markup('<div class="fx-rule" data-css="{}"></div>').format(line)
    # A block is a box whether it says so or not; a hero may be a picture.
    piece = block if "type" in block else {**block, "type": "box"}
    inner = _component(piece, "vertical", "", 1)
    return Markup('{}<div class="fx-{}" data-css="{}">{}</div>').format(rule, name, css, inner)


def _component(piece: Any, parent: str, gap: str, depth: int) -> Markup:
    """One component. parent: the layout it lies in; gap: its distance from the one before."""
    if not isinstance(piece, Mapping) or depth > _DEEPEST:
        return Markup("")
    css = _placed(piece, parent, gap)
    kind = word(piece.get("type"), *_KINDS)
    if kind == "box":
        return _box(piece, parent, css, depth)
    if kind == "image":
        return image(piece, css, parent)
    draw = _PLAIN.get(kind or "")
    return Markup("") if draw is None else draw(piece, css)


_KINDS = ("box", "text", "button", "image", "icon", "separator", "filler")
_PLAIN = {"text": text, "button": button, "icon": icon, "separator": separator, "filler": filler}


def _placed(piece: Mapping[str, Any], parent: str, gap: str) -> Css:
    """What every component has: its share of the room, distance and place."""
    css = Css()
    kind = word(piece.get("type"), *_KINDS)
    if kind not in ("icon", "separator"):
        css.set("flex", _flex(piece, parent))
    side = "margin-top" if parent == "vertical" else "margin-inline-start"
    css.set(side, gap or None)
    position = word(piece.get("position"), "relative", "absolute")
    css.set("position", position)
    places = ("top", "bottom", "inset-inline-start", "inset-inline-end")
    for name, place in zip(("Top", "Bottom", "Start", "End"), places, strict=True):
        css.set(place, space(piece.get("offset" + name)))
    if position is None and any(
        "offset" + name in piece for name in ("Top", "Bottom", "Start", "End")
    ):
        css.set("position", "relative")
    return css


def _flex(piece: Mapping[str, Any], parent: str) -> str:
    """How components share a box: by default evenly side by side, as high as needed below.

    Source: LINE Flex layout guide, "Distribution of width and height".
    """
    given = whole(piece.get("flex"), 20)
    if parent == "vertical":
        return f"{given} 0 auto" if given else "0 0 auto"
    if given is None:
        fixed = length(piece.get("width")) is not None
        return "0 0 auto" if fixed else "1 0 0"
    return f"{given} 0 0" if given else "0 0 auto"


def _box(box: Mapping[str, Any], parent: str, css: Css, depth: int) -> Markup:
    layout = word(box.get("layout"), "horizontal", "vertical", "baseline") or "vertical"
    css.set("background-color", colour(box.get("backgroundColor")))
    border = border_width(box.get("borderWidth"))
    if border is not None:
        css.set("border", f"{border} solid {colour(box.get('borderColor')) or '#000000'}")
    css.set("border-radius", space(box.get("cornerRadius")))
    for name, value in (("width", box.get("width")), ("height", box.get("height"))):
        css.set(name, length(value))
    css.set("padding", space(box.get("paddingAll")))
    sides = ("padding-top", "padding-bottom", "padding-inline-start", "padding-inline-end")
    for name, side in zip(("Top", "Bottom", "Start", "End"), sides, strict=True):
        css.set(side, space(box.get("padding" + name)))
    css.set("justify-content", word(box.get("justifyContent"), *_JUSTIFY))
    css.set("align-items", word(box.get("alignItems"), "flex-start", "center", "flex-end"))
    if "vertical" in (parent, layout) and length(box.get("width")):
        css.set("align-self", "flex-start")
    inner = _children(box.get("contents"), layout, space(box.get("spacing")), depth)
    return Markup('<div class="fx-box fx-{}" data-css="{}"{}>{}</div>').format(
        layout, css, note_of(box.get("action")), inner
    )


def _children(contents: Any, layout: str, spacing: str | None, depth: int) -> Markup:
    """Components with their distances: a margin replaces the box's spacing; the first has none."""
    if not isinstance(contents, Sequence) or isinstance(contents, str):
        return Markup("")
    drawn, is_first = [], True
    for piece in contents:
        gap = ""
        if not is_first and isinstance(piece, Mapping):
            gap = space(piece.get("margin")) or spacing or ""
        drawn.append(_component(piece, layout, gap, depth + 1))
        is_absolute = isinstance(piece, Mapping) and word(piece.get("position"), "absolute")
        is_first = is_first and bool(is_absolute)
    return Markup("").join(drawn)
