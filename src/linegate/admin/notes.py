"""What applying changes, noted as it goes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from linegate.admin.desired import Resolve, Secret
from linegate.domain.violation import Violation
from linegate.postgres.templates import Wording
from linegate.vault import Vault

__all__ = ["Change", "Hands", "Notes", "Place", "ReadWording", "Spot"]

ReadWording = Callable[[bytes, datetime], Wording | list[Violation]]


class Change(NamedTuple):
    """One difference. subject: such as `acme sender ACME`; secrets are told as `(secret)`."""

    subject: str
    field: str
    before: object
    after: object


@dataclass(slots=True)
class Notes:
    """The differences so far."""

    changes: list[Change] = field(default_factory=list)

    def made(self, subject: str) -> None:
        """It did not exist."""
        self.changes.append(Change(subject, "", None, "created"))

    def gone(self, subject: str) -> None:
        """It exists no more."""
        self.changes.append(Change(subject, "", "there", "removed"))

    def differ(self, subject: str, **fields: tuple[object, object]) -> bool:
        """Note the fields whose value before is not the one after; whether there are any."""
        found = [
            Change(subject, name, before, after)
            for name, (before, after) in fields.items()
            if before != after
        ]
        self.changes += found
        return bool(found)

    def secret(self, subject: str, name: str) -> None:
        """A secret differs."""
        self.changes.append(Change(subject, name, "(secret)", "(another secret)"))


@dataclass(frozen=True, slots=True)
class Hands:
    """What applying needs besides the document.

    read_wording: a template's JSON as its rules see it.
    actor:        for the audit log.
    """

    vault: Vault
    resolve: Resolve
    hash_password: Callable[[str], str]
    read_wording: ReadWording
    actor: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Whose things are being changed, and when."""

    account_id: int
    account: str
    notes: Notes
    now: datetime

    def subject(self, kind: str, name: str) -> str:
        """How a thing is called in the notes."""
        return f"{self.account} {kind} {name}"


@dataclass(frozen=True, slots=True)
class Place(Spot):
    """The same, where secrets are read and sealed."""

    hands: Hands

    def text_of(self, secret: Secret) -> str:
        """The text of a secret."""
        return self.hands.resolve(secret)
