"""A bubble as HTML: every component and property of the published schema leaves its mark."""

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.console.flex.bubble import draw_bubble
from linegate.console.flex.values import BUBBLE_WIDTHS
from linegate.console.phone import draw_content
from linegate.line.bubble import (
    BlockStyle,
    Box,
    Bubble,
    Button,
    Icon,
    Image,
    Separator,
    Span,
    Text,
)

BOX = {"type": "BOX", "layout": "VERTICAL"}


def drawn(*pieces: dict[str, Any], layout: str = "VERTICAL", **box: Any) -> str:
    """The body of a bubble with these components."""
    body = {"type": "BOX", "layout": layout, "contents": list(pieces), **box}
    return str(draw_bubble({"type": "BUBBLE", "body": body}))


def css_of(text: str, kind: str) -> str:
    """The declarations of the first element of a class."""
    found = re.search(rf'class="[^"]*\bfx-{kind}\b[^"]*"[^>]*? data-css="([^"]*)"', text)
    assert found, (kind, text)
    return html.unescape(found[1])


# What each property becomes, in the client's words; the value that changes something.
SHARED = {
    "margin": ("md", "margin-top:8px"),
    "position": ("ABSOLUTE", "position:absolute"),
    "offsetTop": ("10px", "top:10px"),
    "offsetBottom": ("5%", "bottom:5%"),
    "offsetStart": ("xl", "inset-inline-start:16px"),
    "offsetEnd": ("xs", "inset-inline-end:2px"),
}
CASES: dict[str, tuple[dict[str, Any], str, dict[str, tuple[Any, str]]]] = {
    "box": (
        BOX,
        "box",
        {
            **SHARED,
            "layout": ("HORIZONTAL", ""),
            "contents": ([], ""),
            "backgroundColor": ("#11223344", "background-color:#11223344"),
            "borderColor": ("#123456", ""),
            "borderWidth": ("semi-bold", "border:3px solid #000000"),
            "cornerRadius": ("xxl", "border-radius:20px"),
            "width": ("80%", "width:80%"),
            "height": ("30px", "height:30px"),
            "flex": (3, "flex:3 0 auto"),
            "spacing": ("sm", ""),
            "paddingAll": ("lg", "padding:12px"),
            "paddingTop": ("3px", "padding-top:3px"),
            "paddingBottom": ("3%", "padding-bottom:3%"),
            "paddingStart": ("md", "padding-inline-start:8px"),
            "paddingEnd": ("none", "padding-inline-end:0px"),
            "action": ({"type": "URI", "label": "a", "uri": "https://a.example"}, ""),
        },
    ),
    "text": (
        {"type": "TEXT", "text": "words"},
        "text",
        {
            **SHARED,
            "text": ("others", ""),
            "contents": ([{"type": "SPAN", "text": "span"}], ""),
            "flex": (2, "flex:2 0 auto"),
            "size": ("xxl", "font-size:29px"),
            "align": ("END", "text-align:end"),
            "gravity": ("BOTTOM", "justify-content:flex-end"),
            "wrap": (True, ""),
            "maxLines": (3, ""),
            "color": ("#FF0000", "color:#FF0000"),
            "weight": ("BOLD", "font-weight:bold"),
            "action": ({"type": "POSTBACK", "label": "a", "data": "x=1"}, ""),
        },
    ),
    "button": (
        {"type": "BUTTON", "action": {"type": "URI", "label": "Go", "uri": "https://a.example"}},
        "button",
        {
            **SHARED,
            "action": ({"type": "POSTBACK", "label": "b", "data": "x"}, ""),
            "flex": (1, "flex:1 0 auto"),
            "height": ("SMALL", ""),
            "style": ("PRIMARY", ""),
            "color": ("#00FF00", ""),
            "gravity": ("CENTER", "justify-content:center"),
        },
    ),
    "icon": (
        {"type": "ICON", "url": "https://a.example/i.png"},
        "icon",
        {
            **SHARED,
            "url": ("https://a.example/j.png", ""),
            "size": ("4xl", "font-size:48px"),
            "aspectRatio": ("2:1", ""),
        },
    ),
    "image": (
        {"type": "IMAGE", "url": "https://a.example/i.png"},
        "image",
        {
            **SHARED,
            "url": ("https://a.example/j.png", ""),
            "flex": (4, "flex:4 0 auto"),
            "align": ("START", "align-items:flex-start"),
            "gravity": ("TOP", "justify-content:flex-start"),
            "size": ("full", ""),
            "aspectRatio": ("16:9", ""),
            "aspectMode": ("COVER", ""),
            "backgroundColor": ("#ABCDEF", ""),
            "action": ({"type": "URI", "label": "a", "uri": "https://a.example"}, ""),
        },
    ),
    "separator": (
        {"type": "SEPARATOR"},
        "separator",
        {"margin": ("xl", "margin-top:16px"), "color": ("#010203", "background-color:#010203")},
    ),
}
ROWS = [
    pytest.param(kind, name, id=f"{kind}.{name}")
    for kind, (_, _, properties) in CASES.items()
    for name in properties
]


