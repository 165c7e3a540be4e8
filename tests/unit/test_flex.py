"""A bubble becomes exactly the JSON that LINE describes, and texts stay as they were."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linegate.line.bubble import LineNotification
from linegate.line.flex import WORDS, bubble_size, render_bubble, restore_bubble
from linegate.line.flex_rules import bubble_violations
from support.bubbles import (
    a_bubble,
    a_button,
    a_content,
    a_full_bubble,
    a_text,
    alt_texts,
    bubbles,
)
from support.line_schema import line_message_validator


def accepted(content: Any) -> LineNotification:
    return msgspec.json.decode(json.dumps(content), type=LineNotification)


def rendered(content: Any) -> Any:
    return json.loads(render_bubble(accepted(content)))


def rendered_component(component: Any) -> Any:
    return rendered(a_content(a_bubble(component)))["contents"]["body"]["contents"][0]


@pytest.fixture(scope="module")
def line_schema() -> jsonschema_rs.Draft202012Validator:
    return line_message_validator()


def test_envelope_is_one_flex_message() -> None:
    message = rendered(a_content(a_bubble(), alt_text="Grüße"))
    assert list(message) == ["type", "altText", "contents"]
    assert message["type"] == "flex"
    assert message["altText"] == "Grüße"
    assert message["contents"]["type"] == "bubble"


def test_every_component_and_word_of_a_full_bubble_is_converted() -> None:
    bubble = rendered(a_content(a_full_bubble()))["contents"]
    assert bubble == {
        "type": "bubble",
        "size": "mega",
        "direction": "ltr",
        "header": {
            "type": "box",
            "layout": "horizontal",
            "contents": [
                {
                    "type": "image",
                    "url": "https://example.com/truck.png",
                    "size": "80%",
                    "align": "end",
                    "gravity": "bottom",
                    "aspectMode": "cover",
                    "aspectRatio": "20:13",
                    "backgroundColor": "#FFFFFF80",
                }
            ],
            "paddingAll": "none",
            "offsetTop": "0.3px",
        },
        "body": {
            "type": "box",
            "layout": "vertical",
            "contents": [
                {
                    "type": "text",
                    "text": "Your parcel is on its way",
                    "size": "lg",
                    "weight": "bold",
                    "wrap": True,
                    "maxLines": 0,
                    "align": "start",
                    "gravity": "top",
                },
                {
                    "type": "text",
                    "margin": "md",
                    "contents": [
                        {
                            "type": "span",
                            "text": "Arrives ",
                            "style": "normal",
                            "decoration": "none",
                        },
                        {
                            "type": "span",
                            "text": "today",
                            "weight": "bold",
                            "decoration": "line-through",
                        },
                        {
                            "type": "span",
                            "text": "!",
                            "style": "italic",
                            "size": "12.5px",
                            "color": "#06c755",
                        },
                    ],
                },
                {
                    "type": "box",
                    "layout": "baseline",
                    "spacing": "sm",
                    "contents": [
                        {
                            "type": "icon",
                            "url": "https://example.com/i.png",
                            "size": "sm",
                            "aspectRatio": "1:1",
                        },
                        {"type": "text", "text": "Depot"},
                    ],
                },
                {"type": "separator", "margin": "xxl", "color": "#000000"},
            ],
            "cornerRadius": "md",
            "borderWidth": "semi-bold",
            "width": "100%",
        },
        "footer": {
            "type": "box",
            "layout": "vertical",
            "flex": 20,
            "contents": [
                {
                    "type": "button",
                    "action": {"type": "uri", "label": "Track", "uri": "https://example.com/track"},
                    "style": "primary",
                    "height": "sm",
                    "color": "#06C755",
                },
                {
                    "type": "button",
                    "action": {"type": "uri", "label": "Track", "uri": "https://example.com/track"},
                    "style": "link",
                    "height": "md",
                    "gravity": "center",
                },
                {
                    "type": "button",
                    "action": {"type": "postback", "label": "Later", "data": "a=1"},
                },
            ],
        },
        "styles": {"header": {"backgroundColor": "#06C755"}, "footer": {"separator": True}},
        "action": {
            "type": "uri",
            "label": "Open",
            "uri": "line://app/1",
            "altUri": {"desktop": "https://example.com"},
        },
    }


@pytest.mark.parametrize("name", ["style", "styles"])
def test_block_styles_are_taken_under_both_names_and_sent_as_styles(name: str) -> None:
    looks = {"body": {"backgroundColor": "#ffffff"}}
    bubble = rendered(a_content(a_bubble(**{name: looks})))["contents"]
    assert bubble["styles"] == looks
    assert "style" not in bubble


def test_styles_wins_over_style() -> None:
    bubble = a_bubble(style={"body": {"separator": True}}, styles={"body": {"separator": False}})
    assert rendered(a_content(bubble))["contents"]["styles"] == {"body": {"separator": False}}


def test_style_object_on_a_button_is_ignored() -> None:
    button = a_button(style={"header": {"backgroundColor": "#ffffff"}})
    assert "style" not in rendered_component(button)


def test_block_without_a_type_is_sent_as_a_box() -> None:
    bubble = {"type": "BUBBLE", "body": {"layout": "VERTICAL"}}
    body = rendered(a_content(bubble))["contents"]["body"]
    assert body == {"type": "box", "layout": "vertical", "contents": []}


def test_box_without_contents_is_sent_with_an_empty_list() -> None:
    assert rendered_component({"type": "BOX", "layout": "VERTICAL"})["contents"] == []


def test_unknown_properties_and_nulls_are_not_sent() -> None:
    component = rendered_component(a_text("a", glow="strong", margin=None, contents=None))
    assert component == {"type": "text", "text": "a"}


def test_postback_loses_the_alt_uri_that_line_does_not_know() -> None:
    action = {"type": "POSTBACK", "label": "a", "data": "b", "altUri": {"desktop": "https://a.b"}}
    assert rendered_component(a_text(action=action))["action"] == {
        "type": "postback",
        "label": "a",
        "data": "b",
    }


def test_empty_label_is_left_out_where_line_wants_none() -> None:
    action = {"type": "URI", "label": "", "uri": "https://example.com"}
    component = rendered_component(a_text(action=action))
    assert component["action"] == {"type": "uri", "uri": "https://example.com"}


def test_text_with_both_text_and_spans_keeps_both() -> None:
    component = rendered_component(a_text("a", contents=[{"type": "SPAN", "text": "b"}]))
    assert component == {"type": "text", "text": "a", "contents": [{"type": "span", "text": "b"}]}


@pytest.mark.parametrize(
    "trap",
    [
        '"align":"CENTER"',
        '","type":"BOX","text":"',
        '\\","type":"BOX","text":"',
        "BOLD",
        '"label":"",',
        "LINE_NOTIFICATION",
    ],
)
def test_text_that_looks_like_json_is_sent_as_written(trap: str) -> None:
    message = rendered(a_content(a_bubble(a_text(trap, align="CENTER")), alt_text=trap))
    component = message["contents"]["body"]["contents"][0]
    assert message["altText"] == trap
    assert component == {"type": "text", "text": trap, "align": "center"}


def test_size_is_that_of_the_rendered_bubble() -> None:
    content = accepted(a_content(a_full_bubble()))
    message = json.loads(render_bubble(content))
    written = json.dumps(message["contents"], separators=(",", ":"), ensure_ascii=False)
    assert bubble_size(content.contents) == len(written.encode())


def test_no_property_uses_one_of_lines_words_for_two_of_ours() -> None:
    for words in WORDS.values():
        assert len(set(words.values())) == len(words)


def test_restored_bubble_reads_as_the_client_wrote_it() -> None:
    content = a_content(a_full_bubble())
    assert restore_bubble(render_bubble(accepted(content))) == content


@settings(max_examples=40, deadline=None)
@given(bubble=bubbles, alt_text=alt_texts)
def test_every_accepted_bubble_is_valid_by_lines_own_schema(
    line_schema: jsonschema_rs.Draft202012Validator, bubble: Any, alt_text: str
) -> None:
    content = accepted(a_content(bubble, alt_text))
    assert bubble_violations(content.contents, "c") == []
    message = json.loads(render_bubble(content))
    assert [error.message for error in line_schema.iter_errors(message)] == []


@settings(max_examples=40, deadline=None)
@given(bubble=bubbles, alt_text=alt_texts)
def test_every_accepted_bubble_obeys_lines_structure_rules(bubble: Any, alt_text: str) -> None:
    message = json.loads(render_bubble(accepted(a_content(bubble, alt_text))))
    for block in ("header", "body", "footer"):
        if block in message["contents"]:
            assert_structure(message["contents"][block])


@settings(max_examples=40, deadline=None)
@given(bubble=bubbles, alt_text=alt_texts)
def test_rendering_touches_no_free_text(bubble: Any, alt_text: str) -> None:
    content = a_content(bubble, alt_text)
    message = json.loads(render_bubble(accepted(content)))
    assert sorted(free_texts(message)) == sorted(free_texts(content))


@settings(max_examples=40, deadline=None)
@given(bubble=bubbles, alt_text=alt_texts)
def test_restoring_and_rendering_again_gives_the_same_bytes(bubble: Any, alt_text: str) -> None:
    once = render_bubble(accepted(a_content(bubble, alt_text)))
    assert render_bubble(accepted(restore_bubble(once))) == once


@given(st.text(min_size=1, max_size=50))
def test_alt_text_of_any_kind_survives(alt_text: str) -> None:
    content = LineNotification(alt_text=alt_text, contents=accepted(a_content()).contents)
    assert json.loads(render_bubble(content))["altText"] == alt_text


CHILDREN = {
    "horizontal": {"box", "button", "image", "text", "separator", "filler"},
    "vertical": {"box", "button", "image", "text", "separator", "filler"},
    "baseline": {"icon", "text", "filler"},
}


def assert_structure(box: Any) -> None:
    """LINE's structure rules, written a second time, on LINE's JSON."""
    assert box["type"] == "box"
    for child in box["contents"]:
        assert child["type"] in CHILDREN[box["layout"]]
        if child["type"] == "text":
            assert child.get("text") or child.get("contents")
            assert {span["type"] for span in child.get("contents", ())} <= {"span"}
        if child["type"] == "button":
            assert child["action"]["label"]
        if child["type"] == "box":
            assert_structure(child)


def free_texts(value: Any, name: str = "") -> list[str]:
    """All non-empty strings under names that hold a client's own text, unknown ones aside."""
    if isinstance(value, dict):
        skipped = {"someThingUnknown"} | ({"altUri"} if value.get("type") == "POSTBACK" else set())
        if "styles" in value:
            skipped |= {"style"}
        return [t for key, v in value.items() if key not in skipped for t in free_texts(v, key)]
    if isinstance(value, list):
        return [text for item in value for text in free_texts(item, name)]
    kept = {"text", "altText", "url", "uri", "desktop", "label", "data"}
    is_text = name in kept or "olor" in name
    return [value] if is_text and value else []


def test_reference_page_shows_every_word_of_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "content.md").read_text()
    rows = [
        ", ".join(f"`{ours}` → `{theirs}`" for ours, theirs in words.items()) + " |"
        for words in WORDS.values()
    ]
    assert [row for row in rows if row not in page] == []
