from typing import Any

import msgspec
import pytest

from linegate.simulator.line_actions import clusters
from linegate.simulator.templates import template_problem
from linegate.simulator.verdicts import Verdicts, unparsable

URI = {"type": "uri", "label": "Open", "uri": "https://example.com"}
TEXT = {"type": "text", "text": "hello"}


def box(*contents: Any, layout: str = "vertical", **more: Any) -> dict[str, Any]:
    return {"type": "box", "layout": layout, "contents": list(contents), **more}


def bubble(*contents: Any, **more: Any) -> dict[str, Any]:
    return {"type": "bubble", "body": box(*contents), **more}


def flex(container: Any, **more: Any) -> dict[str, Any]:
    return {"type": "flex", "altText": "notice", "contents": container, **more}


def problem_of(*messages: Any) -> dict[str, Any] | None:
    problem = Verdicts().on(msgspec.json.encode(list(messages))).problem
    return None if problem is None else msgspec.json.decode(problem, type=dict[str, Any])


def details_of(*messages: Any) -> list[tuple[str, str]]:
    problem = problem_of(*messages)
    assert problem is not None
    return [(detail["property"], detail["message"]) for detail in problem.get("details", [])]


GOOD = [
    bubble(TEXT),
    bubble(size="giga", direction="rtl", action=URI),
    bubble({"type": "text", "contents": [{"type": "span", "text": "a", "size": "14px"}]}),
    bubble(TEXT, styles={"body": {"backgroundColor": "#06C755", "separator": True}}),
    bubble(box({"type": "icon", "url": "https://example.com/a.png"}, TEXT, layout="baseline")),
    bubble({"type": "button", "action": URI, "style": "link", "height": "sm"}),
    bubble({"type": "image", "url": "https://example.com/a", "size": "80%", "aspectRatio": "1:3"}),
    bubble({**TEXT, "size": "5xl", "margin": "0.3px", "offsetTop": "10%", "maxLines": 0}),
    bubble(box(paddingAll="none", borderWidth="semi-bold", cornerRadius="xxl", width="50%")),
    bubble({"type": "separator", "margin": "md", "color": "#11223344"}),
    bubble({"type": "button", "action": {"type": "postback", "label": "x", "data": "d" * 300}}),
    {"type": "carousel", "contents": [bubble(TEXT), bubble(TEXT)]},
]


@pytest.mark.parametrize("container", GOOD)
def test_what_line_documents_is_taken(container: dict[str, Any]) -> None:
    assert problem_of(flex(container)) is None


