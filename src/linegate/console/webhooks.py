"""Where reports go: endpoints with what waits, fails and was given up, and pushing again."""

from datetime import datetime, timedelta

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.endpoints import MOST, find_endpoint
from linegate.console.pages import page
from linegate.console.subscriptions import chosen_subscription
from linegate.console.visit import Visit
from linegate.domain.ids import read_public_id
from linegate.domain.wiretime import parse_instant
from linegate.postgres.audit import acting
from linegate.postgres.console import endpoint_pushes, endpoint_states
from linegate.postgres.directory import set_default_endpoint
from linegate.postgres.posts import list_posts
from linegate.postgres.store import Store
from linegate.postgres.subscriptions import Page as Rows
from linegate.postgres.subscriptions import list_subscriptions
from linegate.report.again import Again, Span
from linegate.webhook.guard import Guard

__all__ = ["WebhookPages"]

_LISTED = 50
_POSTS = 30
_PATH = "/console/webhooks"
_LONGEST = timedelta(days=30)


class WebhookPages:
    """Shows endpoints and pushes again."""

    def __init__(self, store: Store, guard: Guard) -> None:
        """Write the store; guard: which URLs may be called."""
        self._pool = store.pool
        self._again = Again(store.pool)
        self._guard = guard

    async def all(self, visit: Visit) -> Response:
        """Endpoints, those in trouble first, and subscriptions of the account."""
        viewer = visit.viewer
        async with self._pool.acquire() as conn:
            endpoints = await endpoint_states(conn, viewer.account_ids, most=MOST)
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
            most=MOST - 1,
        )

    async def show(self, visit: Visit) -> Response:
        """One endpoint and the reports that it has not taken."""
        found = await find_endpoint(self._pool, visit)
        if found is None:
            return missing(visit, "endpoint")
        before = read_public_id(visit.query.text("before"))
        only_failed = visit.query.text("posts") == "failed"
        async with self._pool.acquire() as conn:
            pushes = await endpoint_pushes(conn, found.id, limit=_LISTED)
            posts = await list_posts(
                conn, found.id, limit=_POSTS, before=before, only_failed=only_failed
            )
        return page(
            visit,
            "webhook.html",
            endpoint=found,
            pushes=pushes,
            posts=posts,
            only_failed=only_failed,
            is_more=len(posts) == _POSTS,
            most=MOST - 1,
            listed=_LISTED,
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
        found = await find_endpoint(self._pool, visit)
        if found is None:
            return missing(visit, "endpoint")
        count = await self._again.retry(found.id, visit.by)
        return back(visit, f"{_PATH}/{found.id}", f"It is tried now; {count} reports came forward.")

    async def replay_chosen(self, visit: Visit) -> Response:
        """Push the reports again that were ticked."""
        found = await find_endpoint(self._pool, visit)
        if found is None:
            return missing(visit, "endpoint")
        ids = [read_public_id(text) for text in visit.form.all("message")]
        chosen = [id_ for id_ in ids if id_ is not None]
        if not chosen:
            return refused(visit, "Nothing is ticked.")
        count = await self._again.reports(found.id, chosen, visit.by)
        return back(visit, f"{_PATH}/{found.id}", f"{count} reports are pushed again.")

    async def replay_range(self, visit: Visit) -> Response:
        """Push again what fell due in a range of time."""
        found = await find_endpoint(self._pool, visit)
        if found is None:
            return missing(visit, "endpoint")
        form = visit.form
        since, until = _instant(form.text("since")), _instant(form.text("until"))
        if since is None or until is None or not since < until <= since + _LONGEST:
            return refused(visit, "Give both ends of a range, at most 30 days apart.")
        span = Span(since, until, with_taken=bool(form.text("taken")))
        count = await self._again.span(found.id, span, visit.by)
        return back(visit, f"{_PATH}/{found.id}", f"{count} reports are pushed again.")


def _instant(text: str) -> datetime | None:
    return parse_instant(text + ":00Z") if len(text) == 16 else None
