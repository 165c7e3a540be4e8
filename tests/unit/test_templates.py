"""Registered templates: where placeholders may stand, and what fills them."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from linegate.api.registered import Filled, fill, unused_placeholders
from linegate.api.schemas import Destination
from linegate.api.schemas_content import RegisteredTemplate
from linegate.api.template_request import TemplateRequest, read_template
from linegate.domain.violation import Violation
from linegate.line.filling import Form, escaped
from linegate.line.flex_rules import BUBBLE_BYTES
from linegate.line.matching import matches
from linegate.line.registered import Registered
from linegate.simulator.verdicts import Verdicts
from support.bubbles import Json, a_box, a_bubble, a_button, a_text, alt_texts, bubbles

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def a_template(*body: Json, alt_text: str = "{{shop}}", **properties: Any) -> Json:
    return {
        "sender": "ACME",
        "name": "shipped",
        "language": "ja",
        "altText": alt_text,
        "contents": a_bubble(*body),
        **properties,
    }


def read(template: Json) -> TemplateRequest:
    asked = read_template(json.dumps(template).encode(), NOW)
    assert isinstance(asked, TemplateRequest), asked
    return asked


def refused(template: Any) -> dict[str, str]:
    asked = read_template(json.dumps(template).encode(), NOW)
    assert isinstance(asked, list)
    return {violation.property: violation.violation for violation in asked}


def known(*body: Json, alt_text: str = "{{shop}}") -> Registered:
    return Registered(read(a_template(*body, alt_text=alt_text)).says.form.encode())


def filled(
    template: Registered, shared: dict[str, str], *owns: dict[str, str] | None
) -> Filled | list[Violation]:
    content = RegisteredTemplate(template_name="shipped", placeholders=shared)
    destinations = [Destination(to="819010000001", placeholders=own) for own in owns]
    return fill(content, destinations, template, "messages[0]")


def faults(template: Registered, shared: dict[str, str], *owns: dict[str, str] | None) -> list[str]:
    found = filled(template, shared, *owns)
    assert isinstance(found, list)
    return [violation.property for violation in found]


def messages(made: Filled | list[Violation]) -> list[Any]:
    """What LINE gets for each destination."""
    assert isinstance(made, Filled), made
    if made.values is None:
        return [json.loads(made.line_message)]
    form = Form(made.line_message.encode())
    return [json.loads(form.fill_stored(value)) for value in made.values if value is not None]


LINK = {
    "type": "TEXT",
    "text": "Open",
    "action": {"type": "URI", "label": "{{label}}", "uri": "{{link}}"},
}


def test_placeholders_may_stand_in_texts_labels_links_pictures_and_data() -> None:
    picture = {"type": "IMAGE", "url": "https://example.com/{{ picture }}.png"}
    later = {"type": "POSTBACK", "label": "Later", "data": "order={{order}}"}
    spans = {"type": "TEXT", "contents": [{"type": "SPAN", "text": "{{span}}"}]}
    template = a_template(a_text("{{order}} at {{when}}"), LINK, picture, spans)
    template["contents"]["footer"] = a_box({"type": "BUTTON", "action": later})
    form = Form(read(template).says.form.encode())
    assert form.names == {"shop", "order", "when", "label", "link", "picture", "span"}
    assert '"uri":"{{link}}"' in read(template).says.form
    assert '"url":"https://example.com/{{picture}}.png"' in read(template).says.form


def test_a_template_keeps_the_bubble_as_the_client_wrote_it() -> None:
    template = a_template(a_text("{{ order }}", unknown=1))
    assert json.loads(read(template).says.contents) == template["contents"]


def test_placeholders_may_not_stand_in_looks() -> None:
    found = refused(a_template(a_text("{{order}}", color="{{colour}}", size="{{size}}")))
    assert {"contents.body.contents[0].color", "contents.body.contents[0].size"} <= found.keys()


@pytest.mark.parametrize(
    "text", ["{{", "a }} b", "{{a b}}", "{{}}", "{{a}", "{{" + "x" * 101 + "}}"]
)
def test_braces_that_belong_to_no_placeholder_are_a_violation(text: str) -> None:
    assert "contents.body.contents[0].text" in refused(a_template(a_text(text)))


def test_single_braces_are_text() -> None:
    template = known(a_text('{"a": {b}} } {'.replace("}}", "} }")), alt_text="x")
    assert template.names == frozenset()


def test_the_characters_that_stand_for_placeholders_are_refused() -> None:
    found = refused(a_template(a_text("\U000f5000")))
    assert "private range" in found["contents.body.contents[0].text"]


def test_a_template_breaks_no_rule_of_a_bubble() -> None:
    template = a_template({"type": "SPAN", "text": "{{a}}"}, a_button(label="x" * 20 + "{{b}}"))
    found = refused({**template, "altText": "", "name": "", "language": "?", "sender": 5})
    assert set(found) >= {
        "altText",
        "name",
        "language",
        "sender",
        "contents.body.contents[1].action.label",
    }


def test_everything_a_template_needs_is_told_at_once() -> None:
    assert set(refused({})) == {"sender", "name", "altText", "contents"}
    assert set(refused([])) == {"$"}
    assert set(refused(None)) == {"$"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read_is_a_violation(body: bytes) -> None:
    found = read_template(body, NOW)
    assert isinstance(found, list)
    assert [violation.property for violation in found] == ["$"]


def test_more_than_a_hundred_placeholders_are_a_violation() -> None:
    texts = [a_text(f"{{{{p{number}}}}}") for number in range(101)]
    assert "contents.body.contents[100].text" in refused(a_template(*texts, alt_text="x"))


def test_values_of_the_message_object_are_filled_in_once() -> None:
    made = filled(known(a_text("{{order}}")), {"shop": "Acme", "order": "17"}, None, {})
    assert isinstance(made, Filled)
    assert made.values is None
    [message] = messages(made)
    assert message["altText"] == "Acme"
    assert message["contents"]["body"]["contents"][0]["text"] == "17"


def test_a_single_destination_needs_no_values_of_its_own() -> None:
    made = filled(known(a_text("{{order}}")), {"shop": "Acme"}, {"order": "17"})
    assert isinstance(made, Filled)
    assert made.values is None


def test_destinations_override_the_message_object() -> None:
    template = known(a_text("{{order}}"))
    made = filled(template, {"shop": "Acme", "order": "-"}, {"order": "1"}, None, {"order": "3"})
    assert isinstance(made, Filled)
    assert made.values == ['{"order":"1"}', '{"order":"-"}', '{"order":"3"}']
    assert '"altText":"Acme"' in made.line_message
    texts = [each["contents"]["body"]["contents"][0]["text"] for each in messages(made)]
    assert texts == ["1", "-", "3"]


def test_a_value_that_looks_like_a_placeholder_is_text() -> None:
    template = known(a_text("{{order}}"))
    made = filled(template, {"shop": "{{order}}"}, {"order": "{{shop}}"}, {"order": "2"})
    first, second = messages(made)
    assert (first["altText"], second["altText"]) == ("{{order}}", "{{order}}")
    assert first["contents"]["body"]["contents"][0]["text"] == "{{shop}}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_arrives_as_it_is(text: str) -> None:
    template = known(a_text("<{{order}}>"))
    for message in messages(filled(template, {"shop": "x"}, {"order": text}, {"order": text})):
        assert message["contents"]["body"]["contents"][0]["text"] == f"<{text}>"
    assert b"{{" not in escaped(text)


def test_a_missing_placeholder_is_a_violation_of_its_destination() -> None:
    template = known(a_text("{{order}}"))
    assert faults(template, {"shop": "x"}, {"order": "1"}, None, {}) == [
        "messages[0].destinations[1].placeholders.order",
        "messages[0].destinations[2].placeholders.order",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("link", "ftp://example.com"),
        ("link", "https://example.com/a b"),
        ("link", "https://example.com/" + "x" * 1000),
        ("link", ""),
        ("label", "x" * 21),
        ("label", ""),
        ("order", ""),
        ("shop", "x" * 401),
        ("shop", ""),
        ("data", "😀" * 150),
        ("picture", "http://example.com/a.png"),
    ],
)
def test_a_value_that_breaks_a_limit_of_line_is_a_violation(name: str, value: str) -> None:
    picture = {"type": "IMAGE", "url": "{{picture}}"}
    later = {"type": "POSTBACK", "label": "Later", "data": "id{{data}}"}
    template = known(a_text("{{order}}"), LINK, picture, {"type": "BUTTON", "action": later})
    good = {
        "link": "https://example.com/1",
        "label": "Open",
        "order": "17",
        "shop": "Acme",
        "data": "1",
        "picture": "https://example.com/a.png",
    }
    assert isinstance(filled(template, good, None), Filled)
    path = f"placeholders.{name}"
    bad = {name: value}
    assert faults(template, good, bad, {}) == [f"messages[0].destinations[0].{path}"]
    assert faults(template, {**good, **bad}, None, {}) == [f"messages[0].content.{path}"]
    others = {key: text for key, text in good.items() if key != name}
    found = faults(template, bad, others, others)
    assert found == [f"messages[0].content.{path}"]


def test_a_filled_bubble_keeps_to_thirty_kilobytes() -> None:
    template = known(*[a_text("{{order}}")] * 20)
    room = BUBBLE_BYTES // 20 - 200
    assert isinstance(
        filled(template, {"shop": "x"}, {"order": "x" * room}, {"order": "1"}), Filled
    )
    assert faults(template, {"shop": "x"}, {"order": "\\" * room}, {"order": "1"}) == [
        "messages[0].destinations[0].placeholders"
    ]


def test_the_size_is_that_of_the_bubble_as_line_gets_it() -> None:
    template = known(*[a_text("{{order}}")] * 20)
    for length in range(1400, 1600):
        values = {"shop": "x", "order": "x" * length}
        made = json.loads(template.form.fill({k: v.encode() for k, v in values.items()}))
        size = len(msgspec.json.encode(made["contents"]))
        assert (template.size_fault(values) is None) == (size <= BUBBLE_BYTES)


def _with_placeholders(value: Any, draw: st.DrawFn) -> Any:
    """A bubble in which some strings that may hold placeholders do."""
    if isinstance(value, list):
        return [_with_placeholders(inner, draw) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: draw(st.sampled_from(_FORMS[name]))
        if name in _FORMS and isinstance(inner, str) and draw(st.booleans())
        else _with_placeholders(inner, draw)
        for name, inner in value.items()
    }


_FORMS = {
    "text": ["{{a}}", "x {{b}} y {{a}}", "{{ c }}!"],
    "label": ["{{a}}", "Go {{b}}"],
    "uri": ["{{u}}", "https://example.com/{{a}}?b={{b}}"],
    "data": ["{{a}}", "id={{b}}"],
}
_VALUES = st.fixed_dictionaries(
    {name: st.text(st.characters(exclude_categories=["Cs"]), max_size=15) for name in "abc"}
    | {"u": st.sampled_from(["https://example.com/1", "line://a", "nothing", "tel:1"])}
)


@settings(max_examples=150, deadline=None)
@given(st.data(), bubbles, alt_texts, _VALUES, _VALUES)
def test_what_is_filled_without_violation_is_taken_by_line(
    data: st.DataObject, bubble: Json, alt_text: str, shared: Any, own: Any
) -> None:
    contents = data.draw(st.composite(lambda draw: _with_placeholders(bubble, draw))())
    given_ = {"sender": "A", "name": "n", "altText": alt_text, "contents": contents}
    asked = read_template(json.dumps(given_).encode(), NOW)
    assume(isinstance(asked, TemplateRequest))
    assert isinstance(asked, TemplateRequest)
    template = Registered(asked.says.form.encode())
    made = filled(template, shared, own, None)
    assume(isinstance(made, Filled))
    for message in messages(made):
        assert Verdicts().on(json.dumps([message]).encode()).problem is None
        assert matches(message, json.loads(template.text))


def test_violations_are_bounded() -> None:
    found = filled(known(), {}, *[None] * 1000)
    assert isinstance(found, list)
    assert len(found) == 201


def test_placeholders_that_the_template_does_not_have_are_ignored() -> None:
    template = known()
    content = RegisteredTemplate(template_name="x", placeholders={"shop": "a", "shpo": "b"})
    destinations = [Destination(to="-"), Destination(to="-", placeholders={"z": "1"})]
    found = unused_placeholders(content, destinations, template, "messages[2]")
    assert [each.property for each in found] == [
        "messages[2].content.placeholders.shpo",
        "messages[2].destinations[1].placeholders.z",
    ]
    assert isinstance(fill(content, destinations, template, "messages[2]"), Filled)
