"""Queries about where an account wants its reports. What is sealed goes in and out sealed."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from linegate.domain.subscription import Criterion, Subscription
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "CertificateRow",
    "Page",
    "ProfileRow",
    "SecurityRow",
    "SubscriptionRow",
    "account_name",
    "delete_certificate",
    "delete_profile",
    "delete_security",
    "delete_subscription",
    "delivery_subscriptions",
    "insert_certificate",
    "insert_profile",
    "insert_security",
    "insert_subscription",
    "list_certificates",
    "list_profiles",
    "list_security",
    "list_subscriptions",
    "put_profile_endpoint",
    "remove_profile_endpoint",
    "update_profile",
    "update_security",
    "update_subscription",
]


class Page(NamedTuple):
    """Which rows of a list: `skip` of them before, at most `size`; id: this one alone."""

    size: int = 1
    skip: int = 0
    id: str | None = None


class SecurityRow(NamedTuple):
    """Security settings."""

    auth_id: str
    type: str
    credentials: bytes | None


class CertificateRow(NamedTuple):
    """A client certificate; pem: sealed."""

    certificate_id: str
    issued_by: str
    issued_to: str
    serial_number: str
    valid_from: datetime
    valid_until: datetime
    pem: bytes


class ProfileRow(NamedTuple):
    """A profile; settings: sealed."""

    profile_id: str
    settings: bytes
    auth_id: str | None
    certificate_id: str | None


class SubscriptionRow(NamedTuple):
    """A subscription; criteria: JSON in the published names. auth_id is its profile's."""

    subscription_id: str
    name: str | None
    profile_id: str
    events: Sequence[str]
    criteria: str
    resources: Sequence[str]
    auth_id: str | None = None


async def account_name(conn: Connection, account_id: int) -> str:
    """The name that the account's secrets are bound to."""
    name: str = await bundled().account_name.value(conn, account_id=account_id)
    return name


async def insert_security(
    conn: Connection, account_id: int, row: SecurityRow, *, now: datetime
) -> bool:
    """Create security settings; False if the id is taken."""
    made = await bundled().insert_security.value(
        conn, account_id=account_id, now=now, **row._asdict()
    )
    return made is not None


async def update_security(conn: Connection, account_id: int, row: SecurityRow) -> bool:
    """Replace security settings; False if there are none."""
    count = await bundled().update_security.exec(conn, account_id=account_id, **row._asdict())
    return count > 0


async def delete_security(conn: Connection, account_id: int, auth_id: str) -> bool | None:
    """Remove security settings; False if there are none, None while a profile uses them."""
    try:
        async with conn.transaction():
            count = await bundled().delete_security.exec(
                conn, account_id=account_id, auth_id=auth_id
            )
    except asyncpg.ForeignKeyViolationError:
        return None
    return count > 0


async def list_security(
    conn: Connection, account_id: int, page: Page
) -> tuple[list[SecurityRow], int]:
    """A page of security settings, and how many there are."""
    rows = await bundled().list_security.many(
        conn, account_id=account_id, auth_id=page.id, size=page.size, skip=page.skip
    )
    return [SecurityRow(*row[:3]) for row in rows], _total(rows)


async def insert_certificate(
    conn: Connection, account_id: int, row: CertificateRow, *, now: datetime
) -> bool:
    """Keep a certificate; False if the id is taken."""
    made = await bundled().insert_certificate.value(
        conn, account_id=account_id, now=now, **row._asdict()
    )
    return made is not None


async def delete_certificate(conn: Connection, account_id: int, certificate_id: str) -> bool | None:
    """Remove a certificate; False if there is none, None while a profile uses it."""
    try:
        async with conn.transaction():
            count = await bundled().delete_certificate.exec(
                conn, account_id=account_id, certificate_id=certificate_id
            )
    except asyncpg.ForeignKeyViolationError:
        return None
    return count > 0


async def list_certificates(
    conn: Connection, account_id: int, page: Page
) -> tuple[list[CertificateRow], int]:
    """A page of certificates, and how many there are."""
    rows = await bundled().list_certificates.many(
        conn, account_id=account_id, certificate_id=page.id, size=page.size, skip=page.skip
    )
    return [CertificateRow(*row[:7]) for row in rows], _total(rows)


