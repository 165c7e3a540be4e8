"""What LINE's answers to a push mean: one table, first matching row wins.

LINE may change its texts without notice, so a row looks for a few words and
not for a sentence, and every status has a row that needs no words at all. A
request without any answer is one of two values, `unsent` and `unknown`. This
file does not know HTTP libraries, and what happens next is decided elsewhere.

Source: LINE notification messages reference (error responses of both push
endpoints); Messaging API reference, "Status codes" and "Error responses".
"""

import re
from dataclasses import dataclass

import msgspec

from linegate.domain.outcome import Outcome, OutcomeKind

__all__ = ["ROWS", "Row", "as_markdown", "outcome_of", "unknown", "unsent"]

_PUSH = "LINE notification messages reference, error responses"
_COMMON = "Messaging API reference, Status codes"
_RETRY = "Messaging API, retrying a failed API request"
_HTTP = "RFC 9110, section 15"
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of answer.

    first, last: HTTP statuses, both inclusive.
    words:       lower case; any one of them in the body is enough. None = any body.
    error, status: ids as in `Outcome`.
    """

    first: int
    last: int
    words: tuple[str, ...]
    kind: OutcomeKind
    error: int
    status: int
    means: str
    source: str

    def matches(self, code: int, body: str) -> bool:
        """Whether this row speaks of an answer with this status and lower-case body."""
        if not self.first <= code <= self.last:
            return False
        return not self.words or any(word in body for word in self.words)


def _row(
    codes: int | tuple[int, int],
    kind: OutcomeKind,
    ids: tuple[int, int],
    means: str,
    source: str,
    *words: str,
) -> Row:
    first, last = codes if isinstance(codes, tuple) else (codes, codes)
    return Row(first, last, words, kind, ids[0], ids[1], means, source)


_K = OutcomeKind
_TEMPLATE_WORDS = (
    "templatekey",
    "specified template",
    "item key",
    "itemkey",
    "button key",
    "buttonkey",
)

# Each row: the HTTP statuses, what it is, error and status ids, meaning, source, words.
ROWS: tuple[Row, ...] = (
    _row(200, _K.ACCEPTED, (0, 0), "handed over (flexible type)", _PUSH),
    _row(202, _K.ACCEPTED, (0, 0), "handed over (template type)", _PUSH),
    # Success in a form not documented: sending again would show the message twice.
    _row((201, 299), _K.ACCEPTED, (0, 0), "handed over (undocumented success)", _HTTP),
    # Never followed. Some redirects mean that the request was carried out.
    _row((300, 399), _K.UNKNOWN, (7051, 0), "redirect; not followed", _HTTP),
    _row(400, _K.REFUSED, (351, 52), "the destination is no digest", _PUSH, "sha-256"),
    _row(400, _K.REFUSED, (7009, 4), "template, item or button refused", _PUSH, *_TEMPLATE_WORDS),
    _row(400, _K.REFUSED, (7006, 4), "the request is not valid", _PUSH),
    _row(401, _K.UNAUTHORISED, (7004, 4), "the channel token is bad", _COMMON),
    _row(403, _K.FORBIDDEN, (7005, 4), "the account may not use this API", _PUSH),
    # Nothing was done, and no other message would fare better: an address to correct.
    _row((404, 405), _K.UNSENT, (7081, 0), "no such endpoint: check the base URL", _HTTP),
    # A server that gave up waiting for the request; one in between may have passed it on.
    _row(408, _K.UNKNOWN, (7051, 0), "the request came too slowly", _HTTP),
    # Only for requests with a retry key, which are never sent: it would mean "already accepted".
    _row(409, _K.UNKNOWN, (7051, 0), "already accepted (cannot occur here)", _RETRY),
    _row(413, _K.REFUSED, (7006, 4), "the request is over 2 MB", _COMMON),
    _row(415, _K.REFUSED, (7006, 4), "wrong media type", _COMMON),
    _row(422, _K.REFUSED, (7002, 9), "this number is not reached by LINE", _PUSH),
    _row(429, _K.MONTHLY_LIMIT, (7011, 4), "the month's messages are used up", _COMMON, "monthly"),
    # Unknown words too: taking a rate limit for the monthly one would end messages for nothing.
    _row(429, _K.SLOWED, (7017, 0), "too many requests a second", _COMMON),
    _row((400, 499), _K.REFUSED, (7006, 4), "refused (undocumented)", _HTTP),
    # LINE has no idempotency for these endpoints: it may have been processed.
    _row((500, 599), _K.UNKNOWN, (7051, 0), "fault at LINE; may have been processed", _COMMON),
    _row((0, 999), _K.UNKNOWN, (7051, 0), "no status that HTTP knows", _HTTP),
)


class _Detail(msgspec.Struct):
    message: str = ""
    property: str = ""


class _ErrorBody(msgspec.Struct):
    message: str = ""
    details: list[_Detail] = []


_error_body = msgspec.json.Decoder(_ErrorBody)
# Digits that could be a number, and digests of numbers: neither belongs in a log.
_private = re.compile(r"\+?\d{6,}|[0-9a-fA-F]{32,}")


def outcome_of(code: int, body: bytes, request_id: str) -> Outcome:
    """The outcome that an answer of LINE to a push stands for.

    code:       the HTTP status.
    body:       as far as it came; may be empty, cut or no JSON at all.
    request_id: LINE's `x-line-request-id`; "" if it gave none.
    """
    if code in (200, 202):  # ahead of the table: nearly every answer is one of these
        return Outcome(OutcomeKind.ACCEPTED, code=code, request_id=request_id)
    row = _row_of(code, body)
    return Outcome(row.kind, row.error, row.status, code, request_id, _detail_of(body))


def unsent(detail: str) -> Outcome:
    """No connection was made, so LINE cannot have processed the request.

    Source: status registry mapping, "transport failure before bytes sent".
    """
    return Outcome(OutcomeKind.UNSENT, error=7050, detail=shortened(detail))


def unknown(detail: str) -> Outcome:
    """Bytes may have left and no answer came: LINE may have processed the request.

    Source: status registry mapping, "read time-out after bytes sent".
    """
    return Outcome(OutcomeKind.UNKNOWN, error=7051, detail=shortened(detail))


def shortened(words: str) -> str:
    """The words on one line, at most 200 characters, without numbers, digests or controls.

    A NUL in it would be refused by the database, and with it all that is written beside it.
    """
    one_line = _private.sub("#", " ".join(words.split()))[:_LONGEST_DETAIL]
    return "".join(each for each in one_line if each.isprintable())


def as_markdown() -> str:
    """The table as the reference prints it: docs/reference/line-outcomes.md."""
    lines = [
        "| HTTP | Words in the body | Means | Outcome | Error | Status | Source |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        codes = str(row.first) if row.first == row.last else f"{row.first}-{row.last}"
        words = ", ".join(f"`{word}`" for word in row.words) or "any"
        ids = f"{row.error or '-'} | {row.status or '-'}"
        lines.append(
            f"| {codes} | {words} | {row.means} | {row.kind.value} | {ids} | {row.source} |"
        )
    return "\n".join(lines) + "\n"


def _row_of(code: int, body: bytes) -> Row:
    text = body.decode("utf-8", "replace").lower()
    # The last row takes every status; a status past it is treated the same.
    return next((row for row in ROWS if row.matches(code, text)), ROWS[-1])


def _detail_of(body: bytes) -> str:
    try:
        error = _error_body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no readable error body" if body else ""
    first = error.details[0] if error.details else _Detail()
    parts = (error.message, first.message, first.property)
    return shortened("; ".join(part for part in parts if part))
