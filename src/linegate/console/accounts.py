"""New accounts, made by an operator."""

import os

from starlette.responses import Response

from linegate.console.answers import back, refused
from linegate.console.visit import Visit
from linegate.postgres.audit import acting
from linegate.postgres.directory import insert_account
from linegate.postgres.store import Store
from linegate.sealing import account_context
from linegate.webhook.signing import SECRET_BYTES, secret_of

__all__ = ["AccountPages"]


class AccountPages:
    """Makes accounts."""

    def __init__(self, store: Store) -> None:
        """Write over `store`."""
        self._store = store

    async def create(self, visit: Visit) -> Response:
        """An account with a secret of its own that signs its reports."""
        name = visit.form.text("name")
        if not name or not name.isprintable():
            return refused(visit, "An account needs a printable name.")
        secret = secret_of(os.urandom(SECRET_BYTES))
        sealed = self._store.vault.seal(secret, context=account_context(name, "webhook_secret"))
        async with acting(self._store.pool, visit.actor) as conn:
            id_ = await insert_account(conn, name, webhook_secret=sealed, now=visit.now)
        if id_ is None:
            return refused(visit, f"There is an account named {name} already.")
        said = f"The account {name} was created. Choose it at the top to set it up."
        return back(visit, "/console/users", said)