async def insert_profile(
    conn: Connection, account_id: int, row: ProfileRow, *, now: datetime
) -> bool:
    """Create a profile; False if the id is taken."""
    made = await bundled().insert_profile.value(
        conn, account_id=account_id, now=now, **row._asdict()
    )
    return made is not None


async def update_profile(conn: Connection, account_id: int, row: ProfileRow) -> bool:
    """Replace a profile; False if there is none."""
    count = await bundled().update_profile.exec(conn, account_id=account_id, **row._asdict())
    return count > 0


async def delete_profile(
    conn: Connection, account_id: int, profile_id: str, *, now: datetime
) -> bool | None:
    """Remove a profile and its endpoint; False if there is none, None while it is used."""
    try:
        async with conn.transaction():
            count = await bundled().delete_profile.exec(
                conn, account_id=account_id, profile_id=profile_id
            )
    except asyncpg.ForeignKeyViolationError:
        return None
    await remove_profile_endpoint(conn, account_id, profile_id, now=now)
    return count > 0


async def list_profiles(
    conn: Connection, account_id: int, page: Page
) -> tuple[list[ProfileRow], int]:
    """A page of profiles, and how many there are."""
    rows = await bundled().list_profiles.many(
        conn, account_id=account_id, profile_id=page.id, size=page.size, skip=page.skip
    )
    return [ProfileRow(*row[:4]) for row in rows], _total(rows)


async def put_profile_endpoint(
    conn: Connection,
    account_id: int,
    profile_id: str,
    *,
    url: str,
    content_type: str,
    now: datetime,
) -> int:
    """Give a profile its endpoint, or change where it is."""
    id_: int = await bundled().put_profile_endpoint.value(
        conn,
        account_id=account_id,
        profile_id=profile_id,
        url=url,
        content_type=content_type,
        now=now,
    )
    return id_


async def remove_profile_endpoint(
    conn: Connection, account_id: int, profile_id: str, *, now: datetime
) -> None:
    """Send nothing to a profile's endpoint any more."""
    await bundled().remove_profile_endpoint.exec(
        conn, account_id=account_id, profile_id=profile_id, now=now
    )


async def insert_subscription(
    conn: Connection, account_id: int, row: SubscriptionRow, *, now: datetime
) -> bool:
    """Create a subscription; False if the id is taken."""
    made = await bundled().insert_subscription.value(
        conn, account_id=account_id, now=now, **_stored(row)
    )
    return made is not None


async def update_subscription(conn: Connection, account_id: int, row: SubscriptionRow) -> bool:
    """Replace a subscription; False if there is none."""
    count = await bundled().update_subscription.exec(conn, account_id=account_id, **_stored(row))
    return count > 0


async def delete_subscription(conn: Connection, account_id: int, subscription_id: str) -> bool:
    """Remove a subscription; False if there is none."""
    count = await bundled().delete_subscription.exec(
        conn, account_id=account_id, subscription_id=subscription_id
    )
    return count > 0


async def list_subscriptions(
    conn: Connection,
    account_id: int,
    page: Page,
    *,
    resource: str | None = None,
    criterion: str | None = None,
) -> tuple[list[SubscriptionRow], int]:
    """A page of subscriptions, and how many there are; criterion: JSON that one must contain."""
    rows = await bundled().list_subscriptions.many(
        conn,
        account_id=account_id,
        subscription_id=page.id,
        resource=resource,
        criterion=criterion,
        size=page.size,
        skip=page.skip,
    )
    return [SubscriptionRow(*row[:7]) for row in rows], _total(rows)


async def delivery_subscriptions(conn: Connection, account_id: int) -> tuple[Subscription, ...]:
    """Where reports go of messages that name no URL, in the order they were made."""
    rows = await bundled().delivery_subscriptions.many(conn, account_id=account_id)
    return tuple(
        Subscription(
            row["endpoint_id"],
            tuple(
                Criterion(each.get("applicationId"), each.get("entityId"))
                for each in json.loads(row["criteria"])
            ),
            frozenset(row["resources"]),
        )
        for row in rows
    )


def _stored(row: SubscriptionRow) -> dict[str, object]:
    values = row._asdict()
    del values["auth_id"]
    return values


def _total(rows: Sequence[asyncpg.Record]) -> int:
    return int(rows[0]["total"]) if rows else 0
