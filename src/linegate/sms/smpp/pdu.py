"""Protocol data units: the 16-byte header and the short bodies here, the long ones by smpp34.

Source: SMPP 3.4, 3.2 (header), 4.1 (bind), 4.4 (submit_sm), 5.1.2 (command ids).
"""

import struct
from datetime import timedelta
from typing import NamedTuple

import smpp34

from linegate.domain.transport import Submission
from linegate.sms.segments import Parts, split
from linegate.sms.smpp.addresses import destination_of, source_of

__all__ = [
    "BIND_TRANSCEIVER",
    "DELIVER_SM",
    "ENQUIRE_LINK",
    "GENERIC_NACK",
    "HEADER",
    "LONGEST",
    "MESSAGE_PAYLOAD",
    "RESPONSE",
    "SUBMIT_SM",
    "UNBIND",
    "Header",
    "bind_body",
    "first_string",
    "frame",
    "relative_time",
    "submit_bodies",
]

GENERIC_NACK = 0x80000000
SUBMIT_SM = 0x00000004
DELIVER_SM = 0x00000005
UNBIND = 0x00000006
BIND_TRANSCEIVER = 0x00000009
ENQUIRE_LINK = 0x00000015
RESPONSE = 0x80000000

HEADER = 16
LONGEST = 0x11000  # a message_payload of 64 KB and what stands around it
_LAYOUT = struct.Struct(">IIII")
_VERSION = 0x34
MESSAGE_PAYLOAD = 0x0424
_UDH = 0x40
_RECEIPT_WANTED = 1


class Header(NamedTuple):
    """length of all, header included; command; status; sequence number."""

    length: int
    command: int
    status: int
    sequence: int

    @classmethod
    def read(cls, data: bytes) -> "Header":
        """The header in the first 16 bytes."""
        return cls(*_LAYOUT.unpack(data[:HEADER]))


def frame(command: int, sequence: int, body: bytes = b"", *, status: int = 0) -> bytes:
    """A whole unit."""
    return _LAYOUT.pack(HEADER + len(body), command, status, sequence) + body


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """The body of a bind; the texts are ASCII without NUL, checked where the route is read."""
    texts = (system_id, password, system_type)
    named = b"".join(text.encode("latin-1") + b"\0" for text in texts)
    return named + bytes([_VERSION, 0, 0, 0])


def first_string(body: bytes) -> str:
    """The C string a response begins with: the system's id or the message's."""
    return body.split(b"\0", 1)[0].decode("latin-1")


def relative_time(span: timedelta) -> str:
    """A validity period: `YYMMDDhhmmss000R`, a span that no zone can change.

    Source: SMPP 3.4, 7.1.1.
    """
    seconds = max(1, round(span.total_seconds()))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"0000{min(days, 99):02d}{hours:02d}{minutes:02d}{seconds:02d}000R"


def submit_bodies(submission: Submission, *, in_payload: bool) -> list[bytes]:
    """The bodies of the submit_sm units of one text: one for each part, or a single one with all
    of it as `message_payload`.
    """
    parts = split(submission.text)
    if len(parts.bodies) == 1:
        return [_submit(submission, parts, parts.bodies[0])]
    if in_payload:
        tlv = smpp34.Tlv(MESSAGE_PAYLOAD, b"".join(parts.bodies))
        return [_submit(submission, parts, b"", tlvs=[tlv])]
    # The same for each attempt: a phone that gets a part twice still shows one text.
    reference = (submission.message_id >> 4 ^ submission.message_id >> 22) & 0xFF
    total = len(parts.bodies)
    return [
        _submit(
            submission, parts, bytes([5, 0, 3, reference, total, number]) + body, esm_class=_UDH
        )
        for number, body in enumerate(parts.bodies, 1)
    ]


def _submit(
    submission: Submission,
    parts: Parts,
    body: bytes,
    *,
    esm_class: int = 0,
    tlvs: list[smpp34.Tlv] | None = None,
) -> bytes:
    source = source_of(submission.sender)
    destination = destination_of(submission.destination)
    unit = smpp34.SubmitSm(
        source.text,
        destination.text,
        body,
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        esm_class=esm_class,
        validity_period=relative_time(submission.validity),
        registered_delivery=_RECEIPT_WANTED,
        data_coding=parts.coding.value,
        tlvs=tlvs or [],
    )
    return unit.encode()[HEADER:]
