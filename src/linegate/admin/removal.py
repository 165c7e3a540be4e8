"""What may go, and what stays because the books or messages need it.

A key, a user or a template goes at any time. A sender goes if it has never sent, an SMS route if
no SMS waits for it, an account if it has never sent. What may not go can be paused, disabled or
suspended.
"""

from linegate.admin.desired import DocumentError
from linegate.admin.notes import Place
from linegate.postgres.admin import (
    has_sent,
    names_sender,
    remove_account,
    remove_key,
    remove_sender,
    remove_user,
)
from linegate.postgres.divisions import Kind, delete_division
from linegate.postgres.pool import Connection
from linegate.postgres.senders import load_sender
from linegate.postgres.sms_routes import find_route, remove_route
from linegate.postgres.templates import delete_template, forget_unused

__all__ = [
    "drop_account",
    "drop_division",
    "drop_key",
    "drop_route",
    "drop_sender",
    "drop_template",
    "drop_user",
]


async def drop_key(conn: Connection, key_id: int, name: str, place: Place) -> bool:
    """A key is gone for good; False if there is none."""
    gone = await remove_key(conn, place.account_id, key_id)
    return _noted(place, "key", name or str(key_id), gone=gone)


async def drop_user(conn: Connection, name: str, place: Place) -> bool:
    """A user is gone and its logins end; False if there is none."""
    gone = await remove_user(conn, place.account_id, name)
    return _noted(place, "user", name, gone=gone)


async def drop_division(conn: Connection, kind: Kind, id_: str, place: Place) -> bool:
    """An application or entity is gone with its settings, until a message names it again."""
    gone = await delete_division(conn, place.account_id, kind, id_)
    return _noted(place, kind, id_, gone=gone)


async def drop_template(conn: Connection, id_: int, name: str, place: Place) -> bool:
    """Nobody can send it any more; what was accepted goes out. False if there is none."""
    gone = await delete_template(conn, id_, account_id=place.account_id, now=place.now)
    await forget_unused(conn, place.account_id)
    return _noted(place, "template", name, gone=gone)


async def drop_route(conn: Connection, name: str, place: Place) -> bool:
    """An SMS route is gone; False if there is none. Raises: DocumentError if it is in use."""
    if await find_route(conn, place.account_id, name) is None:
        return False
    if not await remove_route(conn, place.account_id, name, now=place.now):
        reason = "SMS wait for it or are under way: disable it and remove it when they have ended"
        raise DocumentError(f"{place.subject('sms_route', name)}: {reason}")
    return _noted(place, "sms_route", name, gone=True)


async def drop_sender(conn: Connection, name: str, place: Place) -> bool:
    """A sender is gone; False if there is none. Raises: DocumentError if anything needs it."""
    now = await load_sender(conn, place.account_id, name)
    if now is None:
        return False
    subject = place.subject("sender", name)
    if user := await names_sender(conn, now.id):
        raise DocumentError(f"{subject}: it is {user}")
    if await has_sent(conn, place.account_id, now.id):
        raise DocumentError(f"{subject}: it has sent messages, which its figures need: pause it")
    await remove_sender(conn, place.account_id, now.id)
    return _noted(place, "sender", name, gone=True)


async def drop_account(conn: Connection, place: Place) -> None:
    """An account is gone with everything of it. Raises: DocumentError if it has ever sent."""
    if await has_sent(conn, place.account_id):
        reason = "it has sent messages, which the figures need: suspend it"
        raise DocumentError(f"{place.account} account: {reason}")
    await remove_account(conn, place.account_id)
    place.notes.gone(f"{place.account} account")


def _noted(place: Place, kind: str, name: str, *, gone: bool) -> bool:
    if gone:
        place.notes.gone(place.subject(kind, name))
    return gone
