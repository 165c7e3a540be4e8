"""Queries about senders, for their operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from linegate.postgres.directory import SenderRow
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["SenderChange", "SenderListed", "list_senders", "load_sender", "set_sender"]


@dataclass(frozen=True, slots=True)
class SenderListed:
    """A sender as its operator sees it: nothing of its secrets.

    deaf_at: since when none of LINE's events reaches us; None: they do.
    """

    id: int
    name: str
    channel_id: str
    has_token: bool
    assertion_kid: str | None
    countries: list[str]
    relay_url: str | None
    hold: str | None
    hold_reason: str | None
    held_at: datetime | None
    hold_until: datetime | None
    created_at: datetime
    templates: str
    strict_templates: bool
    line_country: str | None
    deaf_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderChange:
    """What to change of a sender; None leaves it. Secrets are sealed."""

    channel_secret: bytes | None = None
    access_token: bytes | None = None
    no_token: bool = False
    assertion_key: bytes | None = None
    assertion_kid: str | None = None
    no_assertion: bool = False
    relay_url: str | None = None
    no_relay: bool = False
    countries: Sequence[str] | None = None
    templates: str | None = None
    strict_templates: bool | None = None
    line_country: str | None = None


async def list_senders(conn: Connection, account_id: int) -> list[SenderListed]:
    """An account's senders, by name."""
    rows = await bundled().list_senders.many(conn, account_id=account_id)
    return [SenderListed(*row) for row in rows]


async def load_sender(conn: Connection, account_id: int, name: str) -> SenderRow | None:
    """One sender of an account, with its sealed credentials."""
    row = await bundled().load_sender.one(conn, account_id=account_id, name=name)
    return None if row is None else SenderRow(*row)


async def set_sender(conn: Connection, account_id: int, name: str, change: SenderChange) -> bool:
    """Change a sender; False if the account has no such one."""
    changed = await bundled().set_sender.exec(
        conn,
        account_id=account_id,
        name=name,
        channel_secret=change.channel_secret,
        access_token=change.access_token,
        no_token=change.no_token,
        assertion_key=change.assertion_key,
        assertion_kid=change.assertion_kid,
        no_assertion=change.no_assertion,
        relay_url=change.relay_url,
        no_relay=change.no_relay,
        countries=change.countries,
        templates=change.templates,
        strict_templates=change.strict_templates,
        line_country=change.line_country,
    )
    return changed > 0