@pytest.mark.parametrize(("kind", "name"), ROWS)
def test_each_property_changes_what_is_drawn(kind: str, name: str) -> None:
    piece, marked, properties = CASES[kind]
    value, css = properties[name]
    first = {"type": "TEXT", "text": "before"}
    plain = drawn(first, {**piece, "flex": 9} if name == "layout" else piece, spacing="md")
    if name == "spacing":
        two = [{"type": "TEXT", "text": "1"}, {"type": "TEXT", "text": "2"}]
        plain = drawn(first, {**piece, "contents": two}, spacing="md")
        changed = drawn(first, {**piece, "contents": two, name: value}, spacing="md")
    elif name == "borderColor":
        plain = drawn(first, {**piece, "borderWidth": "1px"})
        changed = drawn(first, {**piece, "borderWidth": "1px", name: value})
    elif name == "maxLines":
        plain = drawn(first, {**piece, "wrap": True}, spacing="md")
        changed = drawn(first, {**piece, "wrap": True, name: value}, spacing="md")
    elif (kind, name) == ("box", "contents"):
        changed = drawn(first, {**piece, name: [{"type": "SEPARATOR"}]}, spacing="md")
    elif name == "margin":
        plain, changed = drawn(first, piece), drawn(first, {**piece, name: value})
    else:
        changed = drawn(first, {**piece, name: value}, spacing="md")
    assert changed != plain
    if css:
        last = changed[changed.rindex(f"fx-{marked}") - 30 :]
        assert css in css_of(last, marked)


def test_the_table_above_has_every_property_of_the_schema() -> None:
    types = {"box": Box, "text": Text, "button": Button, "icon": Icon, "image": Image}
    for kind, struct in {**types, "separator": Separator}.items():
        names = set(struct.__struct_encode_fields__)
        assert names == set(CASES[kind][2]), kind
    assert set(Span.__struct_encode_fields__) == {
        "text", "color", "size", "weight", "style", "decoration"
    }  # fmt: skip
    assert set(BlockStyle.__struct_encode_fields__) == {
        "backgroundColor", "separator", "separatorColor"
    }  # fmt: skip
    assert set(Bubble.__struct_encode_fields__) == {
        "size", "direction", "header", "body", "footer", "style", "styles", "action"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "css"),
    [
        ("color", "#FF00FF", "color:#FF00FF"),
        ("size", "10px", "font-size:10px"),
        ("weight", "REGULAR", "font-weight:normal"),
        ("style", "ITALIC", "font-style:italic"),
        ("decoration", "LINE_THROUGH", "text-decoration:line-through"),
    ],
)
def test_each_property_of_a_span_is_drawn(name: str, value: str, css: str) -> None:
    text = drawn({"type": "TEXT", "contents": [{"type": "SPAN", "text": "x", name: value}]})
    assert f'<span data-css="{css}">x</span>' in text


def test_spans_win_over_a_text() -> None:
    text = drawn({"type": "TEXT", "text": "lost", "contents": [{"type": "SPAN", "text": "won"}]})
    assert "won" in text
    assert "lost" not in text


