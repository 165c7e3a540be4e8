"""Lines of an import: whatever way the bytes are cut, the same lines with the same numbers."""

import csv
import io
import json
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from linegate.api.import_lines import (
    Line,
    csv_destinations,
    csv_header,
    json_destinations,
    lines_of,
)
from linegate.domain.violation import Violation


async def cut(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


async def read(data: bytes, *sizes: int, quoted: bool = False) -> list[Line | Violation]:
    parts = cut(data, list(sizes))
    return [line async for line in lines_of(parts, first_limit=1000, quoted=quoted)]


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20)),
    sizes=st.lists(st.integers(0, 30)),
)
async def test_however_the_bytes_are_cut_the_lines_are_the_same(
    texts: list[str], sizes: list[int]
) -> None:
    data = "\r\n".join(texts).encode()
    found = await read(data, *sizes)
    expected = [
        Line(number, text.encode()) for number, text in enumerate(texts, 1) if text.encode().strip()
    ]
    assert found == expected


@given(
    rows=st.lists(
        st.tuples(
            st.text("0123456789", min_size=1, max_size=12),
            st.text(st.sampled_from('a",\n é'), max_size=12),
        ),
        min_size=1,
        max_size=20,
    ),
    sizes=st.lists(st.integers(0, 40)),
)
async def test_csv_comes_back_as_it_was_written(
    rows: list[tuple[str, str]], sizes: list[int]
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("to", "name"), *rows])
    data = b"{}\n" + out.getvalue().encode()
    _, header, *lines = await read(data, *sizes, quoted=True)
    assert isinstance(header, Line)
    columns = csv_header(header)
    assert columns == ["to", "name"]
    found, wrong = csv_destinations(columns, [line for line in lines if isinstance(line, Line)])
    assert wrong == []
    told = [(each.destination.to, (each.destination.placeholders or {})["name"]) for each in found]
    assert told == rows


async def test_a_line_that_is_too_long_ends_the_reading_with_its_number() -> None:
    found = await read(b"{}\n\n" + b"x" * 70_000 + b"\n{}\n", 10)
    assert found[0] == Line(1, b"{}")
    assert isinstance(found[1], Violation)
    assert found[1].property == "line 3"
    assert len(found) == 2


async def test_a_quote_that_never_ends_is_too_long_and_not_endless() -> None:
    rows = b"to,name\n" + b'1,"' + b"never ends\n" * 10_000
    found = await read(b"{}\n" + rows, 1000, quoted=True)
    assert isinstance(found[-1], Violation)
    assert found[-1].property == "line 3"


def test_every_broken_line_of_a_chunk_is_named() -> None:
    lines = [
        Line(2, b'{"to": "819012345678"}'),
        Line(3, b'{"to": 5}'),
        Line(4, b"not json"),
        Line(5, b'{"messageId": "a"}'),
        Line(6, b'{"to": "8190", "placeholders": {"name": 5}}'),
        Line(7, json.dumps({"to": "8190\0"}).encode()),
    ]
    _, wrong = json_destinations(lines)
    assert [each.property for each in wrong] == [
        "line 3.to",
        "line 4",
        "line 5",
        "line 6.placeholders[...]",
        "line 7",
    ]


def test_a_row_must_have_the_header_s_columns_and_a_number() -> None:
    columns = ["to", "messageId", "name"]
    rows = [Line(3, b"1,2"), Line(4, b",x,y"), Line(5, b'1,"x,y'), Line(6, b"1,,\xff")]
    _, wrong = csv_destinations(columns, rows)
    assert [each.property for each in wrong] == ["line 3", "line 4.to", "line 5", "line 6"]


def test_the_header_names_each_column_once_and_one_is_the_number() -> None:
    assert csv_header(Line(2, "\ufeffto,name".encode())) == ["to", "name"]
    for text in (b"name", b"to,to", b"to,", b'"to'):
        assert isinstance(csv_header(Line(2, text)), Violation)
