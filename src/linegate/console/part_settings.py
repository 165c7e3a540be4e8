"""What one application or entity sets: its default sender, webhook, template policy and quota."""

from dataclasses import dataclass

from starlette.responses import Response

from linegate.admin.desired import DivisionSettings, DocumentError
from linegate.admin.notes import Notes, Spot
from linegate.admin.reading import read
from linegate.admin.settings import change_division
from linegate.console.answers import back, missing, refused
from linegate.console.visit import Form, Visit
from linegate.postgres.audit import acting
from linegate.postgres.console_setup import sender_names
from linegate.postgres.divisions import DivisionListed, Kind, find_division, shown_division
from linegate.postgres.pool import Connection, Pool
from linegate.webhook.guard import Guard

__all__ = ["Chosen", "PartSettings", "chosen_part", "kind_of"]

_PATH = "/console/parts"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part that is edited, and the senders it may name."""

    part: DivisionListed
    senders: list[str]


class PartSettings:
    """Writes the settings of one part."""

    def __init__(self, pool: Pool, guard: Guard) -> None:
        """Write over `pool`; guard: which URLs may be called."""
        self._pool = pool
        self._guard = guard

    async def change(self, visit: Visit) -> Response:
        """Write all settings of a part; an empty field is not set. The last two are operators'."""
        kind, id_ = kind_of(visit.form), visit.form.text("id")
        url = visit.form.text("url", 2000)
        if url and (refusal := self._guard.refusal_of(url)) is not None:
            return refused(visit, f"The URL cannot be used: {refusal}")
        try:
            asked = read(_asked(visit), DivisionSettings)
            async with acting(self._pool, visit.actor) as conn:
                account_id = visit.viewer.acting_id
                if await find_division(conn, account_id, kind, id_) is None:
                    return missing(visit, kind)
                spot = Spot(account_id, "the", Notes(), visit.now)
                await change_division(conn, kind, id_, asked, spot)
        except DocumentError as error:
            return refused(visit, f"{error}.")
        return back(visit, _PATH, f"The {kind} {id_} was changed; it counts within 2 seconds.")


async def chosen_part(conn: Connection, account_id: int, query: Form) -> Chosen | None:
    """The part that the address names, if the account has it."""
    id_ = query.text("id")
    part = await shown_division(conn, account_id, kind_of(query), id_) if id_ else None
    return None if part is None else Chosen(part, await sender_names(conn, account_id))


def kind_of(form: Form) -> Kind:
    """Which of the two a form is about."""
    return "entity" if form.text("kind") == "entity" else "application"


def _asked(visit: Visit) -> dict[str, object]:
    """What the form wants; who is no operator leaves the last two as they are."""
    form = visit.form
    tree: dict[str, object] = {
        "name": form.text("name") or None,
        "defaultSender": form.text("default_sender") or None,
        "webhook": form.text("url", 2000) or None,
    }
    if visit.viewer.is_operator:
        daily = form.text("messages_per_day", 12)
        is_whole = daily.isascii() and daily.isdecimal()
        tree["templates"] = form.text("templates") or None
        tree["messagesPerDay"] = int(daily) if is_whole else daily or None
    return tree
