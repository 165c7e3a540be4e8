"""Values that do not go together, or not with the time, are violations with their place."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linegate.api.request_rules import check_request
from linegate.api.schemas import decode_request
from linegate.domain.wiretime import format_instant
from support.bubbles import a_box, a_bubble, a_content, a_message, a_request

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)


def places(request: Any) -> list[str]:
    found = check_request(decode_request(json.dumps(request).encode()), NOW)
    return [violation.property for violation in found]


def with_options(**options: Any) -> Any:
    return a_request(a_message(options=options))


def a_window(start: tuple[int, int] | None, end: tuple[int, int] | None, **more: Any) -> Any:
    window: dict[str, Any] = {"days": ["MONDAY"], **more}
    if start:
        window["from"] = {"hour": start[0], "minute": start[1]}
    if end:
        window["to"] = {"hour": end[0], "minute": end[1]}
    return with_options(deliveryTimeWindow=window)


def test_plain_request_breaks_no_rule() -> None:
    assert places(a_request()) == []


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (timedelta(days=-400), []),
        (timedelta(), []),
        (timedelta(days=180), []),
        (timedelta(days=180, milliseconds=1), ["options.schedule.sendAt"]),
    ],
)
def test_send_at_is_at_most_180_days_ahead_and_may_be_past(
    ahead: timedelta, expected: list[str]
) -> None:
    send_at = format_instant(NOW + ahead)
    assert places(a_request(options={"schedule": {"sendAt": send_at}})) == expected


@pytest.mark.parametrize("text", ["2026-01-15T10:00:00", "tomorrow", "", "2026-02-30T10:00:00Z"])
@pytest.mark.parametrize("name", ["sendAt", "SendAt"])
def test_send_at_needs_an_offset_and_is_named_as_the_client_wrote_it(name: str, text: str) -> None:
    assert places(a_request(options={"schedule": {name: text}})) == [f"options.schedule.{name}"]


@pytest.mark.parametrize(
    ("period", "accepted"),
    [
        ({"amount": 10, "timeUnit": "SECONDS"}, True),
        ({"amount": 9, "timeUnit": "SECONDS"}, False),
        ({"amount": 1}, True),
        ({"amount": 0}, False),
        ({"amount": -5, "timeUnit": "HOURS"}, False),
        ({"amount": 1000, "timeUnit": "HOURS"}, True),
    ],
)
def test_validity_is_ten_seconds_or_more_on_both_legs(
    period: dict[str, Any], accepted: bool
) -> None:
    options = {"validityPeriod": period, "smsFailover": {"text": "a", "validityPeriod": period}}
    expected = [
        "messages[0].options.validityPeriod.amount",
        "messages[0].options.smsFailover.validityPeriod.amount",
    ]
    assert places(with_options(**options)) == ([] if accepted else expected)


@pytest.mark.parametrize(
    ("start", "end", "blamed"),
    [
        (None, None, None),
        ((9, 0), (10, 0), None),
        ((9, 0), (9, 59), "to"),
        ((9, 0), (9, 0), "to"),
        ((22, 0), (6, 0), None),
        ((23, 30), (0, 30), None),
        ((23, 30), (0, 29), "to"),
        ((9, 0), (8, 59), None),
        ((9, 0), None, "to"),
        (None, (9, 0), "from"),
    ],
)
def test_window_has_both_ends_or_neither_and_lasts_an_hour(
    start: tuple[int, int] | None, end: tuple[int, int] | None, blamed: str | None
) -> None:
    expected = [f"messages[0].options.deliveryTimeWindow.{blamed}"] if blamed else []
    assert places(a_window(start, end)) == expected


@pytest.mark.parametrize(
    ("zone", "accepted"),
    [
        ("UTC", True),
        ("Asia/Tokyo", True),
        ("RECIPIENT", True),
        ("Asia/Nowhere", False),
        ("Asia", False),
        ("../etc/passwd", False),
        ("", False),
        ("/etc/localtime", False),
    ],
)
def test_time_zone_is_an_iana_name_or_recipient(zone: str, accepted: bool) -> None:
    expected = [] if accepted else ["messages[0].options.deliveryTimeWindow.timeZone"]
    assert places(a_window((9, 0), (18, 0), timeZone=zone)) == expected


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://example.com/reports?a=b", True),
        ("http://example.com:8080", True),
        ("https://[2001:db8::1]/x", True),
        ("https://example.com:99999", False),
        ("https://example.com:0", False),
        ("https://[::1", False),
        ("https://:443/", False),
        ("https://user@/", False),
    ],
)
def test_webhook_url_has_a_host_and_a_real_port(url: str, accepted: bool) -> None:
    request = a_request(a_message(webhooks={"delivery": {"url": url}}))
    assert places(request) == ([] if accepted else ["messages[0].webhooks.delivery.url"])


def test_contents_of_all_messages_are_checked() -> None:
    bad = a_content(a_bubble({"type": "TEXT"}))
    template = {
        "type": "LINE_NOTIFICATION_TEMPLATE",
        "templateKey": "a",
        "body": {"items": [{"itemKey": "a", "content": "b"}] * 2},
    }
    request = a_request(a_message(bad), a_message(), a_message(template), a_message(bad))
    assert places(request) == [
        "messages[0].content.contents.body.contents[0].text",
        "messages[2].content.body.items[1].itemKey",
        "messages[3].content.contents.body.contents[0].text",
    ]


def test_everything_is_told_at_once() -> None:
    message = a_message(
        a_content({"type": "BUBBLE", "body": a_box(position="ABSOLUTE")}),
        options={
            "validityPeriod": {"amount": 0},
            "deliveryTimeWindow": {"days": ["MONDAY"], "to": {"hour": 1, "minute": 1}},
        },
        webhooks={"delivery": {"url": "http://:80/"}},
    )
    request = a_request(message, options={"schedule": {"sendAt": "soon"}})
    assert places(request) == [
        "options.schedule.sendAt",
        "messages[0].content.contents.body.position",
        "messages[0].options.validityPeriod.amount",
        "messages[0].options.deliveryTimeWindow.from",
        "messages[0].webhooks.delivery.url",
    ]
