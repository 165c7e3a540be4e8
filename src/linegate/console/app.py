"""The console's routes: one table of who may see and do what, and one way in for all of them."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from linegate.clock import Clock
from linegate.console.accounts import AccountPages
from linegate.console.bulks import Bulks
from linegate.console.certificates import CertificatePages
from linegate.console.compose import ComposePages
from linegate.console.deliveries import DeliveryPages
from linegate.console.doors import Doors, Inside, is_from_here
from linegate.console.guide import Guide
from linegate.console.hands import Hands, LoginRefused
from linegate.console.keys import KeyPages
from linegate.console.messages import Messages
from linegate.console.overview import Overview
from linegate.console.pages import bare_page, static_file
from linegate.console.part_settings import PartSettings
from linegate.console.parts import PartPages
from linegate.console.profiles import ProfilePages
from linegate.console.route_check import RouteCheck
from linegate.console.senders import SenderPages
from linegate.console.subscriptions import SubscriptionPages
from linegate.console.users import UserPages
from linegate.console.visit import Form, Visit, csrf_of, read_form
from linegate.console.wall import Wall
from linegate.console.webhooks import WebhookPages
from linegate.domain.keys import LOGS, MANAGE, SEND, SUBSCRIPTIONS
from linegate.postgres.pool import AWAY
from linegate.postgres.store import Store
from linegate.webhook.guard import Guard

__all__ = ["ADMINISTRATORS", "ANYBODY", "OPERATORS", "Console", "Line"]

_log = structlog.get_logger()

Handler = Callable[[Visit], Awaitable[Response]]

DIVISIONS = frozenset({"application-entity:manage"})
ANYBODY: frozenset[str] = frozenset()
"""Whoever is logged in."""
OPERATORS = frozenset({"(operators)"})
ADMINISTRATORS = frozenset({"(administrators)"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: method, path below /console, who may, and what answers."""

    method: str
    path: str
    needs: frozenset[str]
    handler: Handler


