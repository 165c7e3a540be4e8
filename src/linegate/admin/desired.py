"""What an operator asks for: accounts and everything that belongs to them.

Names are those of JSON; a TOML file writes `channel_id` for `channelId`. UNSET is what was left
out, None takes a setting away. A secret is text, or `{ env = "NAME" }`, or `{ file = "PATH" }`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from linegate.domain.violation import Violation

__all__ = [
    "Account",
    "AccountSettings",
    "Division",
    "DivisionSettings",
    "Document",
    "DocumentError",
    "Key",
    "KeySettings",
    "Resolve",
    "Route",
    "Secret",
    "SecretReference",
    "Sender",
    "Template",
    "User",
    "declared",
    "either",
]

Name = Annotated[
    str,
    Meta(max_length=255, pattern=r"^[^\x00-\x1f]+\Z", description="a name without line breaks"),
]
UserName = Annotated[
    str,
    Meta(max_length=255, pattern=r"^[^:\x00-\x1f\x7f]+\Z", description="a name without a colon"),
]
Text = Annotated[
    str, Meta(pattern=r"^[^\x00]+\Z", description="text that is not empty and holds no NUL")
]
Url = Annotated[
    str,
    Meta(max_length=2048, pattern=r"^https?://[^\x00-\x20]+\Z", description="an http or https URL"),
]
Country = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}\Z", description="two capital letters, such as JP")
]
Price = Annotated[
    str,
    Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?\Z", description='an amount as text, such as "3.50"'),
]
Currency = Annotated[
    str, Meta(pattern=r"^[A-Z]{3}\Z", description="three capital letters, such as JPY")
]
Prefix = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits with the country code")
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?\Z",
        description="an address or a network, such as 192.0.2.0/24",
    ),
]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Positive = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Priority = Annotated[int, Meta(ge=0, le=1000)]

Value = TypeVar("Value")
Asked = TypeVar("Asked", bound=Struct)


class DocumentError(Exception):
    """It cannot be made so. violations: what is wrong, and where. Nothing was changed."""

    def __init__(self, words: str, violations: tuple[Violation, ...] = ()) -> None:
        """Say it in one sentence, or by its violations."""
        told = (f"{each.property} {each.violation}" for each in violations)
        super().__init__(words or "; ".join(told))
        self.violations = violations


class SecretReference(Struct, forbid_unknown_fields=True):
    """Where a secret stands: an environment variable or a file, exactly one of them."""

    env: str | None = None
    file: str | None = None


Secret = Text | SecretReference
Resolve = Callable[[Secret], str]


class Sender(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A sender; names are unique in the installation. A new one needs channel id and secret.

    assertion_key: a private key, PEM or JWK; assertion_kid: its id, where a JWK has none.
    """

    name: Name
    channel_id: Text | UnsetType = UNSET
    channel_secret: Secret | UnsetType = UNSET
    access_token: Secret | UnsetType | None = UNSET
    assertion_key: Secret | UnsetType | None = UNSET
    assertion_kid: Text | UnsetType = UNSET
    relay_url: Url | UnsetType | None = UNSET
    countries: list[Country] | UnsetType = UNSET
    templates: Literal["optional", "required"] | UnsetType = UNSET
    strict_templates: bool | UnsetType = UNSET
    line_country: Literal["JP", "TH", "TW"] | UnsetType = UNSET
    price: Price | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET


class KeySettings(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a key may do, from where and until when, and what it gives its requests."""

    name: str | UnsetType = UNSET
    scopes: list[str] | UnsetType | None = UNSET
    valid_from: datetime | UnsetType | None = UNSET
    expires: datetime | UnsetType | None = UNSET
    allowed_addresses: list[Address] | UnsetType | None = UNSET
    fill_application: Text | UnsetType | None = UNSET
    force_application: Text | UnsetType | None = UNSET
    fill_entity: Text | UnsetType | None = UNSET
    force_entity: Text | UnsetType | None = UNSET
    requests_per_second: Positive | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET
    messages_waiting: Count | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Key(KeySettings, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An API key that the operator made: 32 characters at least, hard to guess."""

    key: Secret


class User(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Who logs in by name and password; names are unique in the installation.

    The password counts when the user is created.
    """

    name: UserName
    password: Secret | UnsetType = UNSET
    scopes: list[str] | UnsetType | None = UNSET
    allowed_addresses: list[Address] | UnsetType | None = UNSET
    operator: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class DivisionSettings(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an application or an entity sets for its messages."""

    name: Name | UnsetType | None = UNSET
    default_sender: Name | UnsetType | None = UNSET
    webhook: Url | UnsetType | None = UNSET
    templates: Literal["free", "required"] | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET


class Division(DivisionSettings, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An application or an entity with its settings."""

    id: Name


class Route(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A route for SMS failover: how it is reached, what it serves. A new one needs its url."""

    name: Name
    url: Secret | UnsetType = UNSET
    prefixes: list[Prefix] | UnsetType | None = UNSET
    senders: list[str] | UnsetType | None = UNSET
    default_sender: str | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Template(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
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


class AccountSettings(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an account sets for itself. webhook: where its reports go; it is never taken away."""

    suspended: bool | UnsetType = UNSET
    default_sender: Name | UnsetType | None = UNSET
    webhook: Url | UnsetType = UNSET
    requests_per_second: Positive | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET
    messages_waiting: Count | UnsetType | None = UNSET
    retention_days: Positive | UnsetType | None = UNSET


class Account(AccountSettings, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An account, its settings and what belongs to it. A list that is left out says nothing."""

    name: Name
    senders: list[Sender] | UnsetType = UNSET
    keys: list[Key] | UnsetType = UNSET
    users: list[User] | UnsetType = UNSET
    applications: list[Division] | UnsetType = UNSET
    entities: list[Division] | UnsetType = UNSET
    sms_routes: list[Route] | UnsetType = UNSET
    templates: list[Template] | UnsetType = UNSET
    blocklist: list[str] | UnsetType = UNSET


class Document(Struct, rename="camel", forbid_unknown_fields=True):
    """Everything that is declared."""

    accounts: list[Account]


def either(given: Value | UnsetType, now: Value) -> Value:
    """What was given; what there is, where nothing was."""
    return now if isinstance(given, UnsetType) else given


def declared(asked: Asked, **defaults: object) -> Asked:
    """As a declaration means it: what it leaves out has its default."""
    missing = {name: value for name, value in defaults.items() if getattr(asked, name) is UNSET}
    return msgspec.structs.replace(asked, **missing)
