"""Delivery reports and send answers are written as published, in JSON and in XML."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from linegate.api.schemas_response import encode_send_answer
from linegate.domain.status import ERRORS, STATUSES
from linegate.webhook.body import (
    DeliveryReport,
    PriceBody,
    delivery_report,
    encode_reports_json,
    encode_reports_xml,
    error_body,
    status_body,
)

SENT = datetime(2023, 9, 26, 10, 52, 15, 457_000, tzinfo=UTC)


def a_full_report() -> DeliveryReport:
    return delivery_report(
        bulk_id="BULK-1",
        message_id="m-1",
        to="66855538125",
        status_id=5,
        error_id=0,
        sender="parcel-service",
        sent_at=SENT,
        done_at=SENT.replace(second=16),
        callback_data="a <b> & c",
        entity_id="e",
        application_id="a",
        campaign_reference_id="c",
        mcc_mnc="22801",
        price=PriceBody(price_per_message=0.5, currency="EUR"),
    )


def test_full_report_has_the_published_members_in_order() -> None:
    results = json.loads(encode_reports_json([a_full_report()]))["results"]
    assert results == [
        {
            "bulkId": "BULK-1",
            "price": {"pricePerMessage": 0.5, "currency": "EUR"},
            "status": {
                "groupId": 3,
                "groupName": "DELIVERED",
                "id": 5,
                "name": "DELIVERED_TO_HANDSET",
                "description": STATUSES[5].description,
            },
            "error": {
                "groupId": 0,
                "groupName": "OK",
                "id": 0,
                "name": "NO_ERROR",
                "description": ERRORS[0].description,
                "permanent": False,
            },
            "messageId": "m-1",
            "to": "66855538125",
            "sender": "parcel-service",
            "sentAt": "2023-09-26T10:52:15.457+0000",
            "doneAt": "2023-09-26T10:52:16.457+0000",
            "messageCount": 1,
            "mccMnc": "22801",
            "callbackData": "a <b> & c",
            "platform": {"entityId": "e", "applicationId": "a"},
            "campaignReferenceId": "c",
        }
    ]


def test_absent_and_empty_facts_are_left_out() -> None:
    report = delivery_report(bulk_id="b", message_id="m", to="1", status_id=5, callback_data="")
    members = json.loads(encode_reports_json([report]))["results"][0]
    assert set(members) == {"bulkId", "status", "error", "messageId", "to", "messageCount"}


def test_one_half_of_platform_comes_alone() -> None:
    report = delivery_report(bulk_id="b", message_id="m", to="1", status_id=5, application_id="a")
    members = json.loads(encode_reports_json([report]))["results"][0]
    assert members["platform"] == {"applicationId": "a"}


def test_no_reports_are_an_empty_list() -> None:
    assert json.loads(encode_reports_json([])) == {"results": []}
    assert ET.fromstring(encode_reports_xml([])).find("results") is not None


def test_xml_says_the_same_as_json() -> None:
    root = ET.fromstring(encode_reports_xml([a_full_report(), a_full_report()]))
    assert root.tag == "DeliveryReports"
    results = root.findall("results/result")
    assert len(results) == 2
    members = json.loads(encode_reports_json([a_full_report()]))["results"][0]
    assert [child.tag for child in results[0]] == list(members)
    assert results[0].findtext("callbackData") == "a <b> & c"
    assert results[0].findtext("status/name") == "DELIVERED_TO_HANDSET"
    assert results[0].findtext("error/permanent") == "false"
    assert results[0].findtext("price/pricePerMessage") == "0.5"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_xml_is_well_formed_whatever_the_callback_data_holds(text: str) -> None:
    report = delivery_report(bulk_id="b", message_id="m", to="1", status_id=5, callback_data=text)
    root = ET.fromstring(encode_reports_xml([report]))
    read = root.findtext("results/result/callbackData")
    assert read is not None
    assert len(read) == len(text)
    assert all(mine in (theirs, "\ufffd") for mine, theirs in zip(read, text, strict=True))


def test_every_status_and_error_can_be_told() -> None:
    assert {status_body(id_).id for id_ in STATUSES} == set(STATUSES)
    assert {error_body(id_).id for id_ in ERRORS} == set(ERRORS)


def test_send_answer_has_one_element_per_destination_in_order() -> None:
    answer = json.loads(encode_send_answer("BULK-1", [("m-1", 7, "66"), ("m-2", 26, "81")]))
    assert answer["bulkId"] == "BULK-1"
    assert [message["messageId"] for message in answer["messages"]] == ["m-1", "m-2"]
    assert answer["messages"][0] == {
        "messageId": "m-1",
        "status": {
            "groupId": 1,
            "groupName": "PENDING",
            "id": 7,
            "name": "PENDING_ENROUTE",
            "description": STATUSES[7].description,
        },
        "destination": "66",
    }
