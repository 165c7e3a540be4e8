"""The delivery tag: what is written is read, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.line.tag import make_tag, read_tag

ids = st.integers(0, 2**63 - 1)
attempts = st.integers(1, 2**15 - 1)


@given(ids, attempts)
def test_every_tag_is_read_back(message_id: int, attempt: int) -> None:
    assert read_tag(make_tag(message_id, attempt)) == (message_id, attempt)


@given(ids, attempts)
def test_a_tag_keeps_to_the_length_that_line_allows(message_id: int, attempt: int) -> None:
    assert 16 <= len(make_tag(message_id, attempt)) <= 100


def test_the_form_of_a_tag_is_fixed() -> None:
    assert make_tag(0x0123456789ABCDEF, 10) == "linegate-0123456789abcdef-000a"


@pytest.mark.parametrize(
    ("message_id", "attempt"), [(-1, 1), (2**63, 1), (1, 0), (1, 2**15), (1, -1)]
)
def test_what_a_tag_cannot_hold_is_refused(message_id: int, attempt: int) -> None:
    with pytest.raises(ValueError, match="not"):
        make_tag(message_id, attempt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linegate-0123456789abcdef-000",
        "linegate-0123456789abcdef-000a0",
        "linegate-0123456789abcdef-0000",  # attempts start at 1
        "linegate-0123456789ABCDEF-000a",  # capitals
        "linegate-f123456789abcdef-000a",  # 64 bits
        "linegate-0123456789abcdef_000a",
        "linegate-0123_56789abcdef1-000a",
        "linegate-+123456789abcdef-000a",
        "linegate- 123456789abcdef-000a",
        "linegate-0x23456789abcdef-000a",
        "linegate-0123456789abcde\u0663-000a",  # a digit, but not ours
        "linegate-0123456789abcdeg-000a",
        "Linegate-0123456789abcdef-000a",
        "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c",
        "15034552939884E28681A7D668CEA94C147C716C0EC9DFE8B80B44EF3B57F6BD0602366BC3menu01",
    ],
)
def test_a_tag_that_is_not_ours_is_none(text: str) -> None:
    assert read_tag(text) is None


@given(st.text(max_size=40) | st.from_regex(r"linegate-[0-9a-fA-F_+ ]{16}-[0-9a-f]{4}\Z"))
def test_only_what_make_tag_writes_is_read(text: str) -> None:
    found = read_tag(text)
    assert found is None or make_tag(*found) == text
