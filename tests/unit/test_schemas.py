"""Requests are taken as published: names, limits, and what is tolerated."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from linegate.api.schemas import LineRequest, decode_request
from linegate.api.schemas_content import (
    LineNotification,
    LineNotificationTemplate,
    RegisteredTemplate,
)
from support.bubbles import a_message, a_request

PUBLISHED = Path(__file__).parents[3] / "shared" / "api" / "line.openapi.json"


def read(request: Any) -> LineRequest:
    return decode_request(json.dumps(request).encode())


def is_taken(request: Any) -> bool:
    try:
        read(request)
    except msgspec.ValidationError:
        return False
    return True


def published() -> Any:
    if not PUBLISHED.exists():
        pytest.skip("the published OpenAPI file is not beside the repository")
    return json.loads(PUBLISHED.read_text())


def with_options(**options: Any) -> Any:
    return a_request(a_message(options=options))


def with_schedule(**schedule: Any) -> Any:
    return a_request(options={"schedule": schedule})


def test_published_samples_are_taken() -> None:
    operation = published()["paths"]["/line/1/messages"]["post"]
    samples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert samples
    for sample in samples.values():
        assert read(sample["value"]).messages


# Published name of a schema -> ours.
COUNTERPARTS = {
    "LineRequest": "LineRequest",
    "LineMessage": "LineMessage",
    "ToDestination": "Destination",
    "MsisdnMessageFailoverOptions": "MessageOptions",
    "Platform": "Platform",
    "ValidityPeriod": "ValidityPeriod",
    "DeliveryTimeWindow": "DeliveryTimeWindow",
    "DeliveryTime": "DeliveryTime",
    "DefaultSmsFailover": "SmsFailover",
    "RegionalOptions": "Regional",
    "IndiaDltOptions": "IndiaDlt",
    "TurkeyIysOptions": "TurkeyIys",
    "SouthKoreaOptions": "SouthKorea",
    "Webhooks": "Webhooks",
    "MessageDeliveryReporting": "WebhookDelivery",
    "LineMessageRequestOptions": "RequestOptions",
    "RequestSchedulingSettings": "Schedule",
    "SendingSpeedLimit": "SendingSpeedLimit",
    "LineOutboundNotificationContent": "LineNotification",
    "BubbleContainer": "Bubble",
    "Style": "BubbleStyle",
    "BlockStyle": "BlockStyle",
    "Box": "Box",
    "Button": "Button",
    "Icon": "Icon",
    "Image": "Image",
    "Separator": "Separator",
    "Text": "Text",
    "Span": "Span",
    "UriAction": "UriAction",
    "AltUri": "AltUri",
}


@pytest.mark.parametrize(("theirs", "ours"), COUNTERPARTS.items())
def test_every_published_property_is_known_and_required_alike(theirs: str, ours: str) -> None:
    schemas = published()["components"]["schemas"]
    parts = [schemas[theirs], *schemas[theirs].get("allOf", ())]
    properties = {name for part in parts for name in part.get("properties", ())}
    required = {name for part in parts for name in part.get("required", ())}
    known = msgspec.json.schema(LineRequest)["$defs"][ours]
    assert properties <= set(known["properties"])
    if ours == "LineMessage":
        required.discard("sender")  # an account with a default sender may leave it out
    assert set(known["required"]) - {"type"} == required - {"type"}


def test_content_type_decides_the_content() -> None:
    template = {"type": "LINE_NOTIFICATION_TEMPLATE", "templateKey": "a"}
    registered = {"type": "REGISTERED_TEMPLATE", "templateName": "a", "language": "ja"}
    request = read(a_request(a_message(), a_message(template), a_message(registered)))
    kinds = [type(message.content) for message in request.messages]
    assert kinds == [LineNotification, LineNotificationTemplate, RegisteredTemplate]


def test_placeholders_are_texts_for_the_content_and_for_each_destination() -> None:
    content = {"type": "REGISTERED_TEMPLATE", "templateName": "a", "placeholders": {"n": "x"}}
    message = a_message(content, destinations=[{"to": "1", "placeholders": {"n": "y"}}])
    read_message = read(a_request(message)).messages[0]
    assert isinstance(read_message.content, RegisteredTemplate)
    assert read_message.content.placeholders == {"n": "x"}
    assert read_message.destinations[0].placeholders == {"n": "y"}
    assert not is_taken(a_request(a_message({**content, "placeholders": {"n": 1}})))


def test_unknown_properties_are_ignored_everywhere() -> None:
    request = a_request(a_message(color="red"), extra=[1, {"a": None}])
    request["messages"][0]["destinations"][0]["nick"] = "x"
    assert read(request).messages[0].destinations[0].to == "66855538125"


def test_null_is_absent_where_a_property_is_optional_and_refused_where_it_is_not() -> None:
    request = a_request(a_message(options=None, webhooks=None), options=None)
    request["messages"][0]["destinations"][0]["messageId"] = None
    assert read(request).messages[0].options is None
    assert not is_taken(a_request({**a_message(), "destinations": None}))


def test_last_of_two_equal_names_counts() -> None:
    body = json.dumps(a_request(a_message())).replace('"sender":', '"sender": "first", "sender":')
    assert decode_request(body.encode()).messages[0].sender == "parcel-service"


def test_documentation_pages_spelling_of_send_at_is_taken_where_send_at_is_absent() -> None:
    def schedule(**properties: str) -> str | None:
        options = read(with_schedule(**properties)).options
        assert options is not None
        assert options.schedule is not None
        return options.schedule.send_at

    assert schedule(SendAt="a") == "a"
    assert schedule(sendAt="b") == "b"
    assert schedule(sendAt="b", SendAt="a") == "b"
    assert schedule() is None


@pytest.mark.parametrize("amount", [1.0, "1", True, None, [1], 1e3, 2**31, 10**30])
def test_whole_numbers_are_not_guessed(amount: Any) -> None:
    assert not is_taken(with_options(validityPeriod={"amount": amount}))
    assert not is_taken(with_schedule(sendingSpeedLimit={"amount": amount}))


LIMITS = [
    ("to", 255, lambda text: a_request(a_message(destinations=[{"to": text}]))),
    (
        "messageId",
        200,
        lambda text: a_request(a_message(destinations=[{"to": "1", "messageId": text}])),
    ),
    ("bulkId", 100, lambda text: with_schedule(bulkId=text)),
    ("entityId", 255, lambda text: with_options(platform={"entityId": text})),
    ("applicationId", 255, lambda text: with_options(platform={"applicationId": text})),
    ("campaignReferenceId", 255, lambda text: with_options(campaignReferenceId=text)),
    ("callbackData", 4000, lambda text: a_request(a_message(webhooks={"callbackData": text}))),
    (
        "title",
        66,
        lambda text: with_options(
            smsFailover={"text": "a", "regional": {"southKorea": {"title": text}}}
        ),
    ),
    (
        "url",
        2048,
        lambda text: a_request(
            a_message(webhooks={"delivery": {"url": "https://a.b/" + text[12:]}})
        ),
    ),
]


@pytest.mark.parametrize(("name", "most", "made"), LIMITS, ids=[row[0] for row in LIMITS])
def test_lengths_count_characters_as_published(name: str, most: int, made: Any) -> None:
    assert is_taken(made("😀" * most))
    assert not is_taken(made("😀" * (most + 1)))


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"messages": []},
        {"messages": [{}]},
        a_request(a_message(destinations=[])),
        a_request({**a_message(), "sender": ""}),
        a_request(a_message({"type": "LINE_NOTIFICATION", "altText": "a"})),
        a_request(a_message({"altText": "a", "contents": {"type": "BUBBLE"}})),
        a_request(a_message({"type": "FLEX", "altText": "a", "contents": {"type": "BUBBLE"}})),
        with_options(smsFailover={"text": ""}),
        with_options(smsFailover={}),
        with_options(deliveryTimeWindow={"days": []}),
        with_options(deliveryTimeWindow={"days": ["monday"]}),
        with_options(deliveryTimeWindow={"days": ["MONDAY"], "from": {"hour": 24, "minute": 0}}),
        with_options(deliveryTimeWindow={"days": ["MONDAY"], "from": {"hour": 0}}),
        with_options(validityPeriod={"amount": 1, "timeUnit": "DAYS"}),
        with_schedule(sendingSpeedLimit={"amount": 0}),
        with_schedule(sendingSpeedLimit={"amount": 1, "timeUnit": "SECOND"}),
        a_request(a_message(webhooks={"contentType": "text/xml"})),
        a_request(a_message(webhooks={"delivery": {"url": "ftp://example.com"}})),
        a_request(a_message(webhooks={"delivery": {"url": "https://"}})),
        a_request(a_message(webhooks={"delivery": {"notify": "yes"}})),
    ],
)
def test_what_is_not_as_published_is_refused(request_: Any) -> None:
    assert not is_taken(request_)


@pytest.mark.parametrize("length", [0, 401])
def test_alt_text_has_1_to_400_characters(length: int) -> None:
    content = a_message()["content"]
    assert is_taken(a_request(a_message({**content, "altText": "é" * 400})))
    assert not is_taken(a_request(a_message({**content, "altText": "é" * length})))
