"""Queries about who may send: accounts, keys, senders, endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Sender",
    "SenderRow",
    "default_endpoint",
    "end_monthly_holds",
    "ensure_endpoint",
    "find_account",
    "find_sender",
    "find_webhook_secret",
    "hold_sender",
    "insert_account",
    "insert_sender",
    "load_senders",
    "next_process_number",
    "read_installation",
    "resume_sender",
    "set_default_endpoint",
    "write_installation",
]


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender as the API needs it; the secret is sealed.

    relays:          has a bot behind it.
    needs_template:  it takes only content that matches an approved template.
    has_strict_keys: it takes only keys of LINE's templates that are in the catalogue.
    line_country:    of the Official Account; None: not said.
    """

    id: int
    account_id: int
    name: str
    channel_secret: bytes
    countries: frozenset[str]
    relays: bool = False
    needs_template: bool = False
    has_strict_keys: bool = False
    line_country: str | None = None


@dataclass(frozen=True, slots=True)
class SenderRow:
    """A sender as a worker needs it; secret, token and assertion key are sealed."""

    id: int
    account_id: int
    name: str
    channel_id: str
    channel_secret: bytes
    access_token: bytes | None
    hold: str | None
    hold_until: datetime | None
    suspended_at: datetime | None
    assertion_key: bytes | None
    assertion_kid: str | None


async def next_process_number(conn: Connection) -> int:
    """A number for this process's ids."""
    return int(await bundled().next_process_number.value(conn))


async def insert_account(
    conn: Connection, name: str, *, webhook_secret: bytes, now: datetime
) -> int | None:
    """Create an account; None if the name is taken. The secret is sealed."""
    id_: int | None = await bundled().insert_account.value(
        conn, name=name, webhook_secret=webhook_secret, now=now
    )
    return id_


async def find_webhook_secret(conn: Connection, account_id: int) -> bytes:
    """The sealed secret that signs an account's reports."""
    sealed: bytes = await bundled().webhook_secret.value(conn, account_id=account_id)
    return sealed


async def find_account(conn: Connection, name: str) -> int | None:
    """An account's id by its name."""
    id_: int | None = await bundled().find_account.value(conn, name=name)
    return id_


async def insert_sender(
    conn: Connection,
    *,
    account_id: int,
    name: str,
    channel_id: str,
    channel_secret: bytes,
    access_token: bytes | None,
    per_second: int,
    now: datetime,
) -> int | None:
    """Create a sender; None if the name is taken in this installation."""
    id_: int | None = await bundled().insert_sender.value(
        conn,
        account_id=account_id,
        name=name,
        channel_id=channel_id,
        channel_secret=channel_secret,
        access_token=access_token,
        per_second=per_second,
        now=now,
    )
    return id_


async def find_sender(conn: Connection, name: str) -> Sender | None:
    """A sender by its name."""
    row = await bundled().find_sender.one(conn, name=name)
    if row is None:
        return None
    return Sender(
        row["id"],
        row["account_id"],
        row["name"],
        row["channel_secret"],
        frozenset(row["countries"]),
        row["relays"],
        row["templates"] == "required",
        row["strict_templates"],
        row["line_country"],
    )


async def load_senders(conn: Connection) -> list[SenderRow]:
    """Every sender of the installation."""
    return [SenderRow(*row) for row in await bundled().load_senders.many(conn)]


async def hold_sender(
    conn: Connection,
    sender_id: int,
    *,
    hold: str,
    reason: str,
    until: datetime | None,
    now: datetime,
) -> None:
    """Stop a sender, unless the operator has paused it."""
    await bundled().hold_sender.exec(
        conn, id=sender_id, hold=hold, reason=reason, until=until, now=now
    )


async def resume_sender(conn: Connection, sender_id: int, *, holds: Sequence[str]) -> None:
    """Let a sender go on that is held for one of these reasons."""
    await bundled().resume_sender.exec(conn, id=sender_id, holds=holds)


async def end_monthly_holds(conn: Connection, *, now: datetime) -> None:
    """Let every sender go on whose month without messages is over."""
    await bundled().end_monthly_holds.exec(conn, now=now)


async def ensure_endpoint(
    conn: Connection, *, account_id: int, url: str, content_type: str, now: datetime
) -> int:
    """The endpoint of one URL and format, made on first use."""
    for _ in range(3):
        id_: int | None = await bundled().ensure_endpoint.value(
            conn, account_id=account_id, url=url, content_type=content_type, now=now
        )
        if id_ is not None:
            return id_
        # Another request was making it: its row is visible to the next statement.
    raise LookupError("an endpoint was made and removed at the same time")


async def default_endpoint(conn: Connection, account_id: int) -> int | None:
    """The account's own endpoint, if it has one."""
    id_: int | None = await bundled().default_endpoint.value(conn, account_id=account_id)
    return id_


async def set_default_endpoint(
    conn: Connection, *, account_id: int, url: str, now: datetime
) -> int:
    """Give an account its own endpoint, or change its URL."""
    id_: int = await bundled().set_default_endpoint.value(
        conn, account_id=account_id, url=url, now=now
    )
    return id_


async def read_installation(conn: Connection, name: str) -> str | None:
    """A fact about this installation."""
    value: str | None = await bundled().read_installation.value(conn, name=name)
    return value


async def write_installation(conn: Connection, name: str, value: str) -> None:
    """Record a fact about this installation, if it is not recorded yet."""
    await bundled().write_installation.exec(conn, name=name, value=value)
