"""SMPP's tables and formats: answers, receipts, addresses, spans."""

from datetime import UTC, datetime, timedelta

import pytest
import smpp34

from linegate.domain.outcome import OutcomeKind
from linegate.domain.status import ERRORS, STATUSES
from linegate.domain.transport import Submission
from linegate.sms.smpp.addresses import destination_of, source_of
from linegate.sms.smpp.answers import STATES, outcome_of, state_of
from linegate.sms.smpp.answers import STATUSES as COMMAND_STATUSES
from linegate.sms.smpp.pdu import RESPONSE, frame, relative_time, submit_bodies
from linegate.sms.smpp.receipt import id_key, is_receipt, likely_keys, read_receipt

_AT = "2601150912"


def _delivery(text: bytes = b"", tlvs: list[smpp34.Tlv] | None = None) -> smpp34.DeliverSm:
    return smpp34.DeliverSm("+819010000001", "Shop", text, esm_class=4, tlvs=tlvs or [])


def _text(id_: str, state: str, error: str = "000") -> bytes:
    return (
        f"id:{id_} sub:001 dlvrd:001 submit date:{_AT} done date:{_AT} stat:{state} err:{error}"
        " Text:stat:FAKE id:9"
    ).encode()


def test_every_answer_and_state_ends_in_published_ids() -> None:
    for kind, status, error, _ in COMMAND_STATUSES.values():
        assert error in ERRORS
        assert kind is OutcomeKind.ACCEPTED or status in STATUSES
    for _, status, error in STATES.values():
        assert status in STATUSES
        assert error in ERRORS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x00, OutcomeKind.ACCEPTED),
        (0x0B, OutcomeKind.REFUSED),
        (0x58, OutcomeKind.SLOWED),
        (0x14, OutcomeKind.SLOWED),
        (0x08, OutcomeKind.UNSENT),
        (0x0E, OutcomeKind.UNAUTHORISED),
        (0x400, OutcomeKind.REFUSED),  # a vendor's own
    ],
)
def test_a_command_status_means_one_outcome(status: int, kind: OutcomeKind) -> None:
    assert outcome_of(status).kind is kind


def test_every_command_status_of_smpp_34_is_in_the_table() -> None:
    """Source: SMPP 3.4, 5.1.3; what it does not list is reserved or a vendor's own."""
    named = {*range(0x09), *range(0x0A, 0x10), 0x11, 0x13, 0x14, 0x15, 0x33, 0x34}
    named |= {0x40, *range(0x42, 0x46), *range(0x48, 0x4A), 0x50, 0x51, *range(0x53, 0x56), 0x58}
    named |= {*range(0x61, 0x68), *range(0xC0, 0xC5), 0xFE, 0xFF}
    assert set(COMMAND_STATUSES) == named


def test_an_unknown_state_is_a_failure_that_nobody_can_explain() -> None:
    assert state_of("WHATEVER")[1:] == (9, 255)
    assert state_of(77)[1:] == (9, 255)


def test_a_text_receipt_names_message_state_and_time() -> None:
    receipt = read_receipt(_delivery(_text("0A1", "UNDELIV", "027")))
    assert receipt is not None
    assert receipt.ids == ("a1", "161")
    assert receipt.destination == "819010000001"
    assert (receipt.status, receipt.error) == (9, 32)
    assert receipt.detail == "UNDELIV err:027"
    assert receipt.done_at == datetime(2026, 1, 15, 9, 12, tzinfo=UTC)


def test_optional_parameters_go_before_the_text() -> None:
    tlvs = [smpp34.Tlv(0x1E, b"77\0"), smpp34.Tlv(0x0427, b"\x02")]
    receipt = read_receipt(_delivery(_text("1", "UNDELIV"), tlvs))
    assert receipt is not None
    assert receipt.ids[0] == "77"
    assert receipt.delivered


def test_a_receipt_in_message_payload_is_read_too() -> None:
    receipt = read_receipt(_delivery(tlvs=[smpp34.Tlv(0x0424, _text("5", "DELIVRD"))]))
    assert receipt is not None
    assert receipt.delivered


@pytest.mark.parametrize(
    "text", [b"id:7 stat:DELIVRD\0", b"id:7 stat:DELIVRD err:000\0", b"stat:DELIVRD id:7\0"]
)
def test_a_text_may_end_with_nul(text: bytes) -> None:
    receipt = read_receipt(_delivery(text))
    assert receipt is not None
    assert (receipt.ids[0], receipt.status, receipt.detail) == ("7", 5, "DELIVRD")


def test_what_names_no_message_is_no_receipt() -> None:
    assert read_receipt(_delivery(b"hello")) is None
    assert read_receipt(_delivery(b"id: stat:DELIVRD")) is None
    assert not is_receipt(smpp34.DeliverSm("1", "2", b"id:1 stat:DELIVRD", esm_class=0))


@pytest.mark.parametrize(
    ("answered", "receipted"),
    [("a0b0c0d", "168496141"), ("168496141", "A0B0C0D"), ("007", "7"), ("0A", "a"), ("x-1", "X-1")],
)
def test_decimal_and_hexadecimal_ids_find_each_other(answered: str, receipted: str) -> None:
    assert id_key(answered) in likely_keys(receipted)


@pytest.mark.parametrize(
    ("sender", "ton", "npi", "text"),
    [
        ("Shop", 5, 0, "Shop"),
        ("777", 3, 0, "777"),
        ("12345", 3, 0, "12345"),
        ("819012345678", 1, 1, "819012345678"),
        ("+12345", 1, 1, "12345"),
        ("4U", 5, 0, "4U"),
    ],
)
def test_a_sender_has_its_type_of_number(sender: str, ton: int, npi: int, text: str) -> None:
    assert source_of(sender) == (ton, npi, text)


def test_a_phone_is_an_international_number() -> None:
    assert destination_of("819012345678") == (1, 1, "819012345678")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(hours=48), "000002000000000R"),
        (timedelta(minutes=1, seconds=5), "000000000105000R"),
        (timedelta(0), "000000000001000R"),
    ],
)
def test_a_validity_is_a_span_and_not_an_instant(span: timedelta, text: str) -> None:
    assert relative_time(span) == text


def test_each_attempt_at_a_long_text_has_the_same_parts_with_a_receipt_for_each() -> None:
    sms = Submission(7 << 22 | 5 << 4, "Shop", "819012345678", "x" * 400, timedelta(hours=1))
    bodies = submit_bodies(sms, in_payload=False)
    assert bodies == submit_bodies(sms, in_payload=False)
    units = [smpp34.decode(frame(4, 1, body)) for body in bodies]
    headers = []
    for unit in units:
        assert isinstance(unit, smpp34.SubmitSm)
        assert unit.esm_class == 0x40
        assert unit.registered_delivery == 1
        assert unit.validity_period == "000000010000000R"
        headers.append(unit.short_message[:6])
    assert headers == [bytes([5, 0, 3, 7 ^ 5, 3, number]) for number in (1, 2, 3)]


def test_a_long_text_in_payload_is_one_unit() -> None:
    sms = Submission(1, "Shop", "819012345678", "あ" * 400, timedelta(hours=1))
    (body,) = submit_bodies(sms, in_payload=True)
    unit = smpp34.decode(frame(4, 1, body))
    assert isinstance(unit, smpp34.SubmitSm)
    assert unit.short_message == b""
    assert unit.tlvs[0].value.decode("utf-16-be") == "あ" * 400


def test_a_response_is_the_command_with_its_highest_bit() -> None:
    assert frame(4 | RESPONSE, 9, b"id\0", status=1).hex() == (
        "00000013800000040000000100000009696400"
    )
