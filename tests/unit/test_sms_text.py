"""Texts as parts: the right alphabet, as few parts as it takes, and nothing cut in two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.simulator.handset import Handsets, decode_gsm
from linegate.sms.alphabet import gsm_decode, gsm_encode
from linegate.sms.segments import Coding, count_parts, encode, split

_GSM = "".join(gsm_decode(bytes([code])) for code in range(128) if code != 0x1B)
_EXTENDED = "\f^{}\\[~]|€"


@given(st.text(alphabet=_GSM + _EXTENDED))
def test_gsm_text_reads_back_here_and_on_the_simulated_phone(text: str) -> None:
    septets = gsm_encode(text)
    assert septets is not None
    assert gsm_decode(septets) == text == decode_gsm(septets)


def test_the_alphabet_has_127_letters_and_ten_extended_ones() -> None:
    assert len(set(_GSM)) == 127
    assert all(gsm_encode(letter) == bytes([0x1B, gsm_encode(letter)[1]]) for letter in _EXTENDED)  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("", Coding.GSM, 1),
        ("a" * 160, Coding.GSM, 1),
        ("a" * 161, Coding.GSM, 2),
        ("a" * 306, Coding.GSM, 2),
        ("a" * 307, Coding.GSM, 3),
        ("€" * 80, Coding.GSM, 1),
        ("€" * 81, Coding.GSM, 2),
        ("ç", Coding.UCS2, 1),  # the table has only the capital letter
        ("あ" * 70, Coding.UCS2, 1),
        ("あ" * 71, Coding.UCS2, 2),
        ("あ" * 134, Coding.UCS2, 2),
        ("あ" * 135, Coding.UCS2, 3),
        ("😀" * 35, Coding.UCS2, 1),
        ("😀" * 36, Coding.UCS2, 2),
        ("😀" * 67, Coding.UCS2, 3),  # 33 emoji fill a part: the 67th unit stays empty
    ],
)
def test_a_text_takes_as_few_parts_as_possible(text: str, coding: Coding, parts: int) -> None:
    assert split(text).coding is coding
    assert count_parts(text) == parts


@given(st.text(max_size=600))
def test_parts_put_together_are_the_text_and_each_reads_by_itself(text: str) -> None:
    parts = split(text)
    assert b"".join(parts.bodies) == encode(text)[1]
    for body in parts.bodies:
        if parts.coding is Coding.UCS2:
            body.decode("utf-16-be")  # raises where a pair was cut in two
            assert len(body) <= 140
        else:
            assert len(body) <= 160
            assert not body.endswith(b"\x1b")


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert encode("あ\ud83d")[1].decode("utf-16-be") == "あ\ufffd"


def test_a_phone_shows_nothing_until_the_last_part_is_there_and_a_repeated_part_once() -> None:
    phone = Handsets()
    bodies = split("x" * 200).bodies
    for number in (2, 2, 1):
        header = bytes([5, 0, 3, 9, 2, number])
        assert not phone.shown
        phone.take("1", "S", header + bodies[number - 1], coding=0, has_header=True, at=0)
    assert [sms.text for sms in phone.shown] == ["x" * 200]
