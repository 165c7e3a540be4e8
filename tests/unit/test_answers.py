"""What LINE's answers mean: every documented body, and every status there could be."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.outcome import OutcomeKind
from linegate.domain.status import ERRORS, STATUSES
from linegate.line.answers import ROWS, as_markdown, outcome_of, unknown, unsent

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "line-outcomes.md"
K = OutcomeKind


def a_body(message: str, detail: str | None = None, where: str | None = None) -> bytes:
    body: dict[str, object] = {"message": message}
    if detail is not None:
        body["details"] = [{"message": detail, "property": where}]
    return json.dumps(body).encode()


# HTTP status, body, then kind, error and status that are expected.
DOCUMENTED: list[tuple[int, bytes, OutcomeKind, int, int]] = [
    (200, b"{}", K.ACCEPTED, 0, 0),
    (202, b"{}", K.ACCEPTED, 0, 0),
    (
        400,
        a_body(
            "The request body has 1 error(s)", "The value must be a valid SHA-256 digest.", "to"
        ),
        K.REFUSED,
        351,
        52,
    ),
    (
        400,
        a_body(
            "Invalid templateKey: no_such_ja",
            "The specified template doesn't exist, or you don't have the permission",
            "templateKey",
        ),
        K.REFUSED,
        7009,
        4,
    ),
    (
        400,
        a_body(
            "The request body has 1 invalid key(s).",
            "The specified item key does not exist: no_such",
            "body.items[0].itemKey",
        ),
        K.REFUSED,
        7009,
        4,
    ),
    (
        400,
        a_body(
            "The request body has 1 error(s)",
            "Duplicate itemKey in items or between emphasizedItem and items are not allowed: a",
            "body.emphasizedItem.itemKey",
        ),
        K.REFUSED,
        7009,
        4,
    ),
    (
        400,
        a_body("The request body has 1 error(s)", "must be specified", "messages[0].altText"),
        K.REFUSED,
        7006,
        4,
    ),
    (
        400,
        a_body("The request body could not be parsed as JSON (line: 1, column: 2)"),
        K.REFUSED,
        7006,
        4,
    ),
    (400, a_body("The property, to, in the request body is invalid (x)"), K.REFUSED, 7006, 4),
    (401, a_body("Authentication failed due to the following reason: x"), K.UNAUTHORISED, 7004, 4),
    (
        403,
        a_body("Access to this API is not available for your account"),
        K.FORBIDDEN,
        7005,
        4,
    ),
    (413, b"", K.REFUSED, 7006, 4),
    (415, b"", K.REFUSED, 7006, 4),
    (422, a_body("Failed to send messages"), K.REFUSED, 7002, 9),
    (
        429,
        a_body("The API rate limit has been exceeded. Try again later."),
        K.SLOWED,
        7017,
        0,
    ),
    (429, a_body("You have reached your monthly limit."), K.MONTHLY_LIMIT, 7011, 4),
    (500, a_body("Internal Server Error"), K.UNKNOWN, 7051, 0),
]

# What no page documents, and why it must be so all the same.
UNDOCUMENTED: list[tuple[int, bytes, OutcomeKind]] = [
    (201, b"", K.ACCEPTED),
    (204, b"", K.ACCEPTED),
    (302, b"", K.UNKNOWN),
    (307, b"", K.UNKNOWN),
    (404, b"<html>not found</html>", K.UNSENT),
    (405, b"", K.UNSENT),
    (408, b"", K.UNKNOWN),
    (409, b"", K.UNKNOWN),
    (418, b"", K.REFUSED),
    (429, b"", K.SLOWED),
    (429, b"Slow down, please", K.SLOWED),
    (429, a_body("MONTHLY LIMIT reached, in new words"), K.MONTHLY_LIMIT),
    (502, b"<html>bad gateway</html>", K.UNKNOWN),
    (503, a_body("You have reached your monthly limit."), K.UNKNOWN),
    (504, b"", K.UNKNOWN),
    (599, b"", K.UNKNOWN),
    (100, b"", K.UNKNOWN),
    (999, b"", K.UNKNOWN),
]


@pytest.mark.parametrize(("code", "body", "kind", "error", "status"), DOCUMENTED)
def test_every_documented_answer_has_its_outcome(
    code: int, body: bytes, kind: OutcomeKind, error: int, status: int
) -> None:
    outcome = outcome_of(code, body, "r-1")
    assert (outcome.kind, outcome.error, outcome.status) == (kind, error, status)
    assert (outcome.code, outcome.request_id) == (code, "r-1")


@pytest.mark.parametrize(("code", "body", "kind"), UNDOCUMENTED)
def test_every_other_answer_has_an_explicit_outcome(
    code: int, body: bytes, kind: OutcomeKind
) -> None:
    assert outcome_of(code, body, "").kind is kind


def test_every_row_is_reached() -> None:
    reached = set()
    answers = [(row[0], row[1]) for row in DOCUMENTED] + [(row[0], row[1]) for row in UNDOCUMENTED]
    for code, body in answers:
        text = body.decode().lower()
        reached.add(next(n for n, row in enumerate(ROWS) if row.matches(code, text)))
    assert reached == set(range(len(ROWS)))


@given(st.integers(0, 999), st.binary(max_size=100))
def test_no_answer_is_without_an_outcome(code: int, body: bytes) -> None:
    outcome = outcome_of(code, body, "")
    assert outcome.code == code
    assert len(outcome.detail) <= 200


@given(st.integers(500, 599), st.binary(max_size=100))
def test_a_fault_at_line_is_never_taken_for_unsent(code: int, body: bytes) -> None:
    assert outcome_of(code, body, "").kind is K.UNKNOWN


def test_every_id_in_the_table_is_a_public_one() -> None:
    assert {row.error for row in ROWS} <= ERRORS.keys()
    assert {row.status for row in ROWS} - {0} <= STATUSES.keys()


def test_only_an_outcome_that_ends_a_message_names_the_status_it_ends_with() -> None:
    final = {K.REFUSED, K.FORBIDDEN, K.MONTHLY_LIMIT, K.UNAUTHORISED}
    assert all((row.status != 0) == (row.kind in final) for row in ROWS)


def test_the_words_of_line_are_kept_for_the_time_line() -> None:
    body = a_body("The request body has 1 error(s)", "must be specified", "messages[0].altText")
    assert outcome_of(400, body, "").detail == (
        "The request body has 1 error(s); must be specified; messages[0].altText"
    )


@pytest.mark.parametrize(
    "private",
    [
        "+818000001234",
        "0812345678",
        "d41e0ad70dddfeb68f149ad6fc61574b9c5780ab7bcb2fba5517771ffbb2409c",
    ],
)
def test_no_number_and_no_digest_stays_in_the_detail(private: str) -> None:
    detail = outcome_of(400, a_body(f"bad value {private} given"), "").detail
    assert detail == "bad value # given"
    assert private not in unknown(f"x {private}").detail + unsent(f"x {private}").detail


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"message":5}', b"\xff"])
def test_an_unreadable_error_body_is_said_to_be_so(body: bytes) -> None:
    assert outcome_of(400, body, "").detail == "no readable error body"


def test_no_connection_is_unsent_and_no_answer_is_unknown() -> None:
    assert (unsent("x").kind, unsent("x").error) == (K.UNSENT, 7050)
    assert (unknown("x").kind, unknown("x").error) == (K.UNKNOWN, 7051)


def test_the_reference_prints_the_table_of_the_code() -> None:
    assert as_markdown() in REFERENCE.read_text(encoding="utf-8")


def test_words_that_the_database_refuses_do_not_get_there() -> None:
    body = b'{"message": "bad\\u0000 \\u0007 value\\u2028here"}'
    assert outcome_of(400, body, "r").detail == "bad  value here"
