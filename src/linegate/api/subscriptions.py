"""/subscriptions/1/subscription/LINE: which messages' reports go to which profile."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused
from linegate.api.notifying import Notifying, answer, created, page_of, paged
from linegate.api.profiles import ensure_profile, profile_reference
from linegate.api.schemas_subscriptions import SubscriptionBody
from linegate.api.subscription_rules import EVENTS, subscription_problems
from linegate.domain.caller import Caller
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection
from linegate.postgres.subscriptions import (
    Page,
    SubscriptionRow,
    delete_subscription,
    insert_subscription,
    list_subscriptions,
    update_subscription,
)

__all__ = ["Subscriptions", "subscription_row"]

_CHANNEL = "LINE"


class Subscriptions:
    """Create, read, update and delete; there is no channel but LINE."""

    def __init__(self, notifying: Notifying) -> None:
        """Keep them as `notifying` says."""
        self._with = notifying

    async def list(self, request: Request) -> Response:
        """One page, filtered by application, entity or sender."""
        caller = await self._caller(request)
        page, number = page_of(request)
        asked = request.query_params
        criterion = {name: asked[name] for name in ("applicationId", "entityId") if asked.get(name)}
        if asked.get("user") or asked.get("callsConfigurationId"):
            return paged([], 0, page, number)  # no subscription of ours has any
        async with self._with.pool.acquire() as conn:
            rows, total = await list_subscriptions(
                conn,
                caller.account_id,
                page,
                resource=asked.get("resource") or None,
                criterion=msgspec.json.encode(criterion).decode() if criterion else None,
            )
        return paged([_shown(row) for row in rows], total, page, number)

    async def create(self, request: Request) -> Response:
        """Take a new subscription, with a new profile if it brings one."""
        caller = await self._caller(request)
        body = await self._with.read(request, SubscriptionBody)
        if body.subscription_id is None:
            raise Refused(400, [Violation("subscriptionId", "must be given")])
        async with acting(self._with.pool, caller.name) as conn:
            row = await subscription_row(
                self._with, conn, caller.account_id, body.subscription_id, body
            )
            now = self._with.clock.now()
            if not await insert_subscription(conn, caller.account_id, row, now=now):
                raise Refused(400, [Violation("subscriptionId", "is already used")])
        return created(request, row.subscription_id, _reference(row))

    async def show(self, request: Request) -> Response:
        """One of them."""
        caller = await self._caller(request)
        async with self._with.pool.acquire() as conn:
            page = Page(id=request.path_params["id"])
            rows, _ = await list_subscriptions(conn, caller.account_id, page)
        if not rows:
            raise Refused(404)
        return answer(_shown(rows[0]))

    async def replace(self, request: Request) -> Response:
        """Replace one; its profile must exist."""
        caller = await self._caller(request)
        body = await self._with.read(request, SubscriptionBody)
        async with acting(self._with.pool, caller.name) as conn:
            row = await subscription_row(
                self._with, conn, caller.account_id, request.path_params["id"], body
            )
            if not await update_subscription(conn, caller.account_id, row):
                raise Refused(404)
        return answer(_reference(row))

    async def remove(self, request: Request) -> Response:
        """Delete one; its profile stays, and so does what waits for it."""
        caller = await self._caller(request)
        subscription_id = request.path_params["id"]
        async with acting(self._with.pool, caller.name) as conn:
            if not await delete_subscription(conn, caller.account_id, subscription_id):
                raise Refused(404)
        return answer({"subscriptionId": subscription_id})

    async def _caller(self, request: Request) -> Caller:
        caller = await self._with.caller(request)
        if request.path_params["channel"] != _CHANNEL:
            raise Refused(404)
        return caller


async def subscription_row(
    notifying: Notifying,
    conn: Connection,
    account_id: int,
    subscription_id: str,
    body: SubscriptionBody,
) -> SubscriptionRow:
    """What is stored of a subscription; its profile is made if it is new. Raises: Refused."""
    problems = subscription_problems(body)
    if problems:
        raise Refused(400, problems)
    profile = await ensure_profile(conn, notifying, account_id, body.profile)
    criteria: list[dict[str, str]] = [
        {
            name: value
            for name, value in (
                ("applicationId", each.application_id),
                ("entityId", each.entity_id),
            )
            if value
        }
        for each in body.criteria or ()
    ]
    return SubscriptionRow(
        subscription_id,
        body.name,
        profile.profile_id,
        [event for event in body.events if event in EVENTS],
        msgspec.json.encode(criteria).decode(),
        list(body.resources or ()),
        profile.auth_id,
    )


def _reference(row: SubscriptionRow) -> dict[str, Any]:
    return {
        "subscriptionId": row.subscription_id,
        "profile": profile_reference(row.profile_id, row.auth_id),
    }


def _shown(row: SubscriptionRow) -> dict[str, Any]:
    shown: dict[str, Any] = {"subscriptionId": row.subscription_id}
    if row.name is not None:
        shown["name"] = row.name
    return {
        **shown,
        "profile": profile_reference(row.profile_id, row.auth_id),
        "events": list(row.events),
        "criteria": msgspec.json.decode(row.criteria),
        "resources": list(row.resources),
        "users": [],
    }