INVALID = "invalid property"
BAD = [
    ({"type": "bubble", "style": {}}, "/style", "unknown field"),
    (bubble({**TEXT, "colour": "#000000"}), "/body/contents/0/colour", "unknown field"),
    (
        {"type": "bubble", "body": {"type": "box", "contents": []}},
        "/body/layout",
        "must be specified",
    ),
    ({"type": "bubble", "hero": TEXT}, "/hero", INVALID),
    (bubble({"type": "span", "text": "a"}), "/body/contents/0", INVALID),
    (bubble({"type": "icon", "url": "https://e.com/a"}), "/body/contents/0", INVALID),
    (
        bubble(box({"type": "button", "action": URI}, layout="baseline")),
        "/body/contents/0/contents/0",
        INVALID,
    ),
    (bubble({"type": "text"}), "/body/contents/0/text", "must be specified"),
    (bubble({"type": "text", "text": ""}), "/body/contents/0/text", "must be non-empty text"),
    (bubble({**TEXT, "position": "absolute"}), "/body/contents/0/position", INVALID),
    (bubble({**TEXT, "size": "80%"}), "/body/contents/0/size", INVALID),
    (bubble({**TEXT, "margin": "5%"}), "/body/contents/0/margin", INVALID),
    (bubble({**TEXT, "color": "red"}), "/body/contents/0/color", INVALID),
    (bubble({**TEXT, "align": "CENTER"}), "/body/contents/0/align", INVALID),
    (bubble({**TEXT, "maxLines": -1}), "/body/contents/0/maxLines", INVALID),
    (bubble(box(paddingAll="12")), "/body/contents/0/paddingAll", INVALID),
    (
        bubble(TEXT, styles={"body": {"backgroundColor": "#12"}}),
        "/styles/body/backgroundColor",
        INVALID,
    ),
    (
        bubble({"type": "image", "url": "http://e.com/a"}),
        "/body/contents/0/url",
        "invalid uri scheme",
    ),
    (
        bubble({"type": "image", "url": "https://e.com/a", "aspectRatio": "1:4"}),
        "/body/contents/0/aspectRatio",
        INVALID,
    ),
    (
        bubble({"type": "button", "action": {"type": "uri", "uri": "https://e.com"}}),
        "/body/contents/0/action/label",
        "must be specified",
    ),
    (bubble(action={"type": "uri", "uri": "ftp://e.com"}), "/action/uri", "invalid uri scheme"),
    (
        bubble(action={**URI, "uri": "https://e.com/" + "a" * 1000}),
        "/action/uri",
        "must be shorter than 1001",
    ),
    (bubble(action={**URI, "label": "l" * 41}), "/action/label", "must be shorter than 41"),
    (bubble(action={"type": "camera", "label": "x"}), "/action/type", INVALID),
    (bubble(action={"type": "postback", "data": "d" * 301}), "/action/data", INVALID),
    ({"type": "carousel", "contents": []}, "/contents", "size must be between 1 and 12"),
    (
        {"type": "carousel", "contents": [bubble(TEXT, size="nano"), bubble(TEXT)]},
        "/contents",
        "all bubbles must have the same size",
    ),
    (bubble(*[{**TEXT, "text": "t" * 1000}] * 31), "/", "bubble must not be larger than 30 KB"),
]


@pytest.mark.parametrize(("container", "place", "text"), BAD)
def test_what_line_refuses_is_refused_where_it_is(
    container: dict[str, Any], place: str, text: str
) -> None:
    problem = problem_of(flex(container))
    assert problem is not None
    assert problem["message"] == "A message (messages[0]) in the request body is invalid"
    assert details_of(flex(container)) == [(place, text)]


@pytest.mark.parametrize(
    ("url", "taken"),
    [("HTTPS://example.com", True), ("https://", False), ("https://e.com/a b", False)],
)
def test_a_picture_needs_a_https_address(url: str, taken: bool) -> None:
    assert (problem_of(flex(bubble({"type": "image", "url": url}))) is None) is taken


def test_a_bubble_has_a_block() -> None:
    missing = [("/", "At least one block must be specified")]
    assert details_of(flex({"type": "bubble", "size": "kilo"})) == missing
    hero = {"type": "image", "url": "https://example.com/a"}
    assert problem_of(flex({"type": "bubble", "hero": hero})) is None


def test_every_fault_of_a_bubble_is_reported() -> None:
    faulty = bubble({**TEXT, "size": "huge"}, {"type": "span", "text": "x"})
    assert len(details_of(flex(faulty))) == 2


def test_the_second_message_is_named_when_it_is_the_faulty_one() -> None:
    problem = problem_of(flex(bubble(TEXT)), flex({"type": "bubble", "hero": TEXT}))
    assert problem is not None
    assert "(messages[1])" in problem["message"]


@pytest.mark.parametrize("number", [0, 6])
def test_one_to_five_messages_are_taken(number: int) -> None:
    messages = [{"type": "text", "text": "x"}] * number
    assert details_of(*messages) == [("messages", "Size must be between 1 and 5")]


def test_an_alt_text_counts_in_utf16_units() -> None:
    assert problem_of({**flex(bubble(TEXT)), "altText": "\U0001f600" * 750}) is None
    assert details_of({**flex(bubble(TEXT)), "altText": "\U0001f600" * 751}) == [
        ("messages[0].altText", "Length must be between 0 and 1500")
    ]


