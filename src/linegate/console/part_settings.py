"""What one application or entity sets: its default sender, webhook, template policy and quota."""

from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.visit import Form, Visit
from linegate.postgres.admin import sender_id_of
from linegate.postgres.audit import acting
from linegate.postgres.console_setup import sender_names, shown_division
from linegate.postgres.directory import ensure_endpoint
from linegate.postgres.divisions import (
    DivisionListed,
    Kind,
    rename_division,
    set_division,
)
from linegate.postgres.pool import Connection, Pool
from linegate.webhook.guard import Guard

__all__ = ["Chosen", "PartSettings", "chosen_part", "kind_of"]

_PATH = "/console/parts"
_FORMAT = "application/json"
_POLICIES: tuple[Literal["free", "required"], ...] = ("free", "required")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part that is edited, and the senders it may name."""

    part: DivisionListed
    senders: list[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The fields of the form; None: not set.

    Who is no operator leaves templates and daily as they were.
    """

    name: str | None
    sender: str | None
    url: str | None
    templates: str | None
    daily: int | None


class PartSettings:
    """Writes the settings of one part."""

    def __init__(self, pool: Pool, guard: Guard) -> None:
        """Write over `pool`; guard: which URLs may be called."""
        self._pool = pool
        self._guard = guard

    async def change(self, visit: Visit) -> Response:
        """Write all settings of a part; an empty field is not set. The last two are operators'."""
        account_id, form = visit.viewer.acting_id, visit.form
        kind, id_ = kind_of(form), form.text("id")
        async with acting(self._pool, visit.actor) as conn:
            before = await shown_division(conn, account_id, kind, id_)
            if before is None:
                return missing(visit, kind)
            asked = _asked(form, before, is_operator=visit.viewer.is_operator)
            words = asked if isinstance(asked, str) else await self._write(visit, conn, kind, asked)
        if words is not None:
            return refused(visit, words)
        return back(visit, _PATH, f"The {kind} {id_} was changed; it counts within 2 seconds.")

    async def _write(self, visit: Visit, conn: Connection, kind: Kind, asked: _Asked) -> str | None:
        """Write it, or say why not; nothing is written then."""
        account_id, id_ = visit.viewer.acting_id, visit.form.text("id")
        refusal = self._guard.refusal_of(asked.url) if asked.url else None
        if refusal is not None:
            return f"The URL cannot be used: {refusal}"
        sender_id = await sender_id_of(conn, account_id, asked.sender) if asked.sender else None
        if asked.sender and sender_id is None:
            return "The default sender must be one of the account's."
        endpoint_id = None
        if asked.url:
            endpoint_id = await ensure_endpoint(
                conn,
                account_id=account_id,
                url=asked.url,
                content_type=_FORMAT,
                now=visit.now,
            )
        await rename_division(conn, account_id, kind, id_, asked.name)
        await set_division(
            conn,
            account_id,
            kind,
            id_,
            default_sender=sender_id,
            endpoint_id=endpoint_id,
            templates=asked.templates,
            messages_per_day=asked.daily,
        )
        return None


async def chosen_part(conn: Connection, account_id: int, query: Form) -> Chosen | None:
    """The part that the address names, if the account has it."""
    id_ = query.text("id")
    part = await shown_division(conn, account_id, kind_of(query), id_) if id_ else None
    return None if part is None else Chosen(part, await sender_names(conn, account_id))


def kind_of(form: Form) -> Kind:
    """Which of the two a form is about."""
    return "entity" if form.text("kind") == "entity" else "application"


def _asked(form: Form, before: DivisionListed, *, is_operator: bool) -> _Asked | str:
    """What the form wants, or why that cannot be."""
    templates, daily = before.templates, before.messages_per_day
    if is_operator:
        given = form.text("messages_per_day", 12)
        if given and not (given.isascii() and given.isdecimal() and len(given) <= 9):
            return "Messages a day is a whole number, or empty for no limit."
        daily = int(given) if given else None
        templates = next((each for each in _POLICIES if each == form.text("templates")), None)
    return _Asked(
        form.text("name") or None,
        form.text("default_sender") or None,
        form.text("url", 2000) or None,
        templates,
        daily,
    )
