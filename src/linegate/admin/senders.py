"""Senders and SMS routes as declared."""

import os
from decimal import Decimal

from linegate.admin.desired import DocumentError, Route, Sender
from linegate.admin.notes import Place
from linegate.postgres.admin import price_of
from linegate.postgres.directory import insert_sender
from linegate.postgres.endpoints import set_price
from linegate.postgres.pool import Connection
from linegate.postgres.senders import SenderChange, list_senders, load_sender, set_sender
from linegate.postgres.sms_routes import (
    NewRoute,
    ShownRoute,
    enable_route,
    find_route,
    insert_route,
    list_routes,
    move_route,
)
from linegate.sealing import route_context, sender_context
from linegate.sms.route_url import RouteUrlError, read_route_url

__all__ = ["apply_route", "apply_sender"]

_LINE_RATE = 1900  # requests a second to one channel, a little below LINE's 2,000


async def apply_sender(conn: Connection, wanted: Sender, place: Place) -> None:
    """Create a sender or change it."""
    subject, vault = place.subject("sender", wanted.name), place.hands.vault
    secret = place.text_of(wanted.channel_secret)
    token = None if wanted.access_token is None else place.text_of(wanted.access_token)
    sealed = vault.seal(secret, context=sender_context(wanted.name, "secret"))
    sealed_token = None
    if token:
        sealed_token = vault.seal(token, context=sender_context(wanted.name, "token"))
    now = await load_sender(conn, place.account_id, wanted.name)
    if now is None:
        made = await insert_sender(
            conn,
            account_id=place.account_id,
            name=wanted.name,
            channel_id=wanted.channel_id,
            channel_secret=sealed,
            access_token=sealed_token,
            per_second=_LINE_RATE,
            now=place.now,
        )
        if made is None:
            raise DocumentError(f"{subject}: another account has a sender of that name")
        place.notes.made(subject)
    else:
        if now.channel_id != wanted.channel_id:
            raise DocumentError(f"{subject}: a sender keeps its channel; create another one")
        change = SenderChange()
        if vault.open(now.channel_secret, context=sender_context(now.name, "secret")) != secret:
            place.notes.secret(subject, "channel_secret")
            change = SenderChange(channel_secret=sealed)
        known = now.access_token and vault.open(
            now.access_token, context=sender_context(now.name, "token")
        )
        if token is not None and known != token:
            place.notes.secret(subject, "access_token")
            await set_sender(
                conn, place.account_id, wanted.name, SenderChange(access_token=sealed_token)
            )
        if change != SenderChange():
            await set_sender(conn, place.account_id, wanted.name, change)
    await _set_rules(conn, wanted, subject, place)


async def _set_rules(conn: Connection, wanted: Sender, subject: str, place: Place) -> None:
    listed = {each.name: each for each in await list_senders(conn, place.account_id)}
    now = listed[wanted.name]
    countries = now.countries if wanted.countries is None else sorted(wanted.countries)
    templates = wanted.templates or now.templates
    if place.notes.differ(
        subject,
        countries=(sorted(now.countries), sorted(countries)),
        templates=(now.templates, templates),
    ):
        rules = SenderChange(countries=countries, templates=templates)
        await set_sender(conn, place.account_id, wanted.name, rules)
    if (wanted.price is None) != (wanted.currency is None):
        raise DocumentError(f"{subject}: price and currency go together")
    if wanted.price is None:
        return
    price, currency = await price_of(conn, place.account_id, wanted.name)
    if price is not None and Decimal(price) == Decimal(wanted.price):
        price = wanted.price  # 3 is 3.0
    if place.notes.differ(
        subject, price=(price, wanted.price), currency=(currency, wanted.currency)
    ):
        await set_price(
            conn,
            account=place.account,
            sender=wanted.name,
            price=wanted.price,
            currency=wanted.currency,
        )


async def apply_route(conn: Connection, wanted: Route, place: Place) -> None:
    """Create an SMS route, or reach it by another URL, or switch it."""
    subject, url = place.subject("sms_route", wanted.name), place.text_of(wanted.url)
    try:
        asked = read_route_url(url)
    except RouteUrlError as error:
        raise DocumentError(f"{subject}: the url {error}") from error
    context = route_context(place.account_id, wanted.name)
    sealed = place.hands.vault.seal(url, context=context)
    now = await find_route(conn, place.account_id, wanted.name)
    if now is None:
        new = NewRoute(
            place.account_id,
            wanted.name,
            asked.kind,
            sealed,
            asked.shown,
            wanted.prefixes,
            wanted.senders,
            wanted.default_sender,
            wanted.priority,
            os.urandom(16).hex(),
        )
        await insert_route(conn, new, now=place.now)
        place.notes.made(subject)
    elif place.hands.vault.open(now.url, context=context) != url:
        place.notes.secret(subject, "url")
        await move_route(conn, place.account_id, wanted.name, url=sealed, shown=asked.shown)
    shown = next(
        each for each in await list_routes(conn, place.account_id) if each.name == wanted.name
    )
    _refuse_moved(shown, wanted, subject)
    if place.notes.differ(subject, enabled=(shown.enabled, wanted.enabled)):
        await enable_route(conn, place.account_id, wanted.name, enabled=wanted.enabled)


def _refuse_moved(shown: ShownRoute, wanted: Route, subject: str) -> None:
    """What a route serves is fixed when it is created."""
    was = (sorted(shown.prefixes), sorted(shown.senders), shown.default_sender, shown.priority)
    is_ = (sorted(wanted.prefixes), sorted(wanted.senders), wanted.default_sender, wanted.priority)
    if was != is_:
        raise DocumentError(f"{subject}: what a route serves does not change; create another one")
