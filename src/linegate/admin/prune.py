"""What a declaration no longer names goes, where it may.

Only lists that a declared account gives are looked at: without `users` its users stay, with
`users = []` none does. Accounts that are not declared and blocked numbers always stay.
"""

from linegate.admin.callers import digest_given
from linegate.admin.desired import Account, Division, DivisionSettings, either
from linegate.admin.notes import Place
from linegate.admin.removal import drop_key, drop_sender, drop_template, drop_user
from linegate.admin.senders import pause_sender
from linegate.admin.settings import change_division
from linegate.domain.circuit import Hold
from linegate.postgres.admin import has_sent
from linegate.postgres.divisions import Kind, list_divisions
from linegate.postgres.identities import list_keys, list_users
from linegate.postgres.pool import Connection
from linegate.postgres.senders import list_senders
from linegate.postgres.sms_routes import enable_route, list_routes, remove_route
from linegate.postgres.templates import TemplateFilter, list_templates

__all__ = ["prune"]

_MOST = 100_000
_NOTHING = DivisionSettings(
    name=None, default_sender=None, webhook=None, templates=None, messages_per_day=None
)


async def prune(conn: Connection, wanted: Account, place: Place) -> None:
    """Remove of one account what its declaration does not name."""
    await _keys_and_users(conn, wanted, place)
    if isinstance(wanted.applications, list):
        await _divisions(conn, "application", wanted.applications, place)
    if isinstance(wanted.entities, list):
        await _divisions(conn, "entity", wanted.entities, place)
    if isinstance(wanted.templates, list):
        await _templates(conn, wanted, place)
    if isinstance(wanted.sms_routes, list):
        named = {each.name for each in wanted.sms_routes}
        for route in await list_routes(conn, place.account_id):
            if route.name not in named:
                await _route(conn, route.name, route.enabled, place)
    if isinstance(wanted.senders, list):
        named = {each.name for each in wanted.senders}
        for sender in await list_senders(conn, place.account_id):
            if sender.name not in named:
                await _sender(conn, sender.id, sender.name, sender.hold, place)


async def _keys_and_users(conn: Connection, wanted: Account, place: Place) -> None:
    if isinstance(wanted.keys, list):
        digests = {digest_given(each, place) for each in wanted.keys}
        for key in await list_keys(conn, place.account_id):
            if key.digest not in digests and f"key {key.id}" != place.hands.actor:
                await drop_key(conn, key.id, key.name, place)
    if isinstance(wanted.users, list):
        named = {each.name for each in wanted.users}
        for user in await list_users(conn, place.account_id):
            if user.name not in named and f"user {user.name}" != place.hands.actor:
                await drop_user(conn, user.name, place)


async def _divisions(conn: Connection, kind: Kind, parts: list[Division], place: Place) -> None:
    """They are made on first use and stay, but set nothing any more."""
    named = {each.id for each in parts}
    for each in await list_divisions(conn, place.account_id, limit=_MOST):
        if each.kind == kind and each.id not in named:
            await change_division(conn, kind, each.id, _NOTHING, place)


async def _templates(conn: Connection, wanted: Account, place: Place) -> None:
    named = {
        (each.sender, each.name, each.language.lower()) for each in either(wanted.templates, [])
    }
    rows = await list_templates(conn, TemplateFilter(place.account_id), limit=_MOST)
    for row in rows:
        if (row.sender, row.name, row.language.lower()) not in named:
            words = f"{row.sender} {row.name} {row.language}".strip()
            await drop_template(conn, row.id, words, place)


async def _route(conn: Connection, name: str, enabled: bool, place: Place) -> None:
    """What waits for it goes by another one; the route itself goes when nothing is under way."""
    if await remove_route(conn, place.account_id, name, now=place.now):
        place.notes.gone(place.subject("sms_route", name))
    elif place.notes.differ(place.subject("sms_route", name), enabled=(enabled, False)):
        await enable_route(conn, place.account_id, name, enabled=False)


async def _sender(conn: Connection, id_: int, name: str, hold: str | None, place: Place) -> None:
    """One that has sent is paused: its figures need it."""
    if not await has_sent(conn, place.account_id, id_):
        await drop_sender(conn, name, place)
    elif hold != Hold.PAUSED.value:
        await pause_sender(conn, name, paused=True, reason="not declared any more", place=place)
