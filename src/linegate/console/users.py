"""Users: made, given another password, switched off. Nobody gives out more than they hold."""

import secrets
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands
from linegate.console.pages import page
from linegate.console.visit import Form, Visit
from linegate.domain.keys import ALL_SCOPES
from linegate.postgres.audit import acting
from linegate.postgres.console import make_operator, operators
from linegate.postgres.identities import enable_user, insert_user, list_users, set_password
from linegate.postgres.pool import Pool

__all__ = ["UserPages"]


class UserPages:
    """Users of the account that is looked at."""

    def __init__(self, pool: Pool, hands: Hands) -> None:
        """Write over `pool`; passwords are hashed through `hands`."""
        self._pool = pool
        self._hands = hands

    async def all(self, visit: Visit) -> Response:
        """An account's users."""
        return await self._users(visit, "", "")

    async def create(self, visit: Visit) -> Response:
        """A new user, whose password is shown this once."""
        form, viewer = visit.form, visit.viewer
        name, scopes = form.text("name"), _scopes(form)
        if ":" in name or not name.isprintable() or not name:
            return refused(visit, "A user's name must be printable and hold no colon.")
        if form.text("operator") and not viewer.is_operator:
            return refused(visit, "Only an operator can make operators.")
        password = secrets.token_urlsafe(18)
        hashed = await run_in_threadpool(self._hands.hash_password, password)
        async with acting(self._pool, visit.actor) as conn:
            id_ = await insert_user(
                conn,
                account_id=viewer.acting_id,
                name=name,
                password_hash=hashed,
                scopes=scopes,
                networks=(),
                now=visit.now,
            )
            if id_ is not None and form.text("operator"):
                await make_operator(conn, name, is_operator=True)
        if id_ is None:
            return refused(visit, f"There is a user named {name} in this installation.")
        return await self._users(visit, name, password)

    async def renew(self, visit: Visit) -> Response:
        """Another password, shown this once; what was logged in with the old one ends."""
        name = visit.form.text("user")
        if not await self._may_change(visit, name):
            return refused(visit, "Only an operator can change an operator.")
        password = secrets.token_urlsafe(18)
        hashed = await run_in_threadpool(self._hands.hash_password, password)
        async with acting(self._pool, visit.actor) as conn:
            if not await set_password(conn, visit.viewer.acting_id, name, hashed):
                return missing(visit, "user")
        return await self._users(visit, name, password)

    async def switch(self, visit: Visit) -> Response:
        """Switch a user on or off."""
        name, enabled = visit.form.text("user"), visit.form.text("enabled") == "1"
        if not await self._may_change(visit, name):
            return refused(visit, "Only an operator can change an operator.")
        if name == visit.viewer.name:
            return refused(visit, "Nobody can switch themselves off.")
        async with acting(self._pool, visit.actor) as conn:
            if not await enable_user(conn, visit.viewer.acting_id, name, enabled=enabled):
                return missing(visit, "user")
        return back(visit, "/console/users", f"{name} is {'on' if enabled else 'off'}.")

    async def _may_change(self, visit: Visit, name: str) -> bool:
        if visit.viewer.is_operator:
            return True
        async with self._pool.acquire() as conn:
            return name not in await operators(conn, visit.viewer.acting_id)

    async def _users(self, visit: Visit, name: str, password: str) -> Response:
        async with self._pool.acquire() as conn:
            users = await list_users(conn, visit.viewer.acting_id)
            above = await operators(conn, visit.viewer.acting_id)
        return page(
            visit,
            "users.html",
            users=users,
            operators=above,
            made_for=name,
            made=password,
            scopes=ALL_SCOPES,
        )


def _scopes(form: Form) -> Sequence[str]:
    given = form.all("scope")
    return [scope for scope in ALL_SCOPES if scope in given]
