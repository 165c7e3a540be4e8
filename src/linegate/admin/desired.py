"""What an operator declares: accounts and everything that belongs to them, as TOML or JSON.

What is left out stays as it is, of what exists, or is the default, of what is new. Nothing is ever
deleted. A secret is text, or `{ env = "NAME" }`, or `{ file = "PATH" }`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "Account",
    "Division",
    "Document",
    "DocumentError",
    "Key",
    "Resolve",
    "Route",
    "Secret",
    "SecretReference",
    "Sender",
    "Settings",
    "Template",
    "User",
    "read_document",
]

Name = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00-\x1f]+\Z")]
UserName = Annotated[str, Meta(max_length=255, pattern=r"^[^:\x00-\x1f\x7f]+\Z")]
Url = Annotated[str, Meta(max_length=2048, pattern=r"^https?://[^\x00-\x20]+\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
Price = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Positive = Annotated[int, Meta(ge=1, le=2_147_483_647)]


class DocumentError(Exception):
    """The document cannot be applied; the text says where and why. Nothing was changed."""


class SecretReference(Struct, forbid_unknown_fields=True):
    """Where a secret stands: an environment variable or a file, exactly one of them."""

    env: str | None = None
    file: str | None = None


Secret = str | SecretReference
Resolve = Callable[[Secret], str]


class Sender(Struct, forbid_unknown_fields=True):
    """A sender. Names are unique in the installation."""

    name: Name
    channel_id: str
    channel_secret: Secret
    access_token: Secret | None = None
    countries: list[Country] | None = None
    templates: Literal["optional", "required"] | None = None
    price: Price | None = None
    currency: Currency | None = None


class Key(Struct, forbid_unknown_fields=True):
    """An API key that the operator made: 32 characters at least, hard to guess."""

    key: Secret
    name: str = ""
    scopes: list[str] | None = None
    expires: datetime | None = None
    allowed_addresses: list[str] = []
    fill_application: str | None = None
    force_application: str | None = None
    fill_entity: str | None = None
    force_entity: str | None = None
    requests_per_second: Positive | None = None
    messages_per_day: Count | None = None
    messages_waiting: Count | None = None
    enabled: bool = True


class User(Struct, forbid_unknown_fields=True):
    """Who logs in by name and password. The password counts when the user is created."""

    name: UserName
    password: Secret
    scopes: list[str] | None = None
    enabled: bool = True


class Division(Struct, forbid_unknown_fields=True):
    """An application or an entity with its settings; what is left out it does not set."""

    id: Name
    name: str | None = None
    default_sender: str | None = None
    webhook: Url | None = None
    templates: Literal["free", "required"] | None = None
    messages_per_day: Count | None = None


class Route(Struct, forbid_unknown_fields=True):
    """A route for SMS failover."""

    name: Name
    url: Secret
    prefixes: list[str] = []
    senders: list[str] = []
    default_sender: str | None = None
    priority: int = 0
    enabled: bool = True


class Template(Struct, forbid_unknown_fields=True):
    """A registered template. Its bubble stands in `contents` or in a file, as JSON.

    approved: it is sent as it is declared; False: somebody approves it, or has done so.
    """

    sender: Name
    name: Name
    alt_text: str
    language: str = ""
    contents: dict[str, Any] | None = None
    file: str | None = None
    approved: bool = False


class Settings(Struct, forbid_unknown_fields=True):
    """What an account sets for itself; what is left out it does not set."""

    suspended: bool = False
    default_sender: str | None = None
    webhook: Url | None = None
    requests_per_second: Positive | None = None
    messages_per_day: Count | None = None
    messages_waiting: Count | None = None
    retention_days: Positive | None = None


class Account(Settings, kw_only=True, forbid_unknown_fields=True):
    """An account, its settings and what belongs to it."""

    name: Name
    senders: list[Sender] = []
    keys: list[Key] = []
    users: list[User] = []
    applications: list[Division] = []
    entities: list[Division] = []
    sms_routes: list[Route] = []
    templates: list[Template] = []
    blocklist: list[str] = []


class Document(Struct, forbid_unknown_fields=True):
    """Everything that is declared."""

    accounts: list[Account]


def read_document(tree: object) -> Document:
    """The document in decoded TOML or JSON. Raises: DocumentError saying what is wrong where."""
    try:
        return msgspec.convert(tree, Document)
    except msgspec.ValidationError as error:
        raise DocumentError(str(error)) from error
