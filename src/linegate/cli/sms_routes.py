"""Commands: SMS routes, which carry what LINE did not deliver."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.domain.wiretime import format_instant
from linegate.postgres.sms_routes import (
    NewRoute,
    ShownRoute,
    enable_route,
    find_route,
    insert_route,
    list_routes,
    move_route,
)
from linegate.postgres.store import Store
from linegate.sealing import route_context
from linegate.sms.route_check import trouble_of
from linegate.sms.route_url import read_route_url
from linegate.sms.senders import is_sms_sender

__all__ = ["RouteAsked", "ensure_route", "sms_route"]

sms_route = typer.Typer(help="Routes for SMS failover.", no_args_is_help=True)

_PREFIX = re.compile(r"\d{1,15}")

RouteName = Annotated[str, typer.Option("--name", help="The route's name.")]


@dataclass(frozen=True, slots=True)
class RouteAsked:
    """A route as the operator asks for it."""

    name: str
    url: str
    prefixes: Sequence[str] = ()
    senders: Sequence[str] = ()
    default_sender: str | None = None
    priority: int = 0


@sms_route.command("create")
def route_create(  # noqa: PLR0913, PLR0917 - one for each option
    owner: AccountName,
    url: Annotated[
        str | None,
        typer.Option(
            help="smpp://USER:PASSWORD@HOST:PORT, smpps://..., infobip://KEY@HOST or"
            " twilio://SID:TOKEN@HOST.",
            envvar="LINEGATE_SMS_URL",
        ),
    ] = None,
    url_file: Annotated[Path | None, typer.Option(help="A file that holds the URL.")] = None,
    name: Annotated[str, typer.Option(help="A name to tell routes apart.")] = "",
    prefix: Annotated[
        list[str] | None,
        typer.Option("--prefix", help="Destinations it serves, such as 66; all if not given."),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option("--sender", help="SMS senders it serves; all if not given."),
    ] = None,
    default_sender: Annotated[
        str | None, typer.Option(help="The SMS sender where a request names none.")
    ] = None,
    priority: Annotated[int, typer.Option(help="The lower goes first.", min=0, max=1000)] = 0,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create a route and print its id. A running linegate opens it within seconds."""
    if url is None and url_file is not None:
        url = url_file.read_text(encoding="utf-8").strip()
    if not url:
        raise typer.BadParameter("--url, LINEGATE_SMS_URL or --url-file is needed")
    asked = RouteAsked(name, url, prefix or (), sender or (), default_sender, priority)
    id_, made = with_store(lambda store: create_route(store, owner, asked))
    show({"id": id_, "name": made}, as_json=as_json, plain=str(id_))


