"""Numbers as people write them become E.164 digits, and digits become LINE's digest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.phone import line_hash, normalise


@pytest.mark.parametrize(
    "written",
    ["66855538125", "+66855538125", "0066855538125", "+66 85 553-8125", " 66-855-538-125 "],
)
def test_usual_ways_of_writing_give_the_same_digits(written: str) -> None:
    assert normalise(written) == "66855538125"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "00",
        "0855538125",
        "+0855538125",
        "000855538125",
        "66(0)855538125",
        "66.855.538.125",
        "66855538125x1",
        "++66855538125",
        "66+855538125",
        "\u0666\u0666855538125",
        "668555\n38125",
        "66\u00a0855538125",
        "123456",
        "1234567890123456",
    ],
)
def test_what_is_no_e164_number_is_none(written: str) -> None:
    assert normalise(written) is None


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True), st.sampled_from(["", "+", "00"]))
def test_prefix_changes_nothing_and_normalising_is_stable(digits: str, prefix: str) -> None:
    assert normalise(prefix + digits) == digits


@pytest.mark.parametrize(
    ("digits", "digest"),
    [
        ("818000001234", "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c"),
        ("66855538125", "b97308a29e3d2e3181e35355181a8cdc2e331e11c77a7fcca7696998ea6f796a"),
        ("886912345678", "1315ec4a63ba3d2b8f5db63688770e89a402ee623ef33e4c8c2f36e48f271be0"),
    ],
)
def test_digest_is_the_one_line_documents(digits: str, digest: str) -> None:
    assert line_hash(digits) == digest
