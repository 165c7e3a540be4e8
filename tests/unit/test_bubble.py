"""Each value of a bubble is checked by its type: the vocabulary LINE takes, and no other."""

from typing import Any

import msgspec
import pytest

from linegate.line.bubble import Bubble, Text
from support.bubbles import a_box, a_bubble, a_button, a_text

KEYWORDS = ["none", "xs", "sm", "md", "lg", "xl", "xxl"]
SIZES = ["xxs", "xs", "sm", "md", "lg", "xl", "xxl", "3xl", "4xl", "5xl"]
PIXELS = ["0px", "14px", "0.3px", "120.25px"]
PERCENT = ["80%", "0%", "33.3%"]
NEVER = ["", "14", "px", "-1px", ".5px", "1.px", "14 px", "14PX", "14px\n", "MD", "\u0661px"]


def is_taken(component: dict[str, Any]) -> bool:
    try:
        msgspec.convert(a_bubble(component), Bubble)
    except msgspec.ValidationError:
        return False
    return True


def a(kind: str, **properties: Any) -> dict[str, Any]:
    made: dict[str, dict[str, Any]] = {
        "BOX": a_box(),
        "BUTTON": a_button(),
        "TEXT": a_text(),
        "ICON": {"type": "ICON", "url": "https://example.com/i.png"},
        "IMAGE": {"type": "IMAGE", "url": "https://example.com/i.png"},
        "SPAN": {"type": "SPAN", "text": "a"},
        "SEPARATOR": {"type": "SEPARATOR"},
    }
    return {**made[kind], **properties}


# kind, property, taken, refused
VOCABULARY: list[tuple[str, str, list[str], list[str]]] = [
    ("BOX", "spacing", KEYWORDS + PIXELS, PERCENT + NEVER),
    ("TEXT", "margin", KEYWORDS + PIXELS, PERCENT + NEVER),
    ("BOX", "cornerRadius", KEYWORDS + PIXELS, PERCENT + NEVER),
    ("BOX", "paddingStart", KEYWORDS + PIXELS + PERCENT, NEVER),
    ("IMAGE", "offsetBottom", KEYWORDS + PIXELS + PERCENT, NEVER),
    ("BOX", "width", PIXELS + PERCENT, KEYWORDS + NEVER),
    ("BOX", "height", PIXELS + PERCENT, KEYWORDS + NEVER),
    ("BOX", "borderWidth", [*PIXELS, "none", "light", "semi-bold", "bold"], [*PERCENT, "md"]),
    ("TEXT", "size", SIZES + PIXELS, PERCENT + NEVER + ["full"]),
    ("SPAN", "size", SIZES + PIXELS, PERCENT + NEVER + ["full"]),
    ("ICON", "size", SIZES + PIXELS, PERCENT + NEVER + ["full"]),
    ("IMAGE", "size", [*SIZES, *PIXELS, *PERCENT, "full"], NEVER),
    ("TEXT", "color", ["#06C755", "#06c75580"], ["06C755", "#06C", "red", "#06C75G", "#06C755\n"]),
    ("IMAGE", "aspectRatio", ["1:1", "20:13", "100000:1"], ["1", "0:1", "1:1:1", "1.5:1", "1x1"]),
    ("IMAGE", "aspectMode", ["COVER", "FIT"], ["cover", "FILL"]),
    ("TEXT", "align", ["START", "END", "CENTER"], ["LEFT", "start"]),
    ("BUTTON", "gravity", ["TOP", "BOTTOM", "CENTER"], ["MIDDLE"]),
    ("BUTTON", "height", ["SMALL", "MEDIUM"], ["sm", "LARGE"]),
    ("BUTTON", "style", ["LINK", "PRIMARY", "SECONDARY"], ["primary", "ITALIC"]),
    ("SPAN", "style", ["NORMAL", "ITALIC"], ["LINK"]),
    ("SPAN", "decoration", ["NONE", "UNDERLINE", "LINE_THROUGH"], ["LINE-THROUGH"]),
    ("TEXT", "position", ["RELATIVE", "ABSOLUTE"], ["STATIC"]),
    (
        "IMAGE",
        "url",
        ["https://example.com/logo", "HTTPS://example.com", "https://e.com/" + "a" * 1986],
        ["http://example.com/a", "https://", "https://a b", "", "https://e.com/" + "a" * 1987],
    ),
]


@pytest.mark.parametrize(("kind", "name", "taken", "refused"), VOCABULARY)
def test_property_takes_lines_vocabulary_only(
    kind: str, name: str, taken: list[str], refused: list[str]
) -> None:
    assert [value for value in taken if not is_taken(a(kind, **{name: value}))] == []
    assert [value for value in refused if is_taken(a(kind, **{name: value}))] == []


@pytest.mark.parametrize("flex", [0, 20])
def test_flex_goes_from_0_to_20(flex: int) -> None:
    assert is_taken(a_text(flex=flex))


@pytest.mark.parametrize("flex", [-1, 21, 1.0, "1", True, 1e3])
def test_flex_is_a_whole_number_and_nothing_that_looks_like_one(flex: Any) -> None:
    assert not is_taken(a_text(flex=flex))


@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        ("https://example.com/a", True),
        ("http://example.com", True),
        ("line://app/123", True),
        ("tel:+81-90-0000-0000", True),
        ("LINE://app", True),
        ("mailto:a@example.com", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https:///path", False),
        ("example.com", False),
        ("https://example.com/a b", False),
        ("https://e.com/" + "a" * 986, True),
        ("https://e.com/" + "a" * 987, False),
        ("", False),
    ],
)
def test_uri_action_takes_four_schemes_and_1000_characters(uri: str, taken: bool) -> None:
    assert is_taken(a_text(action={"type": "URI", "label": "a", "uri": uri})) is taken
    alternative = {"type": "URI", "label": "a", "uri": "https://a.b", "altUri": {"desktop": uri}}
    assert is_taken(a_text(action=alternative)) is taken


@pytest.mark.parametrize(("label", "taken"), [("", True), ("é" * 20, True), ("a" * 21, False)])
def test_label_has_at_most_20_characters(label: str, taken: bool) -> None:
    assert is_taken(a_text(action={"type": "URI", "label": label, "uri": "https://a.b"})) is taken


@pytest.mark.parametrize("missing", ["label", "uri", "type"])
def test_action_needs_its_parts(missing: str) -> None:
    action = {"type": "URI", "label": "a", "uri": "https://a.b"}
    del action[missing]
    assert not is_taken(a_text(action=action))


@pytest.mark.parametrize(
    "component",
    [
        {"type": "BOX"},
        {"type": "BUTTON"},
        {"type": "ICON"},
        {"type": "IMAGE"},
        {"type": "SPAN"},
        {"text": "a"},
        {"type": "VIDEO", "url": "https://example.com"},
        a_text(contents=[{"type": "TEXT", "text": "a"}]),
        a_text(contents=[{"type": "SPAN", "text": ""}]),
    ],
)
def test_component_without_what_it_needs_is_refused(component: dict[str, Any]) -> None:
    assert not is_taken(component)


def test_null_is_the_same_as_absent_for_every_optional_property() -> None:
    names = ("text", "contents", "flex", "margin", "size", "wrap", "action", "position")
    nulls = dict.fromkeys(names)
    assert msgspec.convert({"type": "TEXT", **nulls}, Text) == msgspec.convert({}, Text)
