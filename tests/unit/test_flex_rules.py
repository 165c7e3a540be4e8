"""What LINE is certain to refuse is a violation that says where and why."""

import json
from typing import Any

import msgspec
import pytest

from linegate.domain.violation import Violation
from linegate.line.bubble import Bubble
from linegate.line.flex_rules import (
    BUBBLE_BYTES,
    NESTING,
    bubble_violations,
    bubble_warnings,
)
from support.bubbles import a_box, a_bubble, a_button, a_full_bubble, a_text

ICON = {"type": "ICON", "url": "https://example.com/i.png"}
IMAGE = {"type": "IMAGE", "url": "https://example.com/p.png"}
SPAN = {"type": "SPAN", "text": "a"}
SEPARATOR = {"type": "SEPARATOR"}


def violations(bubble: Any) -> list[Violation]:
    return bubble_violations(msgspec.json.decode(json.dumps(bubble), type=Bubble), "c")


def places(bubble: Any) -> list[str]:
    return [violation.property for violation in violations(bubble)]


def test_full_bubble_breaks_no_rule() -> None:
    assert violations(a_full_bubble()) == []


def test_bubble_has_a_block() -> None:
    assert places({"type": "BUBBLE", "size": "KILO"}) == ["c.body"]
    for block in ("header", "body", "footer"):
        assert violations({"type": "BUBBLE", block: a_box()}) == []


@pytest.mark.parametrize("layout", ["HORIZONTAL", "VERTICAL", "BASELINE"])
def test_span_belongs_into_a_text_and_into_no_box(layout: str) -> None:
    found = violations(a_bubble(a_box(SPAN, layout=layout)))
    assert [v.property for v in found] == ["c.body.contents[0].contents[0].type"]
    assert "contents of a TEXT" in found[0].violation


@pytest.mark.parametrize("layout", ["HORIZONTAL", "VERTICAL"])
def test_icon_stands_in_baseline_boxes_only(layout: str) -> None:
    assert places(a_bubble(a_box(ICON, layout=layout))) == ["c.body.contents[0].contents[0].type"]
    assert places(a_bubble(a_box(ICON, layout="BASELINE"))) == []


@pytest.mark.parametrize("child", [a_button(), IMAGE, SEPARATOR, a_box()])
def test_baseline_box_takes_icons_and_texts_only(child: Any) -> None:
    box = a_box(ICON, child, a_text(), layout="BASELINE")
    assert places(a_bubble(box)) == ["c.body.contents[0].contents[1].type"]


@pytest.mark.parametrize("text", [{}, {"text": ""}, {"contents": []}, {"text": "", "contents": []}])
def test_text_needs_a_text_or_spans(text: Any) -> None:
    assert places(a_bubble({"type": "TEXT", **text})) == ["c.body.contents[0].text"]


def test_button_needs_a_label() -> None:
    assert places(a_bubble(a_button(""))) == ["c.body.contents[0].action.label"]


def test_first_component_of_a_block_is_in_the_flow() -> None:
    absolute = a_text(position="ABSOLUTE")
    assert places(a_bubble(absolute)) == ["c.body.contents[0].position"]
    assert places(a_bubble(a_text(), absolute)) == []
    assert places({"body": a_box(position="ABSOLUTE")}) == ["c.body.position"]


@pytest.mark.parametrize(
    ("ratio", "accepted"),
    [
        ("1:3", True),
        ("1:4", False),
        ("100000:1", True),
        ("100001:1", False),
        ("33333:100000", False),
    ],
)
def test_picture_is_at_most_three_times_as_high_as_wide(ratio: str, accepted: bool) -> None:
    found = places(a_bubble({**IMAGE, "aspectRatio": ratio}))
    assert found == ([] if accepted else ["c.body.contents[0].aspectRatio"])


@pytest.mark.parametrize(
    ("data", "accepted"),
    [("", False), ("a" * 300, True), ("a" * 301, False), ("😀" * 150, True), ("😀" * 151, False)],
)
def test_postback_data_is_limited_in_utf16_units(data: str, accepted: bool) -> None:
    action = {"type": "POSTBACK", "label": "a", "data": data}
    for component in (a_text(action=action), {"type": "BUTTON", "action": action}):
        found = places(a_bubble(component))
        assert found == ([] if accepted else ["c.body.contents[0].action.data"])


def test_actions_are_checked_on_everything_that_has_one() -> None:
    action = {"type": "POSTBACK", "label": "a", "data": "a" * 301}
    inner = a_box(a_text(action=action), {**IMAGE, "action": action}, action=action)
    assert places(a_bubble(inner, action=action)) == [
        "c.body.contents[0].action.data",
        "c.body.contents[0].contents[0].action.data",
        "c.body.contents[0].contents[1].action.data",
        "c.action.data",
    ]


def nested(boxes: int) -> Any:
    box = a_box(a_text())
    for _ in range(boxes - 1):
        box = a_box(box)
    return {"type": "BUBBLE", "body": box}


def test_nesting_is_limited_with_a_clear_reason() -> None:
    # Content, bubble and the block's box are three levels; every box adds a list and an object.
    most = (NESTING - 3) // 2
    assert violations(nested(most)) == []
    found = violations(nested(most + 1))
    assert [v.property for v in found] == ["c.body" + ".contents[0]" * most + ".contents"]
    assert str(NESTING) in found[0].violation


def test_nesting_without_end_is_one_violation() -> None:
    assert len(violations(nested(150))) == 1


@pytest.mark.parametrize(("over", "expected"), [(0, []), (1, ["c"])])
def test_bubble_is_limited_in_bytes_as_line_gets_it(over: int, expected: list[str]) -> None:
    # Line counts its own, shorter words: this bubble is too large only before it is rendered.
    bubble = a_bubble(a_text("x"), direction="LEFT_TO_RIGHT")
    size = len(
        '{"type":"bubble","direction":"ltr","body":{"type":"box","layout":"vertical",'
        '"contents":[{"type":"text","text":"x"}]}}'
    )
    bubble["body"]["contents"][0]["text"] = "x" * (BUBBLE_BYTES - size + 1 + over)
    assert places(bubble) == expected


def test_all_violations_are_told_not_the_first() -> None:
    bubble = a_bubble(SPAN, a_button(""), {"type": "TEXT"}, a_box(IMAGE, layout="BASELINE"))
    assert places(bubble) == [
        "c.body.contents[0].type",
        "c.body.contents[1].action.label",
        "c.body.contents[2].text",
        "c.body.contents[3].contents[0].type",
    ]


def test_what_line_takes_and_does_not_show_is_a_warning() -> None:
    spans = [{"type": "SPAN", "text": "b"}]
    baseline = a_box(a_text(gravity="TOP"), a_text(offsetBottom="1px"), a_text(), layout="BASELINE")
    both = a_text("a", contents=spans)
    bubble = msgspec.convert(a_bubble(both, baseline, a_text(gravity="TOP")), Bubble)
    assert [warning.property for warning in bubble_warnings(bubble, "c")] == [
        "c.body.contents[0].text",
        "c.body.contents[1].contents[0].gravity",
        "c.body.contents[1].contents[1].offsetBottom",
    ]


def test_images_are_warnings_wherever_they_are() -> None:
    bubble = msgspec.convert(a_bubble(IMAGE, a_box(a_text(), IMAGE)), Bubble)
    assert bubble_violations(bubble, "c") == []
    assert [warning.property for warning in bubble_warnings(bubble, "c")] == [
        "c.body.contents[0]",
        "c.body.contents[1].contents[1]",
    ]
