"""Senders and SMS routes: their state, the live check, pause and resume, and new ones."""

import os
import re
from typing import Literal

import phonenumbers
from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands
from linegate.console.overview import MOST
from linegate.console.pages import page
from linegate.console.visit import Visit, whole
from linegate.domain.circuit import Hold
from linegate.postgres.audit import acting
from linegate.postgres.console import SenderDetail, line_answers, sender_of, sender_states
from linegate.postgres.directory import hold_sender, insert_sender, resume_sender
from linegate.postgres.senders import SenderChange, set_sender
from linegate.postgres.sms_receipts import hear
from linegate.postgres.sms_routes import NewRoute, enable_route, insert_route, list_routes
from linegate.postgres.store import Store
from linegate.sealing import route_context, sender_context
from linegate.sms.route_url import RouteUrlError, read_route_url
from linegate.sms.senders import is_sms_sender
from linegate.webhook.guard import Guard

__all__ = ["SenderPages"]

_PER_SECOND = 1900
"""A little below LINE's 2,000 requests a second, for what network delay bunches."""

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_PREFIX = re.compile(r"\d{1,15}")
_PATH = "/console/senders"


class SenderPages:
    """Shows and steers senders and routes."""

    def __init__(self, store: Store, hands: Hands, guard: Guard) -> None:
        """Write the store; LINE is asked through `hands`. guard: which URLs may be called."""
        self._guard = guard
        self._store = store
        self._pool = store.pool
        self._hands = hands

    async def all(self, visit: Visit) -> Response:
        """All senders and routes, and forms for new ones."""
        viewer = visit.viewer
        async with self._pool.acquire() as conn:
            senders = await sender_states(conn, viewer.account_ids, most=MOST, now=visit.now)
            routes = await list_routes(conn, viewer.account_id)
        names = set(viewer.accounts.values())
        return page(
            visit,
            "senders.html",
            senders=senders,
            routes=[route for route in routes if route.account in names],
            most=MOST - 1,
        )

    async def show(self, visit: Visit) -> Response:
        """One sender."""
        sender = await self._find(visit)
        if sender is None:
            return missing(visit, "sender")
        return await self._page(visit, sender, None)

    async def check(self, visit: Visit) -> Response:
        """Ask LINE about one sender."""
        sender = await self._find(visit)
        if sender is None:
            return missing(visit, "sender")
        findings = await self._hands.check_sender(sender.account_id, sender.name)
        return await self._page(visit, sender, findings)

    async def pause(self, visit: Visit) -> Response:
        """Send nothing more of a sender."""
        sender = await self._find(visit)
        if sender is None:
            return missing(visit, "sender")
        async with acting(self._pool, visit.actor) as conn:
            await hold_sender(
                conn,
                sender.id,
                hold=Hold.PAUSED.value,
                reason=visit.form.text("reason"),
                until=None,
                now=visit.now,
            )
        return back(visit, f"{_PATH}/{sender.id}", f"{sender.name} is paused.")

    async def resume(self, visit: Visit) -> Response:
        """Let a sender go on."""
        sender = await self._find(visit)
        if sender is None:
            return missing(visit, "sender")
        async with acting(self._pool, visit.actor) as conn:
            await resume_sender(conn, sender.id, holds=[hold.value for hold in Hold])
            await hear(conn, [sender.id])  # failover by silence goes on too
        return back(visit, f"{_PATH}/{sender.id}", f"{sender.name} goes on; LINE is asked again.")

    async def change(self, visit: Visit) -> Response:
        """Write what is given of a sender; what is empty stays."""
        sender = await self._find(visit)
        if sender is None:
            return missing(visit, "sender")
        form = visit.form
        asked = form.text("countries").upper().replace(",", " ").split()
        unknown = [code for code in asked if code not in phonenumbers.SUPPORTED_REGIONS]
        if unknown:
            return refused(visit, f"Not a country's code: {', '.join(unknown)}.")
        relay = form.text("relay_url", 2000)
        refusal = self._guard.refusal_of(relay) if relay else None
        if refusal is not None:
            return refused(visit, f"The relay URL cannot be used: {refusal}")
        change = SenderChange(
            channel_secret=self._sealed(sender, "secret", form.text("secret")),
            access_token=self._sealed(sender, "token", form.text("token", 2000)),
            countries=sorted(set(asked)) or None,
            relay_url=relay or None,
            no_relay=bool(form.text("no_relay")),
        )
        async with acting(self._pool, visit.actor) as conn:
            await set_sender(conn, sender.account_id, sender.name, change)
        return back(visit, f"{_PATH}/{sender.id}", f"{sender.name} was changed.")

    def _sealed(
        self, sender: SenderDetail, what: Literal["secret", "token"], given: str
    ) -> bytes | None:
        if not given:
            return None
        return self._store.vault.seal(given, context=sender_context(sender.name, what))

    async def create(self, visit: Visit) -> Response:
        """A new sender in the account that is looked at."""
        form, vault = visit.form, self._store.vault
        name, channel, secret = form.text("name"), form.text("channel_id"), form.text("secret")
        if not _NAME.fullmatch(name) or not channel.isdecimal() or not secret:
            return refused(
                visit, "A sender needs a name, the channel's id (digits) and its secret."
            )
        token = form.text("token", 2000)
        async with acting(self._pool, visit.actor) as conn:
            id_ = await insert_sender(
                conn,
                account_id=visit.viewer.acting_id,
                name=name,
                channel_id=channel,
                channel_secret=vault.seal(secret, context=sender_context(name, "secret")),
                access_token=vault.seal(token, context=sender_context(name, "token"))
                if token
                else None,
                per_second=_PER_SECOND,
                now=visit.now,
            )
        if id_ is None:
            return refused(visit, f"There is a sender named {name} in this installation.")
        return back(visit, f"{_PATH}/{id_}", f"{name} was created. Check it now.")

    async def create_route(self, visit: Visit) -> Response:
        """A new SMS route in the account that is looked at."""
        form, account_id = visit.form, visit.viewer.acting_id
        url, sender = form.text("url", 2000), form.text("default_sender") or None
        name = form.text("name", 100) or f"route-{os.urandom(3).hex()}"
        prefixes = [each.strip() for each in form.text("prefixes").split(",") if each.strip()]
        try:
            route = read_route_url(url)
        except RouteUrlError as error:
            return refused(visit, f"The URL cannot be used: {error}")
        if not all(_PREFIX.fullmatch(each) for each in prefixes):
            return refused(visit, "A prefix is 1 to 15 digits with the country code.")
        if sender is not None and not is_sms_sender(sender):
            return refused(visit, "An SMS sender is 3 to 15 digits or at most 11 letters.")
        context = route_context(account_id, name)
        sealed = self._store.vault.seal(url, context=context)
        token = os.urandom(16).hex()
        new = NewRoute(
            account_id, name, route.kind, sealed, route.shown, prefixes, [], sender, 0, token
        )
        async with acting(self._pool, visit.actor) as conn:
            id_ = await insert_route(conn, new, now=visit.now)
        if id_ is None:
            return refused(visit, f"There is a route named {name}.")
        return back(visit, _PATH, f"The route {name} was created.")

    async def switch_route(self, visit: Visit) -> Response:
        """Switch a route on or off."""
        name, enabled = visit.form.text("name"), visit.form.text("enabled") == "1"
        owner = visit.form.text("account")
        account_id = next((id_ for id_, each in visit.viewer.accounts.items() if each == owner), -1)
        async with acting(self._pool, visit.actor) as conn:
            if not await enable_route(conn, account_id, name, enabled=enabled):
                return missing(visit, "route")
        return back(visit, _PATH, f"The route {name} is {'on' if enabled else 'off'}.")

    async def _find(self, visit: Visit) -> SenderDetail | None:
        text = visit.path["sender_id"]
        if (id_ := whole(text)) is None:
            return None
        async with self._pool.acquire() as conn:
            return await sender_of(conn, id_, list(visit.viewer.accounts))

    async def _page(self, visit: Visit, sender: SenderDetail, findings: object) -> Response:
        async with self._pool.acquire() as conn:
            answers = await line_answers(conn, sender.id)
        return page(
            visit,
            "sender.html",
            sender=sender,
            account=visit.viewer.accounts[sender.account_id],
            findings=findings,
            answers=answers,
            webhook=f"{visit.request.url.scheme}://{visit.request.url.netloc}/line/webhook/",
        )
