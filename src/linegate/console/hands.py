"""What the console has others do: it knows pages, not passwords, LINE or the rules of a request.

`console_hands.py` puts the parts of the API behind these; both edges stay strangers.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linegate.domain.violation import Violation

__all__ = ["Checked", "Finding", "Hands", "LoginRefused", "Save", "Sent"]


Save = Callable[[int, str, bytes, bool], Awaitable[Sequence[Violation]]]
"""Account id, who saves, a body as JSON, whether it is new -> what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """Why nobody was logged in; retry_after: seconds, 0 if it may be tried again at once."""

    words: str
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What the rules say of a request; warnings stop nothing."""

    violations: Sequence[Violation]
    warnings: Sequence[Violation] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a request of one message: its id and status, or what is wrong with it.

    group: of the status.
    """

    violations: Sequence[Violation] = ()
    message_id: str = ""
    status: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a sender looked at."""

    is_good: bool
    words: str


@dataclass(frozen=True, slots=True)
class Hands:
    """Everything that is done elsewhere.

    login:             name, password, address, now -> the user's id.
    hash_password:     what is stored of a password; slow, so called beside the event loop.
    check:             account id, body of a request -> what is wrong with it.
    send:              account id, who sends, body of a request for one number -> what became of it.
    register_template: account id, who registers, the template as JSON -> what is wrong with it,
                       nothing if it is registered or changed.
    check_sender:      account id, sender's name -> what LINE says of it.
    subscribe:         account id, who subscribes, a subscription as JSON, whether it is new -> what
                       is wrong with it, nothing if it is created or replaced.
    save_profile, save_security: the same of a notification profile and of security settings.
    save_certificate:  the same of a client certificate; there are only new ones.
    try_certificate:   account id, certificate id, URL -> why the URL did not take it, '' if it did;
                       None: there is no such certificate.
    profiles, securities: account id -> each in the API's names, secrets masked.
    """

    login: Callable[[str, str, str | None, datetime], Awaitable[int | LoginRefused]]
    hash_password: Callable[[str], str]
    check: Callable[[int, bytes], Awaitable[Checked]]
    send: Callable[[int, str, bytes], Awaitable[Sent]]
    register_template: Callable[[int, str, bytes], Awaitable[Sequence[Violation]]]
    check_sender: Callable[[int, str], Awaitable[Sequence[Finding]]]
    subscribe: Save
    save_profile: Save
    save_security: Save
    save_certificate: Save
    try_certificate: Callable[[int, str, str], Awaitable[str | None]]
    profiles: Callable[[int], Awaitable[Sequence[Mapping[str, Any]]]]
    securities: Callable[[int], Awaitable[Sequence[Mapping[str, Any]]]]
