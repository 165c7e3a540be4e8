"""A bad request is told everything that is wrong with it, each at its place, and nothing else."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linegate.api.explain import DEEPEST, MOST_VIOLATIONS, explain, read_request
from linegate.api.schemas import LineRequest, decode_request
from linegate.domain.violation import Violation
from support.bubbles import a_box, a_bubble, a_content, a_full_bubble, a_message, a_request, a_text

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
BODY = "messages[0].content.contents.body"


def as_body(request: Any) -> bytes:
    return request if isinstance(request, bytes) else json.dumps(request).encode()


def told(request: Any) -> list[Violation]:
    answer = read_request(as_body(request), NOW)
    return answer if isinstance(answer, list) else []


def places(request: Any) -> list[str]:
    return [violation.property for violation in told(request)]


def with_body(*components: Any) -> Any:
    return a_request(a_message(a_content(a_bubble(*components))))


def test_good_request_is_read() -> None:
    request = a_request(a_message(a_content(a_full_bubble())))
    assert isinstance(read_request(as_body(request), NOW), LineRequest)
    assert explain(as_body(request), NOW) == []


def test_structure_and_meaning_are_told_together_each_at_its_own_place() -> None:
    request = with_body(
        a_text(size="80%"),
        {"type": "SPAN", "text": "a"},
        a_box({"type": "ICON", "url": "http://example.com"}, a_text("")),
        {"type": "BUTTON", "style": "BIG", "action": {"type": "URI", "label": "a"}},
        {"type": "VIDEO"},
        {"text": "no type"},
    )
    request["messages"][0]["destinations"] += [{"too": "1"}, 5, {"to": 5, "messageId": "x" * 201}]
    request["messages"][0]["options"] = {"validityPeriod": {"amount": 1, "timeUnit": "SECONDS"}}
    request["options"] = {"schedule": {"sendAt": "soon", "sendingSpeedLimit": {"amount": 1.5}}}
    assert sorted(places(request)) == sorted(
        [
            "messages[0].destinations[1].to",
            "messages[0].destinations[2]",
            "messages[0].destinations[3].to",
            "messages[0].destinations[3].messageId",
            f"{BODY}.contents[0].size",
            f"{BODY}.contents[1].type",
            f"{BODY}.contents[2].contents[0].url",
            f"{BODY}.contents[2].contents[0].type",
            f"{BODY}.contents[2].contents[1].text",
            f"{BODY}.contents[3].style",
            f"{BODY}.contents[3].action.uri",
            f"{BODY}.contents[4].type",
            f"{BODY}.contents[5].type",
            "messages[0].options.validityPeriod.amount",
            "options.schedule.sendAt",
            "options.schedule.sendingSpeedLimit.amount",
        ]
    )


def test_words_say_what_is_expected_and_never_repeat_the_value() -> None:
    secret = "66855538125-secret"
    request = with_body(a_text(size=secret, color=secret, align=secret, flex=secret, maxLines=-1))
    assert {v.property.rsplit(".", 1)[1]: v.violation for v in told(request)} == {
        "size": "must be pixels like 14px, or xxs, xs, sm, md, lg, xl, xxl, 3xl, 4xl, 5xl;"
        " no percentage",
        "color": "must be a colour like #RRGGBB or #RRGGBBAA",
        "align": "must be one of CENTER, END, START",
        "flex": "must be a whole number",
        "maxLines": "must be at least 0",
    }


def test_deep_component_is_reported_at_the_component() -> None:
    request = with_body(a_box(a_box(a_text(), a_box(a_text(wrap="yes")))))
    expected = f"{BODY}.contents[0].contents[0].contents[1].contents[0].wrap"
    assert told(request) == [Violation(expected, "must be true or false")]


def test_content_without_a_type_is_explained_as_a_notification() -> None:
    request = a_request(a_message({"altText": "", "contents": {"body": {}}}))
    assert places(request) == [
        "messages[0].content.type",
        "messages[0].content.altText",
        "messages[0].content.contents.body.layout",
    ]


def test_bubble_without_a_block_is_told_unless_its_block_is_broken() -> None:
    path = "messages[0].content.contents"

    def told_of(**properties: Any) -> list[str]:
        return sorted(places(a_request(a_message(a_content({"type": "BUBBLE", **properties})))))

    assert told_of(size="HUGE") == [f"{path}.body", f"{path}.size"]
    assert told_of(header=5) == [f"{path}.header"]
    assert told_of(footer={"layout": "ROUND"}) == [f"{path}.footer.layout"]


def test_broken_end_of_a_window_hides_not_that_the_other_is_missing() -> None:
    window = {"days": ["MONDAY"], "to": {"hour": 24, "minute": 60}}
    request = a_request(a_message(options={"deliveryTimeWindow": window}))
    assert sorted(places(request)) == [
        "messages[0].options.deliveryTimeWindow.from",
        "messages[0].options.deliveryTimeWindow.to.hour",
        "messages[0].options.deliveryTimeWindow.to.minute",
    ]


def test_broken_value_causes_no_second_violation_about_its_neighbours() -> None:
    window = {"days": ["MONDAY"], "from": "9:00", "to": {"hour": 9, "minute": 30}}
    request = a_request(a_message(options={"deliveryTimeWindow": window}))
    assert places(request) == ["messages[0].options.deliveryTimeWindow.from"]
    missing = {**window, "from": {"hour": 9}}
    request = a_request(a_message(options={"deliveryTimeWindow": missing}))
    assert places(request) == ["messages[0].options.deliveryTimeWindow.from.minute"]
    both = {**window, "from": {"hour": 24}, "to": 5}
    request = a_request(a_message(options={"deliveryTimeWindow": both}))
    assert sorted(places(request)) == [
        "messages[0].options.deliveryTimeWindow.from.hour",
        "messages[0].options.deliveryTimeWindow.from.minute",
        "messages[0].options.deliveryTimeWindow.to",
    ]
    assert places(with_body({"type": "TEXT", "text": 5})) == [f"{BODY}.contents[0].text"]
    assert places(with_body({"type": "TEXT", "contents": 5})) == [f"{BODY}.contents[0].contents"]
    box = {"type": "BOX", "contents": [{"type": "ICON", "url": "https://example.com"}]}
    assert places(with_body(box)) == [f"{BODY}.contents[0].layout"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"messages": [}', "line 1, column 15, byte 14"),
        ('{"a": "é", }'.encode(), "line 1, column 12, byte 12"),
        (b'{"messages"', "byte 11"),
        (b"{} {}", "byte 3"),
        (b'{"a": "\xff"}', "byte 7"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        ('{"a": 1}'.encode("utf-16"), "byte 0"),
        (b'{"a": NaN}', "number"),
        (b'{"a": -Infinity}', "number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b"[]", "an object"),
        (b"null", "an object"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    ],
)
def test_what_is_no_json_object_is_one_violation(body: bytes, expected: str) -> None:
    found = told(body)
    assert [violation.property for violation in found] == ["$"]
    assert expected in found[0].violation


def test_content_nested_without_end_is_one_violation_about_nesting() -> None:
    box: Any = a_box(a_text())
    for _ in range(60):
        box = a_box(box)
    assert [v.violation for v in told(with_body(box))] == [
        "must not be nested deeper than 20 levels of objects and arrays"
    ]
    opened = b'{"messages":[{"content":{"contents":{"body":' + b'{"contents":[' * 100_000
    assert [v.property for v in told(opened)] == ["$"]


def test_what_lies_too_deep_is_not_looked_into_but_the_rest_is() -> None:
    deep: Any = "x"
    for _ in range(DEEPEST + 10):
        deep = [deep]
    found = told({"messages": [], "other": deep})
    assert len(found) == 2
    assert found[0].property.startswith("other[0][0]")
    assert found[1].property == "messages"


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udc00\\ud800", "a\\ud83d"])
@pytest.mark.parametrize("name", ["sender", "bulkId"])
def test_characters_that_cannot_be_stored_are_violations(escape: str, name: str) -> None:
    request = a_request(a_message(), options={"schedule": {"bulkId": "@bulkId"}})
    request["messages"][0]["sender"] = "@sender"
    body = json.dumps(request).replace(f"@{name}", escape).encode()
    place = {"sender": "messages[0].sender", "bulkId": "options.schedule.bulkId"}[name]
    assert [violation.property for violation in told(body)] == [place]


def test_escaped_backslash_before_u0000_is_an_ordinary_text() -> None:
    request = a_request({**a_message(), "sender": "a\\u0000"})
    assert rb"\\u0000" in as_body(request)
    answer = read_request(as_body(request), NOW)
    assert isinstance(answer, LineRequest)
    assert answer.messages[0].sender == "a\\u0000"


def test_null_for_a_required_property_reads_as_missing_it() -> None:
    request = a_request({**a_message(), "sender": None})
    assert told(request) == [Violation("messages[0].sender", "is required")]


def test_null_for_a_placeholder_is_told() -> None:
    content = {"type": "REGISTERED_TEMPLATE", "templateName": "a", "placeholders": {"n": None}}
    assert places(a_request(a_message(content))) == ["messages[0].content.placeholders.n"]


def test_violations_are_bounded_and_say_that_there_are_more() -> None:
    request = a_request(a_message(destinations=[{}] * 5000))
    found = told(request)
    assert len(found) == MOST_VIOLATIONS + 1
    assert found[0].property == "messages[0].destinations[0].to"
    assert found[-1].property == "$"


def test_rule_violations_are_bounded_too() -> None:
    request = with_body(*[{"type": "TEXT"}] * 500)
    assert len(told(request)) == MOST_VIOLATIONS + 1


def test_broken_piece_that_is_too_large_is_told_as_a_whole_and_hides_nothing_else() -> None:
    huge = a_content(a_bubble(*[{"type": "TXET"}] * 20_000))
    found = told(a_request(a_message(huge), a_message(destinations=[{}])))
    assert [v.property for v in found] == ["messages[0].content", "messages[1].destinations[0].to"]
    assert "too large to be explained" in found[0].violation


def test_one_bad_destination_among_very_many_is_found() -> None:
    destinations: list[Any] = [{"to": "66855538125"}] * 20_000
    request = a_request(a_message(destinations=[*destinations, {"to": 66855538125}]))
    assert places(request) == ["messages[0].destinations[20000].to"]


@pytest.mark.parametrize("amount", [1.0, 2e3, 1e400, 10**30, -(10**5000 // 10**900)])
def test_numbers_that_only_look_whole_or_have_no_end_are_violations(amount: float) -> None:
    schedule = '{"schedule": {"sendingSpeedLimit": {"amount": @}}}'
    number = "1e400" if amount == float("inf") else json.dumps(amount)
    body = json.dumps(a_request(options="@@")).replace('"@@"', schedule.replace("@", number))
    assert set(places(body.encode())) == {"options.schedule.sendingSpeedLimit.amount"}


# --- the two readers agree ---------------------------------------------------------------------

_VALUES = st.sampled_from(
    [
        None,
        0,
        1,
        -1,
        1.5,
        1.0,
        2e3,
        10**30,
        True,
        "",
        "x",
        "BOX",
        "BASELINE",
        [],
        [1],
        {},
        {"type": "TEXT"},
        "9" * 401,
    ]
)


def _whole_request() -> Any:
    options = {
        "platform": {"entityId": "e"},
        "validityPeriod": {"amount": 5, "timeUnit": "HOURS"},
        "deliveryTimeWindow": {
            "days": ["MONDAY"],
            "from": {"hour": 8, "minute": 0},
            "to": {"hour": 20, "minute": 0},
        },
        "smsFailover": {"text": "a", "regional": {"turkeyIys": {"recipientType": "TACIR"}}},
    }
    webhooks = {"delivery": {"url": "https://example.com", "notify": True}, "callbackData": "c"}
    template = {
        "type": "LINE_NOTIFICATION_TEMPLATE",
        "templateKey": "k",
        "body": {
            "items": [{"itemKey": "i", "content": "c"}],
            "buttons": [{"buttonKey": "b", "url": "https://example.com"}],
        },
    }
    registered = {"type": "REGISTERED_TEMPLATE", "templateName": "a", "placeholders": {"n": "x"}}
    return a_request(
        a_message(a_content(a_full_bubble()), options=options, webhooks=webhooks),
        a_message(template),
        a_message(registered),
        options={"schedule": {"bulkId": "b", "sendingSpeedLimit": {"amount": 5}}},
    )


def _steps(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [
        step
        for name, child in members
        if isinstance(child, dict | list)
        for step in _steps(child, (*here, name))
    ]
    own = value if isinstance(value, dict) else range(len(value))
    return inner + [(*here, name) for name in own]


_PLACES = _steps(_whole_request())


def _changed(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> Any:
    request = copy.deepcopy(_whole_request())
    for steps, value, removed in changes:
        parent = request
        try:
            for step in steps[:-1]:
                parent = parent[step]
            if removed:
                del parent[steps[-1]]
            else:
                parent[steps[-1]] = copy.deepcopy(value)  # two places may draw one object
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    return request


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(_PLACES), _VALUES, st.booleans()), min_size=1, max_size=4)
)
def test_request_is_explained_if_and_only_if_the_decoder_or_a_rule_refuses_it(
    changes: list[tuple[tuple[Any, ...], Any, bool]],
) -> None:
    body = as_body(_changed(changes))
    answer = read_request(body, NOW)
    found = explain(body, NOW)
    assert isinstance(answer, list) == bool(found)
    assert not any("cannot be read" in violation.violation for violation in found)
    try:
        decode_request(body)
    except msgspec.ValidationError:
        assert found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert told(body)
