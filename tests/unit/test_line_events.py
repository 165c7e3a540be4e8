"""LINE's calls: who signed them, and which deliveries they tell of."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.line.events import DeliveryEvent, read_events, verify_signature

# The example that LINE's documentation prints.
SECRET = b"8c570fa6dd201bb328f1c1eac23a96d8"
BODY = b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}'
SIGNATURE = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="

DELIVERY: dict[str, Any] = {
    "type": "delivery",
    "delivery": {"data": "linegate-0123456789abcdef-0001"},
    "webhookEventId": "01G17EJCGAVV66J5WNA7ZCTF6H",
    "deliveryContext": {"isRedelivery": False},
    "timestamp": 1650591346705,
    "mode": "active",
}
DELIVERED = DeliveryEvent(
    "linegate-0123456789abcdef-0001",
    datetime(2022, 4, 22, 1, 35, 46, 705000, tzinfo=UTC),
    "01G17EJCGAVV66J5WNA7ZCTF6H",
)


def a_call(*events: object) -> bytes:
    return json.dumps({"destination": "U" + "0" * 32, "events": list(events)}).encode()


def test_the_documented_signature_is_good() -> None:
    assert verify_signature(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize(
    "header",
    [None, "", SIGNATURE[:-1], SIGNATURE + " ", SIGNATURE.lower(), "é" * 44, "\udcff"],
)
def test_any_other_signature_is_bad(header: str | None) -> None:
    assert not verify_signature(SECRET, BODY, header)


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=200))
def test_a_signature_holds_for_its_own_secret_and_bytes_only(secret: bytes, body: bytes) -> None:
    header = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()
    assert verify_signature(secret, body, header)
    assert not verify_signature(secret, body + b" ", header)
    assert not verify_signature(secret + b"x", body, header)


def test_a_delivery_event_gives_tag_instant_and_id() -> None:
    assert read_events(a_call(DELIVERY)) == [DELIVERED]


def test_the_call_that_verifies_an_address_holds_no_events() -> None:
    assert read_events(BODY) == []


def test_source_may_be_there_or_not() -> None:
    assert read_events(a_call({**DELIVERY, "source": {"type": "user"}})) == [DELIVERED]


def test_both_modes_and_redeliveries_count() -> None:
    again = {**DELIVERY, "mode": "standby", "deliveryContext": {"isRedelivery": True}}
    assert read_events(a_call(again)) == [DELIVERED]


@pytest.mark.parametrize(
    "other",
    [
        {"type": "message", "message": {"type": "text", "text": "hi"}, "timestamp": 1},
        {"type": "follow"},
        {"type": "invented", "delivery": "a text", "timestamp": "soon", "webhookEventId": 7},
        {"type": "delivery"},
        {"type": "delivery", "delivery": {}},
        {"type": "delivery", "delivery": {"data": 5}, "timestamp": 1},
        {"type": "delivery", "delivery": {"data": "t"}, "timestamp": 10**18},
        {"type": "delivery", "delivery": {"data": "t"}, "timestamp": -1},
        {"type": "delivery", "delivery": {"data": "t"}, "timestamp": True},
        {"type": 5},
        {},
        [],
        None,
        "delivery",
    ],
)
def test_what_is_no_readable_delivery_hides_no_other(other: object) -> None:
    assert read_events(a_call(DELIVERY, other, DELIVERY)) == [DELIVERED, DELIVERED]


def test_the_order_of_the_call_is_kept() -> None:
    calls = [{**DELIVERY, "delivery": {"data": f"tag-{n}"}} for n in (3, 1, 2)]
    found = read_events(a_call(*calls))
    assert found is not None
    assert [event.tag for event in found] == ["tag-3", "tag-1", "tag-2"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"events":{}}',
        b'{"events":null}',
        b"\xff\xfe",
        b'{"events":[{"type":"delivery","delivery":{"data":"\xff"},"timestamp":1}]}',
        b'{"events":[' + b"[" * 100_000,
        b'{"events":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    ],
)
def test_what_is_not_lines_json_is_none(body: bytes) -> None:
    assert read_events(body) is None


@given(st.binary(max_size=300))
def test_no_body_raises(body: bytes) -> None:
    found = read_events(body)
    assert found is None or isinstance(found, list)
