"""The lines of an import: a stream of bytes to destinations with their line numbers.

NDJSON: a destination a line, in the words of the API. CSV (RFC 4180): a header that names the
columns, then a destination a row; `to`, `messageId`, and every other column is a placeholder.
"""

import csv
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from linegate.api.schemas import Destination
from linegate.domain.violation import Violation

__all__ = [
    "Line",
    "Numbered",
    "csv_destinations",
    "csv_header",
    "json_destinations",
    "lines_of",
]

_LONGEST = 64 * 1024  # bytes of one destination
_TO = 255
_MESSAGE_ID = 200
_TEXT = 2000
_DECODER = msgspec.json.Decoder(Destination)
_NUL = b"\\u0000"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or one CSV row of several; number: of its first line, from 1."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Numbered:
    """A destination and the line it is from."""

    line: int
    destination: Destination


async def lines_of(
    parts: AsyncIterator[bytes], *, first_limit: int, quoted: bool
) -> AsyncIterator[Line | Violation]:
    """The lines that are not empty; ends with a Violation for one that is too long.

    first_limit: bytes that the first line may have.
    quoted:      line breaks inside of double quotes end no line (after the first line).
    """
    number, limit = 0, first_limit
    start, kept = 1, b""
    rest = b""
    async for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for each in whole:
            number += 1
            kept = kept + b"\n" + each if kept else each
            if quoted and start > 1 and kept.count(b'"') % 2:
                if len(kept) > limit:
                    break
                continue
            if len(kept) > limit:
                break
            if kept.strip():
                yield Line(start, kept.rstrip(b"\r"))
                limit = _LONGEST
            start, kept = number + 1, b""
        if len(kept) + len(rest) > limit:
            yield Violation(f"line {start}", f"must not be longer than {limit} bytes")
            return
    kept = kept + b"\n" + rest if kept else rest
    if kept.strip():
        yield Line(start, kept.rstrip(b"\r"))


def json_destinations(lines: Sequence[Line]) -> tuple[list[Numbered], list[Violation]]:
    """Lines of NDJSON read; what is wrong with which."""
    read: list[Numbered] = []
    wrong: list[Violation] = []
    for line in lines:
        place = f"line {line.number}"
        try:
            destination = _DECODER.decode(line.text)
        except msgspec.ValidationError as error:
            reason, _, at = str(error).partition(" - at `$")
            wrong.append(Violation(place + at.rstrip("`"), reason))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            wrong.append(Violation(place, "must be a JSON object"))
        else:
            if _NUL in line.text or b"\x00" in line.text:
                wrong.append(Violation(place, "must not contain the character U+0000"))
            read.append(Numbered(line.number, destination))
    return read, wrong


def csv_header(line: Line) -> list[str] | Violation:
    """The columns that a header names."""
    place = f"line {line.number}"
    try:
        (names,) = csv.reader([line.text.decode("utf-8-sig")], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        return Violation(place, "must be a CSV header in UTF-8")
    names = [name.strip() for name in names]
    if "to" not in names or "" in names or len(set(names)) < len(names):
        return Violation(place, "must name each column once, and one of them `to`")
    return names


def csv_destinations(
    columns: Sequence[str], lines: Sequence[Line]
) -> tuple[list[Numbered], list[Violation]]:
    """Rows of CSV read; what is wrong with which."""
    read: list[Numbered] = []
    wrong: list[Violation] = []
    for line in lines:
        found = _row(columns, line)
        if isinstance(found, Violation):
            wrong.append(found)
        else:
            read.append(Numbered(line.number, found))
    return read, wrong


def _row(columns: Sequence[str], line: Line) -> Destination | Violation:
    place = f"line {line.number}"
    try:
        text = line.text.decode()
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return Violation(place, "must be a row of CSV in UTF-8")
    values = rows[0] if len(rows) == 1 else []
    if len(values) != len(columns):
        return Violation(place, f"must have {len(columns)} columns, as the header")
    named = dict(zip(columns, values, strict=True))
    to, message_id = named.pop("to").strip(), named.pop("messageId", "").strip()
    limits = [("to", to, _TO), ("messageId", message_id, _MESSAGE_ID)]
    for name, value, longest in [*limits, *((name, value, _TEXT) for name, value in named.items())]:
        if len(value) > longest or "\x00" in value:
            reason = f"must have at most {longest} characters, none of them NUL"
            return Violation(f"{place}.{name}", reason)
    if not to:
        return Violation(f"{place}.to", "is required")
    return Destination(to=to, message_id=message_id or None, placeholders=named or None)
