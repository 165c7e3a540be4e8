"""/subscriptions/1/profiles: where an account's reports go and how."""

from typing import Any

import msgspec

from linegate.api.auth import Refused
from linegate.api.kept import Kept
from linegate.api.notifying import Notifying
from linegate.api.schemas_subscriptions import ProfileBody
from linegate.api.security_settings import add_security
from linegate.api.subscription_rules import MASK, profile_problems, unmasked
from linegate.domain.violation import Violation
from linegate.postgres.pool import Connection
from linegate.postgres.subscriptions import (
    Page,
    ProfileRow,
    delete_profile,
    insert_profile,
    list_certificates,
    list_profiles,
    list_security,
    put_profile_endpoint,
    update_profile,
)

__all__ = [
    "Profiles",
    "add_profile",
    "ensure_profile",
    "profile_reference",
    "replace_profile",
    "shown_profile",
]

# What stands in columns of its own and not in the sealed settings.
_APART = ("profileId", "security", "clientCertificateId")


class Profiles(Kept[ProfileRow, ProfileBody]):
    """Create, read, update and delete.

    What waits goes to the new URL of one that is replaced, and is given up with a deleted one.
    """

    body = ProfileBody
    id_name = "profileId"
    user = "subscription"

    async def _rows(
        self, conn: Connection, account_id: int, page: Page
    ) -> tuple[list[ProfileRow], int]:
        return await list_profiles(conn, account_id, page)

    async def _shown(self, conn: Connection, account_id: int, row: ProfileRow) -> dict[str, Any]:
        return await shown_profile(conn, self._with, account_id, row)

    async def _add(self, conn: Connection, account_id: int, body: ProfileBody) -> dict[str, Any]:
        row = await add_profile(conn, self._with, account_id, body)
        return profile_reference(row.profile_id, row.auth_id)

    async def _replace(
        self, conn: Connection, account_id: int, id_: str, body: ProfileBody
    ) -> dict[str, Any]:
        new = await replace_profile(conn, self._with, account_id, id_, body)
        return profile_reference(id_, new.auth_id)

    async def _delete(self, conn: Connection, account_id: int, id_: str) -> bool | None:
        return await delete_profile(conn, account_id, id_, now=self._with.clock.now())


async def shown_profile(
    conn: Connection, notifying: Notifying, account_id: int, row: ProfileRow
) -> dict[str, Any]:
    """A profile as it is shown: no header's value."""
    stored = await notifying.open(conn, account_id, "webhook_profile", row.settings)
    if stored.get("headers"):
        stored["headers"] = dict.fromkeys(stored["headers"], MASK)
    shown: dict[str, Any] = {"profileId": row.profile_id, **stored}
    if row.auth_id is not None:
        shown["security"] = {"authId": row.auth_id}
    if row.certificate_id is not None:
        shown["clientCertificateId"] = row.certificate_id
    return shown


def profile_reference(profile_id: str, auth_id: str | None) -> dict[str, Any]:
    """A profile as others refer to it."""
    shown: dict[str, Any] = {"profileId": profile_id}
    if auth_id is not None:
        shown["security"] = {"authId": auth_id}
    return shown


async def ensure_profile(
    conn: Connection, notifying: Notifying, account_id: int, body: ProfileBody
) -> ProfileRow:
    """The profile a subscription names, made if it does not exist yet. Raises: Refused.

    Source: published: a full definition counts where new items are wanted and is ignored otherwise.
    """
    if body.profile_id is not None:
        row = await _find(conn, account_id, body.profile_id)
        if row is not None:
            return row
    return await add_profile(conn, notifying, account_id, body, "profile.")


async def replace_profile(
    conn: Connection, notifying: Notifying, account_id: int, profile_id: str, body: ProfileBody
) -> ProfileRow:
    """All of a profile that is there; what is masked stays as it was. Raises: Refused."""
    row = await _find(conn, account_id, profile_id)
    if row is None:
        raise Refused(404)
    stored = await notifying.open(conn, account_id, "webhook_profile", row.settings)
    body.headers = unmasked(body.headers or {}, stored.get("headers") or {}) or None
    new = await _row_of(conn, notifying, account_id, profile_id, body, "")
    await update_profile(conn, account_id, new)
    await _put_endpoint(conn, notifying, account_id, profile_id, body)
    return new


async def add_profile(
    conn: Connection, notifying: Notifying, account_id: int, body: ProfileBody, path: str = ""
) -> ProfileRow:
    """A new profile, with new security settings if it brings them. Raises: Refused."""
    if body.profile_id is None:
        raise Refused(400, [Violation(f"{path}profileId", "must be given")])
    row = await _row_of(conn, notifying, account_id, body.profile_id, body, path)
    if not await insert_profile(conn, account_id, row, now=notifying.clock.now()):
        raise Refused(400, [Violation(f"{path}profileId", "is already used")])
    await _put_endpoint(conn, notifying, account_id, body.profile_id, body)
    return row


async def _row_of(
    conn: Connection,
    notifying: Notifying,
    account_id: int,
    profile_id: str,
    body: ProfileBody,
    path: str,
) -> ProfileRow:
    problems = profile_problems(body, notifying.url_rule, path)
    if problems:
        raise Refused(400, problems)
    auth_id = await _auth_id(conn, notifying, account_id, body, path)
    certificate_id = body.client_certificate_id or None
    if certificate_id is not None:
        found, _ = await list_certificates(conn, account_id, Page(id=certificate_id))
        if not found:
            raise Refused(400, [Violation(f"{path}clientCertificateId", "does not exist")])
    settings = msgspec.to_builtins(body)
    for name in _APART:
        settings.pop(name, None)
    sealed = await notifying.seal(conn, account_id, "webhook_profile", settings)
    return ProfileRow(profile_id, sealed, auth_id, certificate_id)


async def _auth_id(
    conn: Connection, notifying: Notifying, account_id: int, body: ProfileBody, path: str
) -> str | None:
    """The security settings the profile names, made if they come whole and do not exist yet."""
    if body.security is None:
        return None
    auth_id = body.security.auth_id
    if auth_id is not None:
        found, _ = await list_security(conn, account_id, Page(id=auth_id))
        if found:
            return auth_id
        if body.security.type is None:
            raise Refused(400, [Violation(f"{path}security.authId", "does not exist")])
    return await add_security(conn, notifying, account_id, body.security, f"{path}security.")


async def _put_endpoint(
    conn: Connection, notifying: Notifying, account_id: int, profile_id: str, body: ProfileBody
) -> None:
    webhook = body.webhook
    if webhook is None:
        raise LookupError("a profile without a webhook passed its rules")
    await put_profile_endpoint(
        conn,
        account_id,
        profile_id,
        url=webhook.notify_url,
        content_type=webhook.content_type or "application/json",
        now=notifying.clock.now(),
    )


async def _find(conn: Connection, account_id: int, profile_id: str) -> ProfileRow | None:
    rows, _ = await list_profiles(conn, account_id, Page(id=profile_id))
    return rows[0] if rows else None
