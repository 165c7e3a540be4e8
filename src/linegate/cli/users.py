"""Commands: `linegate user`."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from linegate.admin.callers import SHORTEST_PASSWORD, put_user
from linegate.admin.desired import User
from linegate.admin.removal import drop_user
from linegate.api.operator_shown import shown_user
from linegate.api.passwords import hash_password
from linegate.cli.access import Addresses, Scopes
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, actor, show, with_store
from linegate.cli.setting import CLEAR, asked, at_account, listed
from linegate.clock import SystemClock
from linegate.domain.keys import digest_of
from linegate.domain.wiretime import format_instant
from linegate.postgres.audit import note_change
from linegate.postgres.identities import (
    User as KnownUser,
)
from linegate.postgres.identities import (
    UserListed,
    enable_user,
    find_user,
    insert_token,
    list_users,
    set_password,
)
from linegate.postgres.pool import Connection, transaction
from linegate.postgres.store import Store

__all__ = ["make_link", "user"]

_LINK_LIFE = timedelta(days=1)

user = typer.Typer(
    help="Users: who logs in by name and password (Basic, IBSSO, OAuth2).", no_args_is_help=True
)

UserName = Annotated[str, typer.Option("--user", help="The user's name, or OAuth2 client id.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="A file that holds the password; one is made and printed without it.",
        exists=True,
        dir_okay=False,
    ),
]


@user.command("create")
def user_create(
    owner: AccountName,
    name: UserName,
    password_file: PasswordFile = None,
    scope: Scopes = None,
    allow_address: Addresses = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="Sees and changes every account in the console.")
    ] = False,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create a user. A password that was made here is printed alone on the last line, this once."""
    password = _password(password_file)
    tree = {"scopes": scope or None, "allowedAddresses": allow_address or None}

    async def work(store: Store) -> int:
        async with at_account(store, owner) as (conn, place):
            if await find_user(conn, name) is not None:
                raise CommandError(f"there is a user named {name} already in this installation")
            wanted = asked({**tree, "operator": operator}, User, name=name, password=password)
            await put_user(conn, wanted, place)
            made = await find_user(conn, name)
        return made.id if made is not None else 0

    id_ = with_store(work)
    _tell(id_, name, password if password_file is None else None, as_json=as_json)


@user.command("set", help=f"Change what a user may do; what is not named stays, {CLEAR}.")
def user_set(
    owner: AccountName,
    name: UserName,
    scope: Scopes = None,
    allow_address: Addresses = None,
    operator: Annotated[
        bool | None,
        typer.Option("--operator/--no-operator", help="Every account in the console, or its own."),
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Counts within 2 seconds."""
    tree = {
        "scopes": listed(scope),
        "allowedAddresses": listed(allow_address),
        "operator": operator,
    }

    async def work(store: Store) -> UserListed:
        async with at_account(store, owner) as (conn, place):
            await _known(conn, place.account_id, owner, name)
            await put_user(conn, asked(tree, User, name=name), place)
            return await _known(conn, place.account_id, owner, name)

    show(shown_user(with_store(work)), as_json=as_json, plain=name)


@user.command("remove")
def user_remove(
    owner: AccountName, name: UserName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Remove a user; its sessions and tokens end within 2 seconds."""

    async def work(store: Store) -> None:
        async with at_account(store, owner) as (conn, place):
            if not await drop_user(conn, name, place):
                raise CommandError(f"{owner} has no user {name}")

    with_store(work)
    show({"user": name, "removed": True}, as_json=as_json, plain=name)


async def _known(conn: Connection, account_id: int, owner: str, name: str) -> UserListed:
    for each in await list_users(conn, account_id):
        if each.name == name:
            return each
    raise CommandError(f"{owner} has no user {name}")


@user.command("password")
def user_password(
    owner: AccountName,
    name: UserName,
    password_file: PasswordFile = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Give a user another password; sessions and tokens of the old one end."""
    password = _password(password_file)

    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            if not await set_password(conn, account_id, name, hash_password(password)):
                raise CommandError(f"{owner} has no user {name}")

    with_store(work)
    _tell(None, name, password if password_file is None else None, as_json=as_json)


@user.command("link")
def user_link(
    owner: AccountName, name: UserName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Print a link that logs a browser in to the console as this user: once, within a day."""

    async def work(store: Store) -> str:
        async with transaction(store.pool) as conn:
            account_id = await account_id_of(conn, owner)
            found = await find_user(conn, name)
            if found is None or found.account_id != account_id:
                raise CommandError(f"{owner} has no user {name}")
            return await make_link(conn, found)

    path = with_store(work)
    show({"user": name, "path": path}, as_json=as_json, plain=path)


async def make_link(conn: Connection, found: KnownUser) -> str:
    """The path of a link that logs this user in to the console once, within a day.

    It is as good as a password: the audit log says who had it made. In a transaction.
    """
    token, now = secrets.token_urlsafe(32), SystemClock().now()
    ends = now + _LINK_LIFE
    await insert_token(
        conn,
        digest=digest_of(token),
        user_id=found.id,
        kind="link",
        address=None,
        expires_at=ends,
    )
    await note_change(
        conn,
        account_id=found.account_id,
        actor=actor(),
        kind="api_user",
        subject=found.name,
        changes={"login_link_until": [None, format_instant(ends)]},
        now=now,
    )
    return f"/console/enter?token={token}"


@user.command("list")
def user_list(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """List an account's users."""

    async def work(store: Store) -> list[UserListed]:
        async with store.pool.acquire() as conn:
            return await list_users(conn, await account_id_of(conn, owner))

    users = with_store(work)
    lines = [
        f"{each.name}\t{'enabled' if each.enabled else 'disabled'}\t{','.join(sorted(each.scopes))}"
        for each in users
    ]
    shown = [shown_user(each) for each in users]
    show({"account": owner, "users": shown}, as_json=as_json, plain="\n".join(lines))


@user.command("disable")
def user_disable(
    owner: AccountName, name: UserName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Stop a user, its sessions and its tokens, within 2 seconds."""
    _switch(owner, name, enabled=False, as_json=as_json)


@user.command("enable")
def user_enable(
    owner: AccountName, name: UserName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Let a disabled user log in again."""
    _switch(owner, name, enabled=True, as_json=as_json)


def _switch(owner: str, name: str, *, enabled: bool, as_json: bool) -> None:
    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            if not await enable_user(conn, account_id, name, enabled=enabled):
                raise CommandError(f"{owner} has no user {name}")

    with_store(work)
    show({"user": name, "enabled": enabled}, as_json=as_json, plain=name)


def _password(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(24)
    password = file.read_text(encoding="utf-8").strip()
    if len(password) < SHORTEST_PASSWORD:
        raise typer.BadParameter(f"a password must have at least {SHORTEST_PASSWORD} characters")
    return password


def _tell(id_: int | None, name: str, made: str | None, *, as_json: bool) -> None:
    answer: dict[str, object] = {"user": name}
    if id_ is not None:
        answer["id"] = id_
    if made is not None:
        answer["password"] = made
    show(answer, as_json=as_json, plain=made or name)
