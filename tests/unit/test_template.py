"""LINE's own templates: limits by type, keys once per message, LINE's names in the body."""

import json
from typing import Any

import msgspec
import pytest

from linegate.line.template import (
    LineNotificationTemplate,
    render_template,
    template_violations,
)


def a_template(**body: Any) -> dict[str, Any]:
    return {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "shipped_ja", "body": body}


def an_item(key: str = "name_010_ja", content: str = "a") -> dict[str, str]:
    return {"itemKey": key, "content": content}


def a_button(key: str = "contact_ja", url: str = "https://example.com") -> dict[str, str]:
    return {"buttonKey": key, "url": url}


def read(content: dict[str, Any]) -> LineNotificationTemplate:
    return msgspec.convert(content, LineNotificationTemplate)


def test_rendered_body_is_what_line_takes_besides_the_destination() -> None:
    content = a_template(
        emphasizedItem=an_item("date_002_ja", "8月10日"),
        items=[an_item()],
        buttons=[a_button()],
    )
    assert json.loads(render_template(read(content))) == {
        "templateKey": "shipped_ja",
        "body": {
            "emphasizedItem": {"itemKey": "date_002_ja", "content": "8月10日"},
            "items": [{"itemKey": "name_010_ja", "content": "a"}],
            "buttons": [{"buttonKey": "contact_ja", "url": "https://example.com"}],
        },
    }


def test_template_without_a_body_is_rendered_without_one() -> None:
    content = LineNotificationTemplate(template_key="k")
    assert render_template(content) == b'{"templateKey":"k"}'


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"emphasizedItem": an_item(content="x" * 15)}, True),
        ({"emphasizedItem": an_item(content="x" * 16)}, False),
        ({"items": [an_item(content="x" * 300)]}, True),
        ({"items": [an_item(content="x" * 301)]}, False),
        ({"items": [an_item(str(i)) for i in range(15)]}, True),
        ({"items": [an_item(str(i)) for i in range(16)]}, False),
        ({"buttons": [a_button(str(i)) for i in range(2)]}, True),
        ({"buttons": [a_button(str(i)) for i in range(3)]}, False),
        ({"buttons": [a_button(url="https://" + "x" * 992)]}, True),
        ({"buttons": [a_button(url="https://" + "x" * 993)]}, False),
        ({"buttons": [a_button(url="no url")]}, False),
        ({"items": [{"itemKey": "a"}]}, False),
    ],
)
def test_limits_are_lines(body: dict[str, Any], taken: bool) -> None:
    try:
        read(a_template(**body))
    except msgspec.ValidationError:
        assert not taken
    else:
        assert taken


def test_item_key_may_come_once_counting_the_emphasized_item() -> None:
    content = a_template(
        emphasizedItem=an_item("a"), items=[an_item("b"), an_item("a"), an_item("b")]
    )
    found = template_violations(read(content), "c")
    assert [v.property for v in found] == ["c.body.items[1].itemKey", "c.body.items[2].itemKey"]


def test_button_key_may_come_once() -> None:
    content = read(a_template(items=[an_item("a")], buttons=[a_button("a"), a_button("a")]))
    assert [v.property for v in template_violations(content, "c")] == [
        "c.body.buttons[1].buttonKey"
    ]


def test_different_keys_break_no_rule() -> None:
    content = read(a_template(emphasizedItem=an_item("a"), items=[an_item("b")]))
    assert template_violations(content, "c") == []