class Console:
    """The pages behind /console."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        hands: Hands,
        guard: Guard,
        *,
        simulator_url: str | None = None,
    ) -> None:
        """Read and write the store; what others do better, through `hands`.

        guard: which URLs may be called. simulator_url: of a simulated LINE, if it is one.
        """
        self._clock = clock
        pool = store.pool
        self._doors = Doors(pool, clock, hands)
        self._wall = Wall(simulator_url)
        self.table = (
            *_looking(Overview(pool), Messages(pool, clock)),
            *_bulks(Bulks(pool)),
            *_writing(ComposePages(pool, hands)),
            *_certificates(CertificatePages(pool, hands)),
            *_profiles(ProfilePages(pool, hands)),  # their paths come before an endpoint's
            *_reports(WebhookPages(store, guard), DeliveryPages(pool)),
            *_subscribing(SubscriptionPages(pool, hands)),
            *_setting_up(SenderPages(store, hands, guard), RouteCheck(store, clock)),
            *_parts(PartPages(pool), PartSettings(pool, guard)),
            *_giving_out(KeyPages(pool), UserPages(pool, hands)),
            *_sandbox(self._wall, Guide(pool, hands, is_sandbox=self._wall.stands)),
            *_accounts(AccountPages(store)),
            Line("POST", "/account", OPERATORS, self._choose),
            Line("POST", "/logout", ANYBODY, self._logout),
        )

    def routes(self) -> list[BaseRoute]:
        """What the API's application mounts."""
        routes: list[BaseRoute] = [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/enter", self._enter, methods=["GET"]),
            Route("/static/{name}", static_file, methods=["GET"]),
            *(
                Route(line.path, self._guarded(line), methods=[line.method], name=line.path)
                for line in self.table
            ),
        ]
        handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
            HTTPException: _on_http,
            **dict.fromkeys(AWAY, _on_away),
            Exception: _on_crash,
        }
        app = Starlette(routes=routes, exception_handlers={**handlers})
        app.router.redirect_slashes = False
        return [Route("/console", _to_overview, methods=["GET"]), Mount("/console", app=app)]

    def _guarded(self, line: Line) -> Callable[[Request], Awaitable[Response]]:
        """The handler behind the door: who is it, may they, and did a page of ours send it."""

        async def answer(request: Request) -> Response:
            now = self._clock.now()
            inside = await self._doors.who(request, now)
            if inside is None:
                return _to_door(request)
            if "\0" in request.scope["path"]:
                raise HTTPException(404)  # the database could not even look for it
            if not _may(inside, line.needs):
                words = "Your user does not have the right to see or do this."
                return _failed(403, "Not allowed", words)
            visit = Visit(request, inside.viewer, inside.token, now, paths=self._paths(inside))
            if line.method != "GET":
                form = await read_form(request)
                if form is None or not _is_ours(request, form, inside.token):
                    return _failed(
                        403, "Not taken", "This page is too old: reload it, and do it again."
                    )
                visit.form = form
            return await line.handler(visit)

        return answer

    def _paths(self, inside: Inside) -> frozenset[str]:
        """The pages that this viewer may look at, for the menu."""
        return frozenset(
            "/console" + line.path
            for line in self.table
            if line.method == "GET"
            and _may(inside, line.needs)
            and (self._wall.stands or not line.path.startswith("/sandbox"))
        )

    async def _login(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return bare_page("login.html", refused="")
        return _let_in(await self._doors.login(request))

    async def _enter(self, request: Request) -> Response:
        return _let_in(await self._doors.follow_link(request))

    async def _logout(self, visit: Visit) -> Response:
        return await self._doors.logout(visit.request, visit.token)

    async def _choose(self, visit: Visit) -> Response:
        return self._doors.choose(visit.request, visit.viewer, visit.form.text("account"))


def _looking(overview: Overview, messages: Messages) -> tuple[Line, ...]:
    return (
        Line("GET", "/", LOGS, overview.show),
        Line("GET", "/live", LOGS, overview.show_live),
        Line("GET", "/messages", LOGS, messages.search),
        Line("GET", "/messages/{message_id}", LOGS, messages.show),
    )


def _bulks(bulks: Bulks) -> tuple[Line, ...]:
    one = "/bulks/{account_id}/{bulk_id}"
    return (
        Line("GET", "/bulks", MANAGE, bulks.newest),
        Line("GET", one, MANAGE, bulks.show),
        Line("GET", one + "/live", MANAGE, bulks.show_live),
        Line("POST", one + "/steer", MANAGE, bulks.steer),
        Line("POST", one + "/change", MANAGE, bulks.change),
    )


def _writing(pages: ComposePages) -> tuple[Line, ...]:
    return (
        Line("GET", "/compose", MANAGE, pages.compose),
        Line("POST", "/compose/judge", MANAGE, pages.judge),
        Line("POST", "/compose/send", SEND, pages.send),
        Line("POST", "/compose/register", MANAGE, pages.register),
        Line("GET", "/templates", MANAGE, pages.templates),
        Line("POST", "/templates/{template_id}/decide", OPERATORS, pages.decide),
    )


def _reports(pages: WebhookPages, deliveries: DeliveryPages) -> tuple[Line, ...]:
    one = "/webhooks/{endpoint_id}"
    return (
        Line("GET", "/webhooks", SUBSCRIPTIONS, pages.all),
        Line("POST", "/webhooks", SUBSCRIPTIONS, pages.set_own),
        Line("GET", one, SUBSCRIPTIONS, pages.show),
        Line("POST", one + "/retry", SUBSCRIPTIONS, pages.retry),
        Line("POST", one + "/replay", SUBSCRIPTIONS, pages.replay_chosen),
        Line("POST", one + "/range", SUBSCRIPTIONS, pages.replay_range),
        Line("GET", one + "/deliveries/{post_id}", SUBSCRIPTIONS, deliveries.show),
        Line("POST", one + "/deliveries", SUBSCRIPTIONS, deliveries.replay),
    )


def _profiles(pages: ProfilePages) -> tuple[Line, ...]:
    return (
        Line("GET", "/webhooks/profiles", SUBSCRIPTIONS, pages.all),
        Line("POST", "/webhooks/profiles", SUBSCRIPTIONS, pages.save_profile),
        Line("POST", "/webhooks/profiles/delete", SUBSCRIPTIONS, pages.delete_profile),
        Line("POST", "/webhooks/security", SUBSCRIPTIONS, pages.save_security),
        Line("POST", "/webhooks/security/delete", SUBSCRIPTIONS, pages.delete_security),
    )


def _certificates(pages: CertificatePages) -> tuple[Line, ...]:
    return (
        Line("POST", "/webhooks/certificates", SUBSCRIPTIONS, pages.save),
        Line("POST", "/webhooks/certificates/try", SUBSCRIPTIONS, pages.try_out),
        Line("POST", "/webhooks/certificates/delete", SUBSCRIPTIONS, pages.delete),
    )


def _subscribing(pages: SubscriptionPages) -> tuple[Line, ...]:
    return (
        Line("POST", "/subscriptions", SUBSCRIPTIONS, pages.save),
        Line("POST", "/subscriptions/delete", SUBSCRIPTIONS, pages.delete),
    )


def _setting_up(senders: SenderPages, routes: RouteCheck) -> tuple[Line, ...]:
    one = "/senders/{sender_id}"
    return (
        Line("GET", "/senders", MANAGE, senders.all),
        Line("POST", "/senders", ADMINISTRATORS, senders.create),
        Line("GET", one, MANAGE, senders.show),
        Line("POST", one + "/check", MANAGE, senders.check),
        Line("POST", one + "/change", ADMINISTRATORS, senders.change),
        Line("POST", one + "/pause", MANAGE, senders.pause),
        Line("POST", one + "/resume", MANAGE, senders.resume),
        Line("POST", "/routes", ADMINISTRATORS, senders.create_route),
        Line("POST", "/routes/check", MANAGE, routes.check),
        Line("POST", "/routes/switch", ADMINISTRATORS, senders.switch_route),
    )


def _parts(parts: PartPages, settings: PartSettings) -> tuple[Line, ...]:
    return (
        Line("GET", "/parts", MANAGE, parts.all),
        Line("POST", "/parts", DIVISIONS, parts.create),
        Line("POST", "/parts/settings", ADMINISTRATORS, settings.change),
        Line("POST", "/parts/limits", OPERATORS, parts.set_limits),
        Line("GET", "/audit", ADMINISTRATORS, parts.audit),
    )


def _giving_out(keys: KeyPages, users: UserPages) -> tuple[Line, ...]:
    return (
        Line("GET", "/keys", ADMINISTRATORS, keys.all),
        Line("POST", "/keys", ADMINISTRATORS, keys.create),
        Line("POST", "/keys/change", ADMINISTRATORS, keys.change),
        Line("POST", "/keys/rotate", ADMINISTRATORS, keys.rotate),
        Line("POST", "/keys/switch", ADMINISTRATORS, keys.switch),
        Line("GET", "/users", ADMINISTRATORS, users.all),
        Line("POST", "/users", ADMINISTRATORS, users.create),
        Line("POST", "/users/password", ADMINISTRATORS, users.renew),
        Line("POST", "/users/switch", ADMINISTRATORS, users.switch),
    )


def _accounts(accounts: AccountPages) -> tuple[Line, ...]:
    return (
        Line("GET", "/accounts", OPERATORS, accounts.all),
        Line("POST", "/accounts", OPERATORS, accounts.create),
        Line("POST", "/accounts/suspend", OPERATORS, accounts.suspend),
        Line("POST", "/accounts/resume", OPERATORS, accounts.resume),
    )


def _sandbox(wall: Wall, guide: Guide) -> tuple[Line, ...]:
    return (
        Line("GET", "/guide", LOGS, guide.show),
        Line("POST", "/guide/check", MANAGE, guide.check),
        Line("POST", "/guide/send", SEND, guide.send),
        Line("GET", "/guide/sent/{message_id}", LOGS, guide.follow),
        Line("GET", "/sandbox", OPERATORS, wall.show),
        Line("GET", "/sandbox/live", OPERATORS, wall.show_live),
        Line("POST", "/sandbox/switch", OPERATORS, wall.switch),
    )


def _may(inside: Inside, needs: frozenset[str]) -> bool:
    viewer = inside.viewer
    if needs == OPERATORS:
        return viewer.is_operator
    if needs == ADMINISTRATORS:
        return viewer.is_administrator
    return not needs or viewer.may(needs)


def _is_ours(request: Request, form: Form, token: str) -> bool:
    given = request.headers.get("x-csrf-token") or form.text("csrf")
    return is_from_here(request) and hmac.compare_digest(given.encode(), csrf_of(token).encode())


def _to_door(request: Request) -> Response:
    """To the login; a piece of a page gets a status, since it cannot show one."""
    if request.headers.get("hx-request") or request.method != "GET":
        return _failed(401, "Logged out", "Please log in again.")
    return RedirectResponse("/console/login", 303)


def _let_in(outcome: Response | LoginRefused) -> Response:
    if isinstance(outcome, Response):
        return outcome
    response = bare_page(
        "login.html", status=429 if outcome.retry_after else 401, refused=outcome.words
    )
    if outcome.retry_after:
        response.headers["Retry-After"] = str(outcome.retry_after)
    return response


def _failed(status: int, title: str, words: str) -> Response:
    return bare_page("failed.html", status=status, title=title, words=words)


async def _to_overview(request: Request) -> Response:
    return RedirectResponse("/console/", 307)


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _failed(status, f"{status}", "There is no such page, or it is not there any more.")


async def _on_away(request: Request, error: Exception) -> Response:
    _log.warning("database.away", error=type(error).__name__, path=request.url.path)
    words = "The database does not answer. Messages that were taken are safe. Reload in a moment."
    return _failed(503, "One moment", words)


async def _on_crash(request: Request, error: Exception) -> Response:
    return _failed(500, "That went wrong", "It is in the log of this process.")
