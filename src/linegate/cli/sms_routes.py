"""Commands: SMS routes, which carry what LINE did not deliver."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from linegate.admin.desired import Route
from linegate.admin.removal import drop_route
from linegate.admin.routes import put_route
from linegate.api.operator_shown import shown_route
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.cli.setting import CLEAR, asked, at_account, listed, whole
from linegate.clock import SystemClock
from linegate.postgres.pool import Connection
from linegate.postgres.sms_routes import ShownRoute, enable_route, find_route, list_routes
from linegate.postgres.store import Store
from linegate.sealing import route_context
from linegate.sms.route_check import trouble_of
from linegate.sms.route_url import read_route_url

__all__ = ["RouteAsked", "ensure_route", "sms_route"]

sms_route = typer.Typer(help="Routes for SMS failover.", no_args_is_help=True)

RouteName = Annotated[str, typer.Option("--name", help="The route's name.")]
RouteUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="smpp://USER:PASSWORD@HOST:PORT, smpps://..., infobip://KEY@HOST or"
        " twilio://SID:TOKEN@HOST.",
        envvar="LINEGATE_SMS_URL",
    ),
]
UrlFile = Annotated[Path | None, typer.Option(help="A file that holds the URL.")]
Prefixes = Annotated[
    list[str] | None,
    typer.Option("--prefix", help="Destinations it serves, such as 66; all if not given."),
]
Senders = Annotated[
    list[str] | None,
    typer.Option("--sender", help="SMS senders it serves; all if not given."),
]
DefaultSender = Annotated[
    str | None, typer.Option(help="The SMS sender where a request names none.")
]


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
    url: RouteUrlOption = None,
    url_file: UrlFile = None,
    name: Annotated[str, typer.Option(help="A name to tell routes apart.")] = "",
    prefix: Prefixes = None,
    sender: Senders = None,
    default_sender: DefaultSender = None,
    priority: Annotated[int, typer.Option(help="The lower goes first.", min=0, max=1000)] = 0,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create a route and print its id. A running linegate opens it within seconds."""
    url = _url(url, url_file)
    if not url:
        raise typer.BadParameter("--url, LINEGATE_SMS_URL or --url-file is needed")
    wanted = RouteAsked(name, url, prefix or (), sender or (), default_sender, priority)
    id_, made = with_store(lambda store: create_route(store, owner, wanted))
    show({"id": id_, "name": made}, as_json=as_json, plain=str(id_))


@sms_route.command("set", help=f"Change a route; what is not named stays, {CLEAR}.")
def route_set(  # noqa: PLR0913, PLR0917 - one for each option
    owner: AccountName,
    name: RouteName,
    url: RouteUrlOption = None,
    url_file: UrlFile = None,
    prefix: Prefixes = None,
    sender: Senders = None,
    default_sender: DefaultSender = None,
    priority: Annotated[str | None, typer.Option(help="0 to 1000; the lower goes first.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """What waits for it looks for its route anew."""
    tree = {
        "url": _url(url, url_file),
        "prefixes": listed(prefix),
        "senders": listed(sender),
        "defaultSender": default_sender,
        "priority": whole(priority),
    }

    async def work(store: Store) -> ShownRoute:
        async with at_account(store, owner) as (conn, place):
            await _known(conn, place.account_id, owner, name)
            await put_route(conn, asked(tree, Route, name=name), place)
            return await _known(conn, place.account_id, owner, name)

    show(shown_route(with_store(work)), as_json=as_json, plain=name)


@sms_route.command("remove")
def route_remove(
    owner: AccountName, name: RouteName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Remove a route that no SMS waits for; `disable` sends what waits by another one."""

    async def work(store: Store) -> None:
        async with at_account(store, owner) as (conn, place):
            if not await drop_route(conn, name, place):
                raise CommandError(f"{owner} has no SMS route named {name}")

    with_store(work)
    show({"name": name, "removed": True}, as_json=as_json, plain=name)


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
    show(
        {"routes": [shown_route(route) for route in routes]},
        as_json=as_json,
        plain="\n".join(lines),
    )


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


async def create_route(store: Store, owner: str, wanted: RouteAsked) -> tuple[int, str]:
    """Create a route of an account; gives its id and name."""
    name = wanted.name or f"{read_route_url(wanted.url).kind}-{os.urandom(3).hex()}"
    async with at_account(store, owner) as (conn, place):
        if await find_route(conn, place.account_id, name) is not None:
            raise CommandError(f"{owner} has an SMS route named {name} already")
        await put_route(conn, _wish(wanted, name), place)
        made = await _known(conn, place.account_id, owner, name)
    return made.id, name


async def ensure_route(store: Store, owner: str, wanted: RouteAsked) -> None:
    """Make a route if it is missing, or give it this URL."""
    async with at_account(store, owner) as (conn, place):
        await put_route(conn, _wish(wanted, wanted.name), place)


def _wish(wanted: RouteAsked, name: str) -> Route:
    """Raises: CommandError for what no route can serve."""
    tree = {
        "url": wanted.url,
        "prefixes": list(wanted.prefixes),
        "senders": list(wanted.senders),
        "defaultSender": wanted.default_sender,
        "priority": wanted.priority,
    }
    return asked(tree, Route, name=name)


async def _known(conn: Connection, account_id: int, owner: str, name: str) -> ShownRoute:
    for each in await list_routes(conn, account_id):
        if each.name == name:
            return each
    raise CommandError(f"{owner} has no SMS route named {name}")


def _url(url: str | None, file: Path | None) -> str | None:
    """A URL from the option, its variable or its file."""
    if url is None and file is not None:
        url = file.read_text(encoding="utf-8").strip()
    return url or None


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
