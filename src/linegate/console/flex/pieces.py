"""The components of a bubble that hold no others: text, button, picture, icon."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from linegate.console.flex.values import (
    Css,
    colour,
    font_size,
    image_width,
    picture,
    ratio,
    whole,
    word,
)

__all__ = ["button", "filler", "icon", "image", "note_of", "separator", "text"]

_GRAVITY = {"top": "flex-start", "center": "center", "bottom": "flex-end"}


def text(piece: Mapping[str, Any], css: Css) -> Markup:
    """A text, or spans, which win if both are there."""
    css.set("font-size", font_size(piece.get("size")))
    css.set("color", colour(piece.get("color")))
    css.set("font-weight", word(piece.get("weight"), "bold"))
    css.set("font-style", word(piece.get("style"), "italic"))
    css.set("text-decoration", word(piece.get("decoration"), "underline", "line-through"))
    css.set("text-align", word(piece.get("align"), "start", "center", "end"))
    css.set("justify-content", _gravity(piece))
    inner, lines = Css(), whole(piece.get("maxLines"), 2_147_483_647)
    kind = "fx-line"
    if piece.get("wrap") is True:
        kind = "fx-lines"
        if lines:
            kind = "fx-lines fx-clamped"
            inner.set("-webkit-line-clamp", str(lines))
    spans = piece.get("contents")
    if isinstance(spans, Sequence) and not isinstance(spans, str) and spans:
        words = Markup("").join(_span(each) for each in spans)
    else:
        words = Markup("{}").format(_words(piece.get("text")))
    return Markup(
        '<div class="fx-text" data-css="{}"{}><span class="{}" data-css="{}">{}</span></div>'
    ).format(css, note_of(piece.get("action")), kind, inner, words)


def button(piece: Mapping[str, Any], css: Css) -> Markup:
    """A button: what its colour paints depends on its style."""
    style = word(piece.get("style"), "link", "primary", "secondary") or "link"
    height = word(piece.get("height"), "sm", "md") or "md"
    face = Css()
    face.set("color" if style == "link" else "background-color", colour(piece.get("color")))
    css.set("justify-content", _gravity(piece))
    action = piece.get("action")
    label = action.get("label") if isinstance(action, Mapping) else None
    return Markup(
        '<div class="fx-button" data-css="{}"{}><span class="fx-face fx-{} fx-{}" data-css="{}">'
        "<span>{}</span></span></div>"
    ).format(css, note_of(action), style, height, face, _words(label))


def icon(piece: Mapping[str, Any], css: Css) -> Markup:
    """A picture as high as the text beside it."""
    css.set("font-size", font_size(piece.get("size")))
    inner = Css()
    inner.set("aspect-ratio", ratio(piece.get("aspectRatio")))
    return Markup('<span class="fx-icon" data-css="{}">{}</span>').format(
        css, _picture(piece, "", inner)
    )


def image(piece: Mapping[str, Any], css: Css, parent: str) -> Markup:
    """A picture; its frame has the ratio, cut (cover) or filled (fit)."""
    align = word(piece.get("align"), "start", "center", "end") or "center"
    css.set("align-items", {"start": "flex-start", "end": "flex-end"}.get(align, "center"))
    css.set("justify-content", _gravity(piece))
    frame = Css()
    frame.set("width", image_width(piece.get("size")) or "100px")
    frame.set("aspect-ratio", ratio(piece.get("aspectRatio")) or "1 / 1")
    frame.set("background-color", colour(piece.get("backgroundColor")))
    mode = word(piece.get("aspectMode"), "cover", "fit") or "fit"
    return Markup(
        '<div class="fx-image in-{}" data-css="{}"{}>'
        '<span class="fx-frame" data-css="{}">{}</span></div>'
    ).format(parent, css, note_of(piece.get("action")), frame, _picture(piece, f"fx-{mode}", Css()))


def separator(piece: Mapping[str, Any], css: Css) -> Markup:
    """A line; which way it lies, the box says."""
    css.set("background-color", colour(piece.get("color")))
    return Markup('<div class="fx-separator" data-css="{}"></div>').format(css)


def filler(piece: Mapping[str, Any], css: Css) -> Markup:
    """Room that nothing else takes."""
    return Markup('<div class="fx-filler" data-css="{}"></div>').format(css)


def note_of(action: Any) -> Markup:
    """What a tap would do, as a title; nothing without an action."""
    if not isinstance(action, Mapping):
        return Markup("")
    target = action.get("uri") if word(action.get("type"), "uri") else action.get("data")
    return Markup(' title="{}"').format(f"tap: {_words(target)}")


def _span(piece: Any) -> Markup:
    if not isinstance(piece, Mapping):
        return Markup("")
    css = Css()
    css.set("color", colour(piece.get("color")))
    css.set("font-size", font_size(piece.get("size")))
    css.set(
        "font-weight",
        {"bold": "bold", "regular": "normal"}.get(
            word(piece.get("weight"), "bold", "regular") or ""
        ),
    )
    css.set("font-style", word(piece.get("style"), "italic", "normal"))
    css.set("text-decoration", word(piece.get("decoration"), "underline", "line-through", "none"))
    return Markup('<span data-css="{}">{}</span>').format(css, _words(piece.get("text")))


def _picture(piece: Mapping[str, Any], kind: str, css: Css) -> Markup:
    url = picture(piece.get("url"))
    if url is None:
        return Markup('<span class="fx-missing" aria-hidden="true"></span>')
    return Markup(
        '<img src="{}" alt="" class="{}" loading="lazy" referrerpolicy="no-referrer" data-css="{}">'
    ).format(url, kind, css)


def _gravity(piece: Mapping[str, Any]) -> str | None:
    found = word(piece.get("gravity"), "top", "center", "bottom")
    return _GRAVITY[found] if found else None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""
