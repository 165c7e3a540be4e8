"""When an answer of a client's endpoint counts as taken.

Without patterns of the client's own any 2xx does. Patterns run on RE2, whose time grows with the
text and nothing else, so that no pattern can hold a worker up.

Source: published profile settings `responseRegex`, `responseBodyRegex`; what exactly they are
matched against is not published (docs/decisions/0064).
"""

from dataclasses import dataclass
from typing import Protocol

import re2

__all__ = ["LONGEST_PATTERN", "Acceptance", "acceptance_of", "pattern_problem"]

LONGEST_PATTERN = 500
_MEMORY = 1 << 20


class _Pattern(Protocol):
    def search(self, text: bytes) -> object | None:
        """A match, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Acceptance:
    """code: searched in the status code's three digits; body: in the first 64 KB of the body."""

    code: _Pattern | None = None
    body: _Pattern | None = None

    def is_taken(self, code: int, body: bytes) -> bool:
        """Whether the endpoint has taken what was posted. A redirect or 410 never has."""
        if 300 <= code <= 399 or code == 410:
            return False
        if self.code is None:
            if not 200 <= code <= 299:
                return False
        elif self.code.search(str(code).encode()) is None:
            return False
        return self.body is None or self.body.search(body) is not None


def acceptance_of(code_pattern: str | None, body_pattern: str | None) -> Acceptance:
    """The rule of two patterns, each optional. Raises: ValueError for one that is none."""
    return Acceptance(
        _compiled(code_pattern) if code_pattern else None,
        _compiled(body_pattern) if body_pattern else None,
    )


def pattern_problem(pattern: str) -> str | None:
    """Why this is no pattern; None if it is one."""
    try:
        _compiled(pattern)
    except ValueError as error:
        return str(error)
    return None


def _compiled(pattern: str) -> _Pattern:
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"must be at most {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        made: _Pattern = re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise ValueError("must be a regular expression of RE2") from error
    return made
