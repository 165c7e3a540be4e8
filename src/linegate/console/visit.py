"""One request to the console by somebody who is logged in."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import parse_qsl

from starlette.requests import Request

from linegate.domain.keys import ALL_SCOPES
from linegate.postgres.audit import By

__all__ = ["ALL", "FORM_LIMIT", "Form", "Viewer", "Visit", "csrf_of", "read_form", "whole"]

ALL = "all"
FORM_LIMIT = 256 * 1024
_MOST_FIELDS = 200
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and at what.

    account_id:  the account that is looked at; None: all of them (operators only).
    accounts:    id -> name of every account this viewer may look at.
    """

    user_id: int
    name: str
    home_id: int
    scopes: frozenset[str]
    is_operator: bool
    account_id: int | None
    accounts: Mapping[int, str]

    @property
    def account_ids(self) -> Sequence[int]:
        """The accounts whose lists are shown."""
        return list(self.accounts) if self.account_id is None else [self.account_id]

    @property
    def acting_id(self) -> int:
        """The account in which something is made: the one looked at, else the viewer's own."""
        return self.home_id if self.account_id is None else self.account_id

    @property
    def acting_name(self) -> str:
        """The name of that account."""
        return self.accounts[self.acting_id]

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether one of these scopes is held; operators hold all."""
        return self.is_operator or bool(self.scopes & scopes)

    @property
    def is_administrator(self) -> bool:
        """Whether keys and users may be given out: nobody can give more than they hold."""
        return self.is_operator or self.scopes >= frozenset(ALL_SCOPES)


class Form:
    """The fields of a form."""

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Keep fields in their order."""
        self._fields = list(fields)

    def text(self, name: str, longest: int = 255) -> str:
        """A field's text without blanks around it, cut to the longest; '' if it is absent."""
        for key, value in self._fields:
            if key == name:
                return value.replace("\0", "").strip()[:longest]
        return ""

    def raw(self, name: str) -> str:
        """A field as it came; '' if it is absent."""
        return next((value for key, value in self._fields if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self._fields if key == name]


@dataclass
class Visit:
    """A request with who made it, when, and the form it brought."""

    request: Request
    viewer: Viewer
    token: str
    now: datetime
    form: Form = field(default_factory=Form)
    paths: frozenset[str] = frozenset()

    @cached_property
    def csrf(self) -> str:
        """What forms of this browser must bring."""
        return csrf_of(self.token)

    def mark(self, words: str) -> str:
        """What shows that words in an address were put there by us, for this browser."""
        return hmac.digest(self.token.encode(), f"said:{words}".encode(), "sha256").hex()[:32]

    @property
    def said(self) -> str:
        """What the page before wants said; '' if it was not us who wrote it."""
        words = self.query.raw("said")
        mark = self.query.text("mark", 32)
        is_ours = hmac.compare_digest(mark.encode(), self.mark(words).encode())
        return words if is_ours else ""

    @property
    def query(self) -> Form:
        """The fields of the address."""
        return Form(self.request.query_params.multi_items())

    @property
    def path(self) -> Mapping[str, str]:
        """The named parts of the path."""
        return self.request.path_params

    @property
    def actor(self) -> str:
        """Who the audit log names."""
        return f"user {self.viewer.name} (console)"

    @property
    def by(self) -> By:
        """Who says something with this request, and when."""
        return By(self.actor, self.now)


def csrf_of(token: str) -> str:
    """A value that only pages of this browser's session know."""
    return hmac.digest(token.encode(), b"linegate console form", "sha256").hex()


def whole(text: str) -> int | None:
    """A whole number that the database can hold; None for any other text."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


async def read_form(request: Request) -> Form | None:
    """The fields of a form's body; None if it is too large or no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LIMIT:
            return None
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return Form(pairs)
