"""An account's parts and limits, and the log of who changed what."""

from starlette.responses import Response

from linegate.console.answers import back, refused
from linegate.console.pages import page
from linegate.console.part_settings import chosen_part, kind_of
from linegate.console.visit import Form, Visit, whole
from linegate.domain.policy import AccountPolicy, Limits
from linegate.postgres.audit import acting, list_audit
from linegate.postgres.backlog import load_backlog
from linegate.postgres.console import account_settings, used_quotas
from linegate.postgres.directory import find_sender
from linegate.postgres.divisions import (
    insert_division,
    list_divisions,
    load_policy,
    set_account,
)
from linegate.postgres.pool import Pool

__all__ = ["PartPages"]

_PATH = "/console/parts"
_PAGE = 100
_LISTED = 500


class PartPages:
    """Applications, entities, limits and the audit log."""

    def __init__(self, pool: Pool) -> None:
        """Write over `pool`."""
        self._pool = pool

    async def all(self, visit: Visit) -> Response:
        """What the account that is acted for has and may."""
        account_id = visit.viewer.acting_id
        async with self._pool.acquire() as conn:
            policy = await load_policy(conn, account_id) or AccountPolicy()
            divisions = await list_divisions(conn, account_id, limit=_LISTED)
            waiting, as_of = await load_backlog(conn, account_id)
            retention = await account_settings(conn, account_id)
            used = await used_quotas(conn, account_id, visit.now.date())
            chosen = await chosen_part(conn, account_id, visit.query)
        return page(
            visit,
            "parts.html",
            policy=policy,
            divisions=divisions,
            waiting=max(waiting, 0),
            as_of=as_of,
            retention=retention,
            used=used,
            chosen=chosen,
        )

    async def create(self, visit: Visit) -> Response:
        """A new application or entity."""
        form = visit.form
        kind = kind_of(form)
        id_, name = form.text("id"), form.text("name") or None
        if not id_:
            return refused(visit, "It needs an id.")
        async with acting(self._pool, visit.actor) as conn:
            made = await insert_division(
                conn, visit.viewer.acting_id, kind, id_, name, now=visit.now
            )
        if not made:
            return refused(visit, f"There is an {kind} {id_} already.")
        return back(visit, _PATH, f"The {kind} {id_} was created.")

    async def set_limits(self, visit: Visit) -> Response:
        """Write an account's limits and default sender."""
        form, account_id = visit.form, visit.viewer.acting_id
        names = ("requests_per_second", "messages_per_day", "waiting", "retention_days")
        given = {name: _whole(form, name) for name in names}
        if "" in given.values():
            return refused(visit, "A limit is a whole number, or empty for none.")
        limits = Limits(
            _number(given["requests_per_second"]),
            _number(given["messages_per_day"]),
            _number(given["waiting"]),
        )
        async with acting(self._pool, visit.actor) as conn:
            sender_id = None
            if form.text("default_sender"):
                sender = await find_sender(conn, form.text("default_sender"))
                if sender is None or sender.account_id != account_id:
                    return refused(visit, "The default sender must be one of the account's.")
                sender_id = sender.id
            await set_account(
                conn,
                account_id,
                default_sender=sender_id,
                limits=limits,
                retention_days=_number(given["retention_days"]),
            )
        return back(visit, _PATH, "The limits were changed; they count within 2 seconds.")

    async def audit(self, visit: Visit) -> Response:
        """Who changed what, newest first."""
        before = whole(visit.query.text("before"))
        async with self._pool.acquire() as conn:
            changes = await list_audit(
                conn, account_id=visit.viewer.account_id, limit=_PAGE, before=before
            )
        return page(visit, "audit.html", changes=changes, is_more=len(changes) == _PAGE)


def _whole(form: Form, name: str) -> str | None:
    """Digits above zero; None if the field is empty, '' if it holds anything else."""
    text = form.text(name, 12)
    if not text:
        return None
    return text if text.isdecimal() and len(text) <= 9 and int(text) > 0 else ""


def _number(text: str | None) -> int | None:
    return int(text) if text else None
