"""Logging in and out: a cookie, the session behind it, and links that log in once."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from linegate.clock import Clock
from linegate.console.hands import Hands, LoginRefused
from linegate.console.visit import ALL, Viewer, read_form, whole
from linegate.domain.caller import is_allowed, plain_address
from linegate.domain.keys import digest_of
from linegate.postgres.console import Browser, find_browser, list_accounts
from linegate.postgres.identities import end_token, insert_token, touch_token
from linegate.postgres.pool import Connection, Pool

__all__ = ["COOKIE", "SESSION_LIFE", "Doors", "Inside", "is_from_here"]

COOKIE = "linegate_console"
_CHOICE = "linegate_account"
SESSION_LIFE = timedelta(hours=12)
"""Without use; each use makes it longer again."""

_TOUCHED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Inside:
    """Somebody who is logged in."""

    token: str
    viewer: Viewer


class Doors:
    """Lets people in and out."""

    def __init__(self, pool: Pool, clock: Clock, hands: Hands) -> None:
        """Keep sessions over `pool`."""
        self._pool = pool
        self._clock = clock
        self._hands = hands

    async def who(self, request: Request, now: datetime) -> Inside | None:
        """Who is behind a request's cookie."""
        token = request.cookies.get(COOKIE, "")
        if not token:
            return None
        digest = digest_of(token)
        async with self._pool.acquire() as conn:
            browser = await find_browser(conn, digest)
            if (
                browser is None
                or browser.kind != "console"
                or not _may_enter(browser, request, now)
            ):
                return None
            is_stale = browser.expires_at - now < SESSION_LIFE - _TOUCHED_AFTER
            # A page that is left open asks by itself: that is no use of the session.
            if is_stale and not request.url.path.endswith("/live"):
                await touch_token(conn, digest, expires_at=now + SESSION_LIFE)
            return Inside(token, await _viewer(conn, browser, request.cookies.get(_CHOICE)))

    async def login(self, request: Request) -> Response | LoginRefused:
        """Log in with name and password."""
        now = self._clock.now()
        form = await read_form(request)
        if form is None or not is_from_here(request):
            return LoginRefused("The form could not be read. Please try again.")
        address = plain_address(request.client.host if request.client else None)
        user = await self._hands.login(form.text("name"), form.raw("password"), address, now)
        if isinstance(user, LoginRefused):
            return user
        return await self._open(request, user, now)

    async def follow_link(self, request: Request) -> Response | LoginRefused:
        """Log in with a link, which is used up by it."""
        now = self._clock.now()
        digest = digest_of(request.query_params.get("token", ""))
        refused = LoginRefused("This link was used before or has expired.")
        async with self._pool.acquire() as conn:
            browser = await find_browser(conn, digest)
            if browser is None or browser.kind != "link" or not _may_enter(browser, request, now):
                return refused
            if not await end_token(conn, digest):
                return refused
        return await self._open(request, browser.user_id, now)

    async def logout(self, request: Request, token: str) -> Response:
        """End the session."""
        async with self._pool.acquire() as conn:
            await end_token(conn, digest_of(token))
        response = RedirectResponse("/console/login", 303)
        response.delete_cookie(COOKIE, path="/console")
        response.delete_cookie(_CHOICE, path="/console")
        return response

    def choose(self, request: Request, viewer: Viewer, wanted: str) -> Response:
        """Look at another account, or at all."""
        response = RedirectResponse("/console/", 303)
        if wanted == ALL or whole(wanted) in viewer.accounts:
            _set(response, request, _CHOICE, wanted)
        return response

    async def _open(self, request: Request, user_id: int, now: datetime) -> Response:
        token = secrets.token_urlsafe(32)
        async with self._pool.acquire() as conn:
            await insert_token(
                conn,
                digest=digest_of(token),
                user_id=user_id,
                kind="console",
                address=None,
                expires_at=now + SESSION_LIFE,
            )
        response = RedirectResponse("/console/", 303)
        _set(response, request, COOKIE, token)
        return response


def is_from_here(request: Request) -> bool:
    """Whether a browser sent it from a page of ours, as far as it tells."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host", "")


def _may_enter(browser: Browser, request: Request, now: datetime) -> bool:
    address = plain_address(request.client.host if request.client else None)
    return (
        browser.expires_at > now
        and browser.enabled
        and browser.suspended_at is None
        and is_allowed(address, browser.networks)
    )


async def _viewer(conn: Connection, browser: Browser, choice: str | None) -> Viewer:
    accounts = {browser.account_id: browser.account}
    chosen: int | None = browser.account_id
    if browser.is_operator:
        accounts |= {each.id: each.name for each in await list_accounts(conn)}
        if (wanted := whole(choice or "")) in accounts:
            chosen = wanted
        elif choice in (None, ALL) and len(accounts) > 1:
            chosen = None
    return Viewer(
        browser.user_id,
        browser.name,
        browser.account_id,
        browser.scopes,
        browser.is_operator,
        chosen,
        accounts,
    )


def _set(response: Response, request: Request, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        path="/console",
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
