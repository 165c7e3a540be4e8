"""SMS routes: created, moved to another URL, given other destinations, switched."""

import os

from msgspec import UnsetType

from linegate.admin.desired import DocumentError, Route, declared, either
from linegate.admin.notes import Place
from linegate.postgres.pool import Connection
from linegate.postgres.sms_routes import (
    NewRoute,
    RouteRow,
    enable_route,
    find_route,
    insert_route,
    list_routes,
    move_route,
    serve_route,
)
from linegate.sealing import route_context
from linegate.sms.route_url import RouteUrl, RouteUrlError, read_route_url
from linegate.sms.senders import is_sms_sender

__all__ = ["declared_route", "put_route"]


def declared_route(asked: Route) -> Route:
    """As a declaration or a new route means it: what is left out has its default."""
    return declared(
        asked, prefixes=None, senders=None, default_sender=None, priority=0, enabled=True
    )


async def put_route(conn: Connection, asked: Route, place: Place) -> None:
    """Create a route or change it; what is not given stays. Raises: DocumentError."""
    subject = place.subject("sms_route", asked.name)
    _check_senders(asked, subject)
    now = await find_route(conn, place.account_id, asked.name)
    if now is None:
        asked = declared_route(asked)
        await _create(conn, asked, subject, place)
    elif not isinstance(asked.url, UnsetType):
        await _move(conn, asked, now, subject, place)
    shown = next(
        each for each in await list_routes(conn, place.account_id) if each.name == asked.name
    )
    prefixes = _listed(asked.prefixes, shown.prefixes)
    senders = _listed(asked.senders, shown.senders)
    default_sender = either(asked.default_sender, shown.default_sender)
    priority = either(asked.priority, shown.priority)
    if place.notes.differ(
        subject,
        prefixes=(sorted(shown.prefixes), prefixes),
        senders=(sorted(shown.senders), senders),
        default_sender=(shown.default_sender, default_sender),
        priority=(shown.priority, priority),
    ):
        await serve_route(
            conn,
            place.account_id,
            asked.name,
            prefixes=prefixes,
            senders=senders,
            default_sender=default_sender,
            priority=priority,
        )
    enabled = either(asked.enabled, shown.enabled)
    if place.notes.differ(subject, enabled=(shown.enabled, enabled)):
        await enable_route(conn, place.account_id, asked.name, enabled=enabled)


async def _create(conn: Connection, asked: Route, subject: str, place: Place) -> None:
    if isinstance(asked.url, UnsetType):
        raise DocumentError(f"{subject}: a new route needs a url")
    url = place.text_of(asked.url)
    read = _read_url(url, subject)
    new = NewRoute(
        place.account_id,
        asked.name,
        read.kind,
        place.hands.vault.seal(url, context=route_context(place.account_id, asked.name)),
        read.shown,
        _listed(asked.prefixes, []),
        _listed(asked.senders, []),
        either(asked.default_sender, None),
        either(asked.priority, 0),
        os.urandom(16).hex(),
    )
    await insert_route(conn, new, now=place.now)
    place.notes.made(subject)


async def _move(conn: Connection, asked: Route, now: RouteRow, subject: str, place: Place) -> None:
    """Reach it by another URL."""
    if isinstance(asked.url, UnsetType):
        return
    url = place.text_of(asked.url)
    read = _read_url(url, subject)
    context = route_context(place.account_id, asked.name)
    if place.hands.vault.open(now.url, context=context) == url:
        return
    if read.kind != now.kind:
        raise DocumentError(f"{subject}: a route keeps its kind, {now.kind}; create another one")
    place.notes.secret(subject, "url")
    sealed = place.hands.vault.seal(url, context=context)
    await move_route(conn, place.account_id, asked.name, url=sealed, shown=read.shown)


def _listed(given: list[str] | UnsetType | None, now: list[str]) -> list[str]:
    """In order; None is an empty list."""
    return sorted(now if isinstance(given, UnsetType) else given or [])


def _read_url(url: str, subject: str) -> RouteUrl:
    try:
        return read_route_url(url)
    except RouteUrlError as error:
        raise DocumentError(f"{subject}: the url {error}") from error


def _check_senders(asked: Route, subject: str) -> None:
    senders = [*_listed(asked.senders, []), either(asked.default_sender, None)]
    for sender in filter(None, senders):
        if not is_sms_sender(sender):
            reason = "is a number of 3 to 15 digits or a name of at most 11 characters"
            raise DocumentError(f"{subject}: an SMS sender {reason}, not {sender}")
