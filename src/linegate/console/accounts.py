"""All accounts, for an operator: made, suspended and resumed."""

from starlette.responses import Response

from linegate.admin.settings import create_account
from linegate.console.answers import back, missing, refused
from linegate.console.pages import page
from linegate.console.visit import Visit, whole
from linegate.postgres.audit import acting
from linegate.postgres.console_setup import accounts_with_backlog
from linegate.postgres.store import Store
from linegate.postgres.suspension import resume_account, suspend_account

__all__ = ["AccountPages"]

_PATH = "/console/accounts"


class AccountPages:
    """Shows, makes, suspends and resumes accounts."""

    def __init__(self, store: Store) -> None:
        """Write over `store`."""
        self._store = store

    async def all(self, visit: Visit) -> Response:
        """Every account with how it stands."""
        async with self._store.pool.acquire() as conn:
            accounts = await accounts_with_backlog(conn)
        return page(visit, "accounts.html", accounts=accounts)

    async def create(self, visit: Visit) -> Response:
        """An account with a secret of its own that signs its reports."""
        name = visit.form.text("name")
        if not name or not name.isprintable():
            return refused(visit, "An account needs a printable name.")
        async with acting(self._store.pool, visit.actor) as conn:
            id_ = await create_account(conn, name, vault=self._store.vault, now=visit.now)
        if id_ is None:
            return refused(visit, f"There is an account named {name} already.")
        said = f"The account {name} was created. Choose it at the top to set it up."
        return back(visit, _PATH, said)

    async def suspend(self, visit: Visit) -> Response:
        """Stop an account: it sends nothing and loses nothing."""
        account_id = _account(visit)
        if account_id is None:
            return missing(visit, "account")
        if account_id == visit.viewer.home_id:
            words = "Nobody can suspend the account of their own user: it would end their session."
            return refused(visit, words)
        async with acting(self._store.pool, visit.actor) as conn:
            is_new = await suspend_account(conn, account_id, now=visit.now)
        name = visit.viewer.accounts[account_id]
        return back(visit, _PATH, f"{name} {'is' if is_new else 'was already'} suspended.")

    async def resume(self, visit: Visit) -> Response:
        """Let a suspended account go on where it stood."""
        account_id = _account(visit)
        if account_id is None:
            return missing(visit, "account")
        async with acting(self._store.pool, visit.actor) as conn:
            was_suspended = await resume_account(conn, account_id, now=visit.now)
        name = visit.viewer.accounts[account_id]
        return back(visit, _PATH, f"{name} {'goes on' if was_suspended else 'was not suspended'}.")


def _account(visit: Visit) -> int | None:
    """The account that the form names, if there is one."""
    text = visit.form.text("account", 18)
    account_id = whole(text)
    return account_id if account_id in visit.viewer.accounts else None
