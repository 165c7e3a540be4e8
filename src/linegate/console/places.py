"""Where in a JSON text each property stands, so that a violation is shown at its line."""

import json
import re

__all__ = ["line_of", "lines_of"]

_BLANK = re.compile(r"\s*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_DEEPEST = 64
_DECODER = json.JSONDecoder()


def lines_of(text: str) -> dict[str, int]:
    """Path -> line, from 1; paths as violations write them, `contents.body.contents[0].text`.

    Of a text that is broken, what stands before the break.
    """
    reader = _Reader(text)
    try:
        reader.value("", 0)
    except (ValueError, IndexError):
        return reader.lines  # a text that is being typed: what was read so far is right
    return reader.lines


def line_of(lines: dict[str, int], path: str) -> int | None:
    """The line of a property, or of the nearest thing around it that is there."""
    while path:
        if path in lines:
            return lines[path]
        path = path.rpartition("[")[0] if path.endswith("]") else path.rpartition(".")[0]
    return lines.get("")


class _Reader:
    """Walks over a text once."""

    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {}
        self._text = text
        self._at = 0
        self._counted = 0
        self._line = 1

    def value(self, path: str, depth: int) -> None:
        """Read one value that stands under `path`."""
        self._skip()
        self.lines.setdefault(path, self._line_now())
        first = self._text[self._at]
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if first == "{":
            self._members(path, depth)
        elif first == "[":
            self._elements(path, depth)
        elif first == '"':
            self._string()
        else:
            found = _SCALAR.match(self._text, self._at)
            if found is None:
                raise ValueError("no value")
            self._at = found.end()

    def _members(self, path: str, depth: int) -> None:
        self._at += 1
        while not self._ends("}"):
            self._skip()
            line = self._line_now()
            inner = f"{path}.{self._string()}".removeprefix(".")
            self.lines.setdefault(inner, line)
            self._expect(":")
            self.value(inner, depth + 1)

    def _elements(self, path: str, depth: int) -> None:
        self._at += 1
        count = 0
        while not self._ends("]"):
            self.value(f"{path}[{count}]", depth + 1)
            count += 1

    def _ends(self, bracket: str) -> bool:
        """Whether the list of members is over; passes a comma."""
        self._skip()
        found = self._text[self._at]
        if found in (bracket, ","):
            self._at += 1
        return found == bracket

    def _string(self) -> str:
        self._skip()
        if self._text[self._at] != '"':
            raise ValueError("no string")
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return str(value)

    def _expect(self, mark: str) -> None:
        self._skip()
        if self._text[self._at] != mark:
            raise ValueError(f"no {mark}")
        self._at += 1

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _line_now(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
