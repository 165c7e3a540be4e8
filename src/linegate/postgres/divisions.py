"""Queries about an account's applications and entities, its limits, and what is left of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from linegate.domain.policy import AccountPolicy, Level, Limits
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "AccountSettings",
    "Division",
    "DivisionListed",
    "DivisionSettings",
    "Kind",
    "account_settings",
    "count_divisions",
    "delete_division",
    "division_settings",
    "ensure_divisions",
    "find_division",
    "give_back_quota",
    "insert_division",
    "list_divisions",
    "load_policy",
    "page_divisions",
    "rename_division",
    "set_account",
    "set_division",
    "shown_division",
    "take_quota",
]

Kind = Literal["application", "entity"]


@dataclass(frozen=True, slots=True)
class Division:
    """An application or entity as the client knows it."""

    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class DivisionListed:
    """An application or entity with its settings, by name."""

    kind: Kind
    id: str
    name: str | None
    default_sender: str | None
    url: str | None
    templates: str | None
    messages_per_day: int | None


@dataclass(frozen=True, slots=True)
class DivisionSettings:
    """What an application or entity sets, by ids."""

    default_sender: int | None
    endpoint_id: int | None
    templates: str | None
    messages_per_day: int | None


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """What an account sets. default_sender: its id."""

    default_sender: int | None
    limits: Limits
    retention_days: int | None


async def ensure_divisions(
    conn: Connection, named: Iterable[tuple[int, Kind, str]], *, now: datetime
) -> None:
    """Make what is named for the first time; named: account, kind, id."""
    ordered = sorted(named)  # two writers never lock in a circle
    await bundled().ensure_divisions.exec(
        conn,
        account_ids=[account_id for account_id, _, _ in ordered],
        kinds=[kind for _, kind, _ in ordered],
        ids=[id_ for _, _, id_ in ordered],
        now=now,
    )


async def insert_division(
    conn: Connection, account_id: int, kind: Kind, id_: str, name: str | None, *, now: datetime
) -> bool:
    """Make one; False if the id is taken."""
    made = await bundled().insert_division.value(
        conn, account_id=account_id, kind=kind, id=id_, name=name, now=now
    )
    return made is not None


async def find_division(conn: Connection, account_id: int, kind: Kind, id_: str) -> Division | None:
    """One by its id."""
    row = await bundled().find_division.one(conn, account_id=account_id, kind=kind, id=id_)
    return None if row is None else Division(*row)


async def page_divisions(
    conn: Connection, account_id: int, kind: Kind, *, page: int, size: int
) -> list[Division]:
    """A page by id; pages count from 0."""
    rows = await bundled().page_divisions.many(
        conn, account_id=account_id, kind=kind, limit=size, offset=page * size
    )
    return [Division(*row) for row in rows]


async def count_divisions(conn: Connection, account_id: int, kind: Kind) -> int:
    """How many there are."""
    return int(await bundled().count_divisions.value(conn, account_id=account_id, kind=kind))


async def rename_division(
    conn: Connection, account_id: int, kind: Kind, id_: str, name: str | None
) -> bool:
    """Give one another name; False if there is none."""
    found = await bundled().rename_division.value(
        conn, account_id=account_id, kind=kind, id=id_, name=name
    )
    return found is not None


async def delete_division(conn: Connection, account_id: int, kind: Kind, id_: str) -> bool:
    """Remove one with its settings; False if there is none."""
    found = await bundled().delete_division.value(conn, account_id=account_id, kind=kind, id=id_)
    return found is not None


async def set_division(
    conn: Connection,
    account_id: int,
    kind: Kind,
    id_: str,
    *,
    default_sender: int | None,
    endpoint_id: int | None,
    templates: str | None,
    messages_per_day: int | None,
) -> bool:
    """Write all settings of one; False if there is none."""
    found = await bundled().set_division.value(
        conn,
        account_id=account_id,
        kind=kind,
        id=id_,
        default_sender=default_sender,
        endpoint_id=endpoint_id,
        templates=templates,
        messages_per_day=messages_per_day,
    )
    return found is not None


async def division_settings(
    conn: Connection, account_id: int, kind: Kind, id_: str
) -> DivisionSettings:
    """What one sets, locked. Raises: LookupError if there is none."""
    row = await bundled().division_settings.one(conn, account_id=account_id, kind=kind, id=id_)
    if row is None:
        raise LookupError(f"the {kind} was removed just now")
    return DivisionSettings(*row)


async def account_settings(conn: Connection, account_id: int) -> AccountSettings:
    """What an account sets, locked. Raises: LookupError if there is none."""
    row = await bundled().lock_account_settings.one(conn, account_id=account_id)
    if row is None:
        raise LookupError(f"no account has the id {account_id}")
    sender, per_second, daily, waiting, days = row
    return AccountSettings(sender, Limits(per_second, daily, waiting), days)


async def list_divisions(
    conn: Connection, account_id: int, *, limit: int = 10_000
) -> list[DivisionListed]:
    """The first of them by kind and id, with their settings."""
    rows = await bundled().list_divisions.many(conn, account_id=account_id, limit=limit)
    return [DivisionListed(*row) for row in rows]


async def shown_division(
    conn: Connection, account_id: int, kind: Kind, id_: str
) -> DivisionListed | None:
    """One application or entity with its settings."""
    row = await bundled().shown_division.one(conn, account_id=account_id, kind=kind, id=id_)
    return None if row is None else DivisionListed(*row)


async def set_account(
    conn: Connection,
    account_id: int,
    *,
    default_sender: int | None,
    limits: Limits,
    retention_days: int | None,
) -> None:
    """Write an account's settings, all of them."""
    await bundled().set_account.value(
        conn,
        account_id=account_id,
        default_sender=default_sender,
        requests_per_second=limits.requests_per_second,
        messages_per_day=limits.messages_per_day,
        messages_waiting=limits.waiting,
        retention_days=retention_days,
    )


async def load_policy(conn: Connection, account_id: int) -> AccountPolicy | None:
    """Everything an account sets; None if there is no such account."""
    own = await bundled().account_policy.one(conn, account_id=account_id)
    if own is None:
        return None
    parts: dict[str, dict[str, Level]] = {"application": {}, "entity": {}}
    for row in await bundled().division_policies.many(conn, account_id=account_id):
        kind, id_, sender, endpoint_id, templates, daily = row
        parts[kind][id_] = Level(sender, endpoint_id, templates, daily)
    keys = await bundled().key_limits.many(conn, account_id=account_id)
    callers = {f"key {id_}": Limits(*limits) for id_, *limits in keys}
    limits = Limits(own["requests_per_second"], own["messages_per_day"], own["messages_waiting"])
    level = Level(default_sender=own["default_sender"])
    return AccountPolicy(level, limits, parts["application"], parts["entity"], callers)


async def take_quota(
    conn: Connection, account_id: int, subject: str, day: date, *, amount: int, most: int
) -> bool:
    """Use so much of a day's limit; False, and nothing used, if that is more than is left."""
    used = await bundled().take_quota.value(
        conn, account_id=account_id, subject=subject, day=day, amount=amount, most=most
    )
    return used is not None


async def give_back_quota(
    conn: Connection, account_id: int, subject: str, day: date, *, amount: int
) -> None:
    """Return what was taken and not used."""
    await bundled().give_back_quota.exec(
        conn, account_id=account_id, subject=subject, day=day, amount=amount
    )
