"""Where reports go: endpoints with what waits, fails and was given up, and pushing again."""

from datetime import datetime, timedelta

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.pages import page
from linegate.console.subscriptions import chosen_subscription
from linegate.console.visit import Visit
from linegate.domain.ids import read_public_id
from linegate.domain.wiretime import parse_instant
from linegate.postgres.audit import acting
from linegate.postgres.console import (
    EndpointState,
    endpoint_of,
    endpoint_pushes,
    endpoint_states,
    note_change,
    replay_some,
)
from linegate.postgres.directory import set_default_endpoint
from linegate.postgres.endpoints import replay, retry_endpoint
from linegate.postgres.store import Store
from linegate.postgres.subscriptions import Page as Rows
from linegate.postgres.subscriptions import list_subscriptions
from linegate.webhook.guard import Guard

__all__ = ["WebhookPages"]

_MOST = 1001
_LISTED = 100
_PATH = "/console/webhooks"
_LONGEST = timedelta(days=30)


class WebhookPages:
    """Shows endpoints and pushes again."""

    def __init__(self, store: Store, guard: Guard) -> None:
        """Write the store; guard: which URLs may be called."""
        self._pool = store.pool
        self._guard = guard

    async def all(self, visit: Visit) -> Response:
        """Endpoints, those in trouble first, and subscriptions of the account."""
        viewer = visit.viewer
        async with self._pool.acquire() as conn:
            endpoints = await endpoint_states(conn, viewer.account_ids, most=_MOST)
            subscriptions, _ = await list_subscriptions(conn, viewer.acting_id, Rows(100))
            chosen = await chosen_subscription(conn, viewer.acting_id, visit.query)
        own = next(
            (
                each.url
                for each in endpoints
                if each.is_default and each.account_id == viewer.acting_id
            ),
            "",
        )
        return page(
            visit,
            "webhooks.html",
            endpoints=endpoints,
            subscriptions=subscriptions,
            chosen=chosen,
            own=own,
            most=_MOST - 1,
        )

    async def show(self, visit: Visit) -> Response:
        """One endpoint and the reports that it has not taken."""
        found = await self._find(visit)
        if found is None:
            return missing(visit, "endpoint")
        async with self._pool.acquire() as conn:
            pushes = await endpoint_pushes(conn, found.id, limit=_LISTED)
        return page(
            visit, "webhook.html", endpoint=found, pushes=pushes, most=_MOST - 1, listed=_LISTED
        )

    async def set_own(self, visit: Visit) -> Response:
        """Set the account's own endpoint."""
        url = visit.form.text("url", 2000)
        refusal = self._guard.refusal_of(url)
        if refusal is not None:
            return refused(visit, f"The URL cannot be used: {refusal}")
        account_id = visit.viewer.acting_id
        async with acting(self._pool, visit.actor) as conn:
            id_ = await set_default_endpoint(conn, account_id=account_id, url=url, now=visit.now)
        return back(
            visit, f"{_PATH}/{id_}", "Reports that name no URL of their own go here from now on."
        )

    async def retry(self, visit: Visit) -> Response:
        """Try what waits now."""
        found = await self._find(visit)
        if found is None:
            return missing(visit, "endpoint")
        async with self._pool.acquire() as conn:
            count = await retry_endpoint(conn, found.id, now=visit.now)
        await self._note(visit, found, "retry", count)
        return back(visit, f"{_PATH}/{found.id}", f"It is tried now; {count} reports came forward.")

    async def replay_chosen(self, visit: Visit) -> Response:
        """Push the reports again that were ticked."""
        found = await self._find(visit)
        if found is None:
            return missing(visit, "endpoint")
        ids = [read_public_id(text) for text in visit.form.all("message")]
        chosen = [id_ for id_ in ids if id_ is not None]
        async with self._pool.acquire() as conn:
            count = await replay_some(conn, found.id, chosen, now=visit.now)
        await self._note(visit, found, "replay", count)
        return back(visit, f"{_PATH}/{found.id}", f"{count} reports are pushed again.")

    async def replay_range(self, visit: Visit) -> Response:
        """Push again what fell due in a range of time."""
        found = await self._find(visit)
        if found is None:
            return missing(visit, "endpoint")
        form = visit.form
        since, until = _instant(form.text("since")), _instant(form.text("until"))
        if since is None or until is None or not since < until <= since + _LONGEST:
            return refused(visit, "Give both ends of a range, at most 30 days apart.")
        with_taken = bool(form.text("taken"))
        async with self._pool.acquire() as conn:
            count = await replay(
                conn, found.id, since=since, until=until, with_taken=with_taken, now=visit.now
            )
        await self._note(visit, found, "replay", count)
        return back(visit, f"{_PATH}/{found.id}", f"{count} reports are pushed again.")

    async def _find(self, visit: Visit) -> EndpointState | None:
        text = visit.path["endpoint_id"]
        if not text.isdecimal() or len(text) > 18:
            return None
        async with self._pool.acquire() as conn:
            owner = await endpoint_of(conn, int(text), list(visit.viewer.accounts))
            if owner is None:
                return None
            states = await endpoint_states(
                conn, [owner[0]], most=_MOST, endpoint_id=int(text), limit=1
            )
        return states[0] if states else None

    async def _note(self, visit: Visit, found: EndpointState, what: str, count: int) -> None:
        async with self._pool.acquire() as conn:
            await note_change(
                conn,
                account_id=found.account_id,
                actor=visit.actor,
                kind="endpoint",
                subject=found.url,
                changes={what: [None, count]},
                now=visit.now,
            )


def _instant(text: str) -> datetime | None:
    return parse_instant(text + ":00Z") if len(text) == 16 else None