@pytest.mark.parametrize(("size", "width"), BUBBLE_WIDTHS.items())
def test_a_bubble_is_as_wide_as_its_size(size: str, width: int) -> None:
    assert f"width:{width}px" in str(draw_bubble({"size": size.upper()}))


def test_a_bubble_without_a_size_is_mega_and_reads_from_the_left() -> None:
    text = str(draw_bubble({}))
    assert "width:300px" in text
    assert 'dir="ltr"' in text
    assert 'dir="rtl"' in str(draw_bubble({"direction": "RIGHT_TO_LEFT"}))


def test_blocks_have_their_styles_and_the_first_has_no_line_above() -> None:
    style = {"backgroundColor": "#AABBCC", "separator": True, "separatorColor": "#112233"}
    text = str(draw_bubble({"header": BOX, "body": BOX, "style": {"header": style, "body": style}}))
    assert text.count("background-color:#AABBCC") == 2
    assert text.count('class="fx-rule" data-css="background-color:#112233"') == 1


def test_a_margin_stands_for_the_spacing_and_the_first_has_none() -> None:
    one = {"type": "SEPARATOR"}
    text = drawn(one, one, {**one, "margin": "none"}, layout="HORIZONTAL", spacing="lg")
    gaps = re.findall(r'fx-separator" data-css="([^"]*)"', text)
    assert gaps == ["", "margin-inline-start:12px", "margin-inline-start:0px"]


def test_side_by_side_components_share_evenly_and_a_width_is_kept() -> None:
    text = drawn(
        {"type": "TEXT", "text": "a"},
        {"type": "TEXT", "text": "b", "flex": 0},
        {**BOX, "width": "40px"},
        layout="HORIZONTAL",
    )
    assert re.findall(r"flex:([^;\"]*)", text)[1:] == ["1 0 0", "0 0 auto", "0 0 auto"]


def test_both_vocabularies_are_drawn_alike() -> None:
    ours = {"type": "TEXT", "text": "a", "align": "CENTER", "weight": "BOLD", "wrap": True}
    lines = {"type": "text", "text": "a", "align": "center", "weight": "bold", "wrap": True}
    assert drawn(ours) == drawn(lines)
    button = {"type": "BUTTON", "height": "SMALL", "action": {"label": "x"}}
    assert drawn(button) == drawn({**button, "type": "button", "height": "sm"})


# What a client types is never trusted -------------------------------------------------------------

HOSTILE = (
    'red;background:url("https://evil.example")',
    "#12345G",
    "expression(alert(1))",
    '"><script>alert(1)</script>',
    "10px;position:fixed",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_gets_into_a_style_or_becomes_markup(text: str) -> None:
    pieces: list[dict[str, Any]] = []
    for piece, _, properties in CASES.values():
        pieces += [{**piece, name: text} for name in properties]
    shown = drawn(*pieces)
    assert "<script" not in shown
    assert "javascript:" not in "".join(re.findall(r'src="([^"]*)"', shown))
    for css in re.findall(r'data-css="([^"]*)"', shown):
        assert text not in html.unescape(css)
        assert "url(" not in css


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "contents", "body", "header", "action", "text", "size", "style", "flex"]
            ),
            inner | st.sampled_from(["BOX", "TEXT", "BUTTON", "IMAGE", "ICON"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_whatever_is_typed_something_is_drawn(tree: Any) -> None:
    assert draw_content({"altText": tree, "contents": tree})[1].startswith("<div")


def test_depth_is_bounded() -> None:
    box: dict[str, Any] = {**BOX, "contents": []}
    for _ in range(400):
        box = {**BOX, "contents": [box]}
    assert str(draw_bubble({"body": box})).count("fx-box") < 40


def test_one_of_lines_own_templates_shows_its_items_and_buttons() -> None:
    body = {
        "emphasizedItem": {"itemKey": "time", "content": "12:30"},
        "items": [{"itemKey": "place", "content": "Shibuya"}],
        "buttons": [{"buttonKey": "map", "url": "https://a.example"}],
    }
    words, shown = draw_content({"templateKey": "visit_ja", "body": body})
    assert "visit_ja" in words
    for each in ("time", "12:30", "place", "Shibuya", "map"):
        assert each in shown