@sms_route.command("list")
def route_list(
    owner: Annotated[str | None, typer.Option("--account", help="Of this account alone.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """List routes and how they are doing, as the process that holds them sees it."""

    async def work(store: Store) -> list[ShownRoute]:
        async with store.pool.acquire() as conn:
            account = None if owner is None else await account_id_of(conn, owner)
            return await list_routes(conn, account)

    routes = with_store(work)
    lines = [f"{r.id}  {r.account}  {r.name}  {r.shown}  {_health(r)}" for r in routes]
    show({"routes": [_as_json(route) for route in routes]}, as_json=as_json, plain="\n".join(lines))


@sms_route.command("enable")
def route_enable(
    owner: AccountName, name: RouteName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Switch a route on again."""
    _switch(owner, name, enabled=True, as_json=as_json)


@sms_route.command("disable")
def route_disable(
    owner: AccountName, name: RouteName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Switch a route off; what waits for it goes by another one that takes it."""
    _switch(owner, name, enabled=False, as_json=as_json)


@sms_route.command("check")
def route_check(
    owner: AccountName, name: RouteName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Connect to a route's provider, bind and leave again. Sends nothing.

    An HTTP provider is only known by what it answers to an SMS: of those the URL alone is checked.
    """

    async def work(store: Store) -> str:
        async with store.pool.acquire() as conn:
            row = await find_route(conn, await account_id_of(conn, owner), name)
        if row is None:
            raise CommandError(f"{owner} has no SMS route named {name}")
        context = route_context(row.account_id, row.name)
        route = read_route_url(store.vault.open(row.url, context=context))
        return await trouble_of(route, SystemClock(), name)

    trouble = with_store(work)
    if trouble:
        raise_with = f"{name} is not usable: {trouble}"
        show({"name": name, "ok": False, "trouble": trouble}, as_json=as_json, plain=raise_with)
        raise typer.Exit(1)
    show({"name": name, "ok": True}, as_json=as_json, plain=f"{name} is usable")


async def create_route(store: Store, owner: str, asked: RouteAsked) -> tuple[int, str]:
    """Create a route of an account; gives its id and name."""
    route = read_route_url(asked.url)  # a RouteUrlError is a ValueError, which the command tells
    _check(asked)
    async with store.pool.acquire() as conn:
        account_id = await account_id_of(conn, owner)
        name = asked.name or f"{route.kind}-{os.urandom(3).hex()}"
        sealed = store.vault.seal(asked.url, context=route_context(account_id, name))
        new = NewRoute(
            account_id,
            name,
            route.kind,
            sealed,
            route.shown,
            list(asked.prefixes),
            list(asked.senders),
            asked.default_sender,
            asked.priority,
            os.urandom(16).hex(),
        )
        id_ = await insert_route(conn, new, now=SystemClock().now())
    if id_ is None:
        raise CommandError(f"{owner} has an SMS route named {name} already")
    return id_, name


async def ensure_route(store: Store, owner: str, asked: RouteAsked) -> None:
    """Make a route if it is missing, or give it this URL."""
    async with store.pool.acquire() as conn:
        account_id = await account_id_of(conn, owner)
        known = await find_route(conn, account_id, asked.name)
    if known is None:
        await create_route(store, owner, asked)
        return
    context = route_context(account_id, asked.name)
    if store.vault.open(known.url, context=context) == asked.url:
        return
    sealed = store.vault.seal(asked.url, context=context)
    shown = read_route_url(asked.url).shown
    async with store.pool.acquire() as conn:
        await move_route(conn, account_id, asked.name, url=sealed, shown=shown)


def _check(asked: RouteAsked) -> None:
    for prefix in asked.prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise CommandError(f"a prefix is 1 to 15 digits with the country code, not {prefix}")
    for sender in (*asked.senders, *filter(None, (asked.default_sender,))):
        if not is_sms_sender(sender):
            reason = "is a number of 3 to 15 digits or a name of at most 11 characters"
            raise CommandError(f"an SMS sender {reason}, not {sender}")


def _switch(owner: str, name: str, *, enabled: bool, as_json: bool) -> None:
    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            if not await enable_route(conn, account_id, name, enabled=enabled):
                raise CommandError(f"{owner} has no SMS route named {name}")

    with_store(work)
    word = "on" if enabled else "off"
    show({"name": name, "enabled": enabled}, as_json=as_json, plain=f"{name} is {word}")


def _health(route: ShownRoute) -> str:
    if not route.enabled:
        return "off"
    if route.is_up is None:
        return "not tried yet"
    return "up" if route.is_up else f"down: {route.trouble}"


def _as_json(route: ShownRoute) -> dict[str, object]:
    return {
        "id": route.id,
        "account": route.account,
        "name": route.name,
        "kind": route.kind,
        "url": route.shown,
        "prefixes": route.prefixes,
        "senders": route.senders,
        "defaultSender": route.default_sender,
        "priority": route.priority,
        "enabled": route.enabled,
        "up": route.is_up,
        "downSince": format_instant(route.down_since) if route.down_since else None,
        "trouble": route.trouble,
    }
