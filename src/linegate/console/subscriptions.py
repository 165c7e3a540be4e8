"""Subscriptions: which messages' reports go to which profile; made, changed and deleted."""

import json
from typing import Any

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands
from linegate.console.visit import Form, Visit
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.subscriptions import (
    Page,
    SubscriptionRow,
    delete_subscription,
    list_subscriptions,
)

__all__ = ["SubscriptionPages", "chosen_subscription"]

_PATH = "/console/webhooks"
_LONGEST = 20_000


class SubscriptionPages:
    """Writes subscriptions, by the rules of the Subscriptions API."""

    def __init__(self, pool: Pool, hands: Hands) -> None:
        """Delete over `pool`; all else is read and judged through `hands`."""
        self._pool = pool
        self._hands = hands

    async def save(self, visit: Visit) -> Response:
        """A new subscription, or all of one that is there."""
        form, account_id = visit.form, visit.viewer.acting_id
        body = _body(form)
        if body is None:
            return refused(visit, "The criteria must be a JSON list of objects, or empty.")
        is_new = not form.text("is_there")
        found = await self._hands.subscribe(account_id, visit.actor, body, is_new)
        if found:
            return refused(visit, "; ".join(f"{each.property} {each.violation}" for each in found))
        done = "created" if is_new else "changed"
        return back(visit, _PATH, f"The subscription {form.text('subscription')} was {done}.")

    async def delete(self, visit: Visit) -> Response:
        """Delete one; its profile stays, and so does what waits for it."""
        id_ = visit.form.text("subscription")
        async with acting(self._pool, visit.actor) as conn:
            if not await delete_subscription(conn, visit.viewer.acting_id, id_):
                return missing(visit, "subscription")
        return back(visit, _PATH, f"The subscription {id_} was deleted.")


async def chosen_subscription(
    conn: Connection, account_id: int, query: Form
) -> SubscriptionRow | None:
    """The subscription that the address names, if the account has it."""
    id_ = query.text("subscription")
    rows, _ = await list_subscriptions(conn, account_id, Page(id=id_)) if id_ else ([], 0)
    return rows[0] if rows else None


def _body(form: Form) -> bytes | None:
    """The request that the Subscriptions API would get; None if the criteria are no list."""
    try:
        criteria = json.loads(form.text("criteria", _LONGEST) or "[]")
    except (ValueError, RecursionError):
        return None
    if not isinstance(criteria, list):
        return None
    profile: dict[str, Any] = {"profileId": form.text("profile")}
    if form.text("url", 2000):
        profile["webhook"] = {"notifyUrl": form.text("url", 2000)}
    body: dict[str, Any] = {
        "subscriptionId": form.text("subscription"),
        "events": form.all("event"),
        "profile": profile,
        "criteria": criteria,
        "resources": [
            line.strip() for line in form.text("senders", _LONGEST).splitlines() if line.strip()
        ],
    }
    if form.text("name"):
        body["name"] = form.text("name")
    return json.dumps(body).encode()
