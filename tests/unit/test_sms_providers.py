"""The HTTP providers' formats, and a route's URL."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from linegate.domain.outcome import OutcomeKind
from linegate.domain.status import ERRORS, STATUSES
from linegate.domain.transport import Price
from linegate.sms.http import Answer
from linegate.sms.infobip.answers import read_reports
from linegate.sms.infobip.answers import submitted_of as infobip_submitted
from linegate.sms.infobip.transport import InfobipOptions
from linegate.sms.pace import Pace
from linegate.sms.route_url import RouteUrlError, read_route_url
from linegate.sms.senders import is_sms_sender
from linegate.sms.smpp.transport import SmppOptions
from linegate.sms.twilio.answers import FAILURES, REFUSALS, read_status
from linegate.sms.twilio.answers import submitted_of as twilio_submitted
from linegate.sms.twilio.signature import sign, verify
from linegate.sms.twilio.transport import TwilioOptions

_NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)


def test_a_report_of_infobip_tells_price_parts_and_network() -> None:
    report = {
        "messageId": "0191",
        "to": "41793026727",
        "status": {"groupId": 3, "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "error": {"id": 0},
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "messageCount": 2,
        "mccMnc": "22801",
        "doneAt": "2026-01-15T09:00:00.000+0000",
        "callbackData": "ref",
    }
    receipts = read_reports(json.dumps({"results": [report]}).encode())
    assert receipts is not None
    (receipt,) = receipts
    assert receipt.delivered
    assert receipt.price == Price(0.01, "EUR")
    assert (receipt.parts, receipt.mcc_mnc, receipt.reference) == (2, "22801", "ref")
    assert receipt.done_at == _NOW


@pytest.mark.parametrize(("group", "status"), [(2, 9), (3, 5), (4, 15), (5, 4), (1, 3)])
def test_an_unpublished_status_of_infobip_counts_as_its_group(group: int, status: int) -> None:
    body = {"messageId": "1", "to": "1", "status": {"groupId": group, "id": 9999}}
    receipts = read_reports(json.dumps({"results": [body]}).encode())
    assert receipts is not None
    assert receipts[0].status == status


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"results":[{}]}', b"\xff"])
def test_what_is_no_report_is_told_apart(body: bytes) -> None:
    assert read_reports(body) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"mccMnc": "440\0"},
        {"messageCount": 40_000},
        {"price": {"pricePerMessage": 1e6, "currency": "EUR"}},
    ],
)
def test_a_report_that_no_database_can_keep_is_refused(wrong: dict[str, object]) -> None:
    report: dict[str, object] = {"messageId": "1", "to": "1", "status": {"groupId": 3, "id": 5}}
    assert read_reports(json.dumps({"results": [report]}).encode()) is not None
    assert read_reports(json.dumps({"results": [report | wrong]}).encode()) is None


def test_a_duplicate_id_at_infobip_means_that_it_was_taken_before() -> None:
    sent = {"messageId": "AB", "status": {"groupId": 5, "id": 23}}
    answer = Answer(200, json.dumps({"messages": [sent]}).encode())
    submitted = infobip_submitted(answer, parts=1, final=False)
    assert submitted.outcome.kind is OutcomeKind.ACCEPTED
    assert submitted.ids == ("ab",)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, OutcomeKind.REFUSED),
        (401, OutcomeKind.UNAUTHORISED),
        (429, OutcomeKind.SLOWED),
        (500, OutcomeKind.UNKNOWN),
        (302, OutcomeKind.UNKNOWN),
    ],
)
def test_both_providers_read_http_alike(status: int, kind: OutcomeKind) -> None:
    answer = Answer(status, b"not json")
    assert infobip_submitted(answer, parts=1, final=False).outcome.kind is kind
    assert twilio_submitted(answer, parts=1, final=False).outcome.kind is kind


def test_every_row_for_twilio_ends_in_published_ids() -> None:
    for status, error in [*REFUSALS.values(), *FAILURES.values()]:
        assert status in STATUSES
        assert error in ERRORS


def test_a_status_callback_of_twilio_tells_why() -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003", "To": "+81"}
    receipt = read_status(form, "ref")
    assert receipt is not None
    assert (receipt.status, receipt.error, receipt.ids) == (9, 27, ("sm1",))
    sent = read_status({"MessageSid": "SM1", "MessageStatus": "sent"}, "")
    assert sent is not None
    assert sent.pending
    assert read_status({"MessageSid": "SM1"}, "") is None


def test_the_signature_is_the_one_of_twilios_own_example() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    assert sign("12345", url, form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert verify("12345", url, form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not verify("12345", url, {**form, "Digits": "1235"}, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not verify("12345", url, form, None)


def test_a_url_tells_how_to_reach_an_smsc() -> None:
    made = read_route_url("smpps://us%40er:p%3Ass@smsc.example:3551?window=100&throughput=50")
    assert made.kind == "smpps"
    assert made.shown == "smpps://smsc.example:3551"
    assert made.options == SmppOptions(
        "smsc.example", 3551, "us@er", "p:ss", tls=True, window=100, throughput=50
    )
    assert "p:ss" not in repr(made)


def test_http_providers_are_spoken_to_with_tls_except_on_this_machine() -> None:
    made = read_route_url("infobip://KEY@abc.api.infobip.com").options
    assert made == InfobipOptions("https://abc.api.infobip.com", "KEY")
    made = read_route_url("twilio://AC1:TOK@127.0.0.1:9").options
    assert made == TwilioOptions("http://127.0.0.1:9", "AC1", "TOK")


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "smpp://",
        "smpp://host",
        "smpp://u:p@host:99999",
        "smpp://u:p@host/path",
        "smpp://u:p@host?windows=1",
        "smpp://u:p@host?window=0",
        "smpp://u:p@host?window=x",
        "smpp://u:p@host?long=never",
        "smpp://u%00:p@host",
        "infobip://host",
        "twilio://SID@host",
    ],
)
def test_a_wrong_url_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(RouteUrlError) as refused:
        read_route_url(url)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("sender", "good"),
    [("Shop", True), ("777", True), ("+819012345678", True), ("A" * 12, False), ("", False),
     ("12", False), ("1234567890123456", False), ("店", False), ("   ", False)],
)  # fmt: skip
def test_a_sender_is_a_number_or_a_short_name(sender: str, good: bool) -> None:
    assert is_sms_sender(sender) is good


def test_a_pace_gives_even_turns_and_no_burst_after_a_rest() -> None:
    pace = Pace(10)
    turns = [pace.turn(_NOW) for _ in range(5)]
    assert turns == [_NOW + timedelta(milliseconds=100) * n for n in range(5)]
    later = _NOW + timedelta(hours=1)
    assert pace.places(100, later) <= 2
    assert pace.turn(later) == later


def test_a_slowed_route_waits_longer_each_time_until_it_goes_well() -> None:
    pace = Pace(0)
    pace.slow(_NOW)
    assert pace.places(10, _NOW) == 0
    assert pace.turn(_NOW) == _NOW + timedelta(seconds=1)
    later = _NOW + timedelta(seconds=1)
    assert pace.places(10, later) == 10
    pace.slow(later)
    assert pace.places(10, later + timedelta(seconds=1)) == 0
    pace.went_well()
    again = later + timedelta(seconds=2)
    pace.slow(again)
    assert pace.places(10, again + timedelta(seconds=1)) == 10
