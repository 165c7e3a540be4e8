"""What the console has others do: it knows pages, not passwords, LINE or the rules of a request.

`console_hands.py` puts the parts of the API behind these; both edges stay strangers.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from linegate.domain.violation import Violation

__all__ = ["Checked", "Finding", "Hands", "LoginRefused", "Sent"]


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """Why nobody was logged in; retry_after: seconds, 0 if it may be tried again at once."""

    words: str
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What the rules say of a content. line_json: the LINE message object, if it has no faults."""

    violations: Sequence[Violation]
    line_json: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a request: the API's status and its answer, JSON."""

    status: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a sender looked at."""

    is_good: bool
    words: str


@dataclass(frozen=True, slots=True)
class Hands:
    """Everything that is done elsewhere.

    login:         name, password, address, now -> the user's id.
    hash_password: what is stored of a password; slow, so called beside the event loop.
    check:         a LINE_NOTIFICATION's JSON -> its violations.
    send:          account id, scopes, name of the caller, body -> as POST /line/1/messages answers.
    check_sender:  account id, sender's name -> what LINE says.
    """

    login: Callable[[str, str, str | None, datetime], Awaitable[int | LoginRefused]]
    hash_password: Callable[[str], str]
    check: Callable[[bytes], Checked]
    send: Callable[[int, frozenset[str], str, bytes], Awaitable[Sent]]
    check_sender: Callable[[int, str], Awaitable[Sequence[Finding]]]