def test_an_empty_alt_text_is_refused() -> None:
    assert details_of({**flex(bubble(TEXT)), "altText": ""}) == [
        ("messages[0].altText", "May not be empty")
    ]


def test_an_unknown_property_of_a_message_is_refused() -> None:
    assert details_of(flex(bubble(TEXT), extra=1)) == [("messages[0].extra", "unknown field")]


def test_a_bottomless_message_is_refused_without_harm() -> None:
    deep = b'[{"type":"flex","altText":"x","contents":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_002
    assert Verdicts().on(deep + b"]").problem is not None
    nested: Any = box()
    for _ in range(60):
        nested = box(nested)
    assert problem_of(flex({"type": "bubble", "body": nested})) is not None


def test_equal_content_is_judged_once() -> None:
    verdicts = Verdicts()
    raw = msgspec.json.encode([flex(bubble(TEXT))])
    assert verdicts.on(raw) is verdicts.on(bytes(bytearray(raw)))


def test_broken_json_is_answered_with_its_place() -> None:
    answer = msgspec.json.decode(unparsable(b'{"to":\n  nonsense}'), type=dict[str, str])
    expected = "The request body could not be parsed as JSON (line: 2, column: 3)"
    assert answer["message"] == expected


@pytest.mark.parametrize(
    ("text", "seen"),
    [("abc", 3), ("e\u0301", 1), ("\U0001f468\u200d\U0001f469", 1), ("\u0e01\u0e33", 2)],
)
def test_labels_count_as_a_reader_counts(text: str, seen: int) -> None:
    assert clusters(text) == seen


ITEM = {"itemKey": "name_013_ja", "content": "Shibuya"}


def _template(key: str, body: Any) -> dict[str, Any] | None:
    problem = template_problem(key, msgspec.json.encode(body)).problem
    return None if problem is None else msgspec.json.decode(problem, type=dict[str, Any])


def test_a_known_template_is_taken() -> None:
    button = {"buttonKey": "contact_ja", "url": "https://example.com"}
    body = {"emphasizedItem": {"itemKey": "date_002_ja", "content": "x" * 15}, "items": [ITEM]}
    assert _template("shipment_completed_ja", {**body, "buttons": [button]}) is None


def test_an_unknown_template_is_refused_in_lines_words() -> None:
    assert _template("nope_ja", {}) == {
        "message": "Invalid templateKey: nope_ja",
        "details": [
            {
                "message": "The specified template doesn't exist, or you don't have the permission",
                "property": "templateKey",
            }
        ],
    }


TEMPLATE_FAULTS = [
    (
        {"items": [{"itemKey": "nope", "content": "x"}]},
        "The request body has 1 invalid key(s).",
        "The specified item key does not exist: nope",
        "body.items[0].itemKey",
    ),
    (
        {"items": [ITEM], "emphasizedItem": ITEM},
        "The request body has 1 error(s)",
        "Duplicate itemKey in items or between emphasizedItem and items are not allowed: "
        "name_013_ja",
        "body.emphasizedItem.itemKey",
    ),
    (
        {"emphasizedItem": {**ITEM, "content": "x" * 16}},
        "The request body has 1 error(s)",
        "Length must be between 1 and 15",
        "body.emphasizedItem.content",
    ),
    (
        {"buttons": [{"buttonKey": "contact_ja", "url": "h" * 1001}]},
        "The request body has 1 error(s)",
        "Length must be between 1 and 1000",
        "body.buttons[0].url",
    ),
]


@pytest.mark.parametrize(("body", "message", "detail", "place"), TEMPLATE_FAULTS)
def test_a_template_fault_is_refused_in_lines_words(
    body: Any, message: str, detail: str, place: str
) -> None:
    expected = {"message": message, "details": [{"message": detail, "property": place}]}
    assert _template("shipment_completed_ja", body) == expected
