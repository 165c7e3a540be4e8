"""What is wrong with a request, as a value: callers get all of them, not the first."""

from dataclasses import dataclass

__all__ = ["Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing the client must change.

    property:  where, as a path of the client's own names: `messages[0].destinations[2].to`;
               `$` for the request as a whole.
    violation: what is expected there, in plain words. Never repeats the client's value: it may
               be a phone number.
    Source:    docs/reference/content.md (ApiError, `violations`).
    """

    property: str
    violation: str
