"""Tries an SMS route for somebody who looks at it; sends nothing."""

from starlette.responses import Response

from linegate.clock import Clock
from linegate.console.answers import back, missing
from linegate.console.visit import Visit
from linegate.postgres.sms_routes import find_route
from linegate.postgres.store import Store
from linegate.sealing import route_context
from linegate.sms.route_check import trouble_of
from linegate.sms.route_url import read_route_url

__all__ = ["RouteCheck"]


class RouteCheck:
    """What `linegate sms-route check` does, behind a button."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Read routes of the store; `clock` is the transport's."""
        self._store = store
        self._clock = clock

    async def check(self, visit: Visit) -> Response:
        """Connect to a route's provider, bind and leave again."""
        name, owner = visit.form.text("name"), visit.form.text("account")
        accounts = visit.viewer.accounts.items()
        account_id = next((id_ for id_, each in accounts if each == owner), -1)
        async with self._store.pool.acquire() as conn:
            row = await find_route(conn, account_id, name)
        if row is None:
            return missing(visit, "route")
        context = route_context(row.account_id, row.name)
        route = read_route_url(self._store.vault.open(row.url, context=context))
        trouble = await trouble_of(route, self._clock, name)
        words = f"The route {name} is not usable: {trouble}" if trouble else f"{name} is usable."
        return back(visit, "/console/senders", words, is_bad=bool(trouble))
