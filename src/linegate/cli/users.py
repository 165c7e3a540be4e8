"""Commands: `linegate user`."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from linegate.api.passwords import hash_password
from linegate.cli.access import Addresses, Scopes, networks_of, scopes_of
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.domain.keys import digest_of
from linegate.postgres.console import make_operator
from linegate.postgres.identities import (
    UserListed,
    enable_user,
    find_user,
    insert_token,
    insert_user,
    list_users,
    set_password,
)
from linegate.postgres.pool import Connection
from linegate.postgres.store import Store

__all__ = ["make_link", "user"]

_SHORTEST = 12
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
    if ":" in name or not name.isprintable() or not name.strip():
        raise typer.BadParameter("a user's name must be printable and hold no colon")
    password = _password(password_file)

    async def work(store: Store) -> int:
        async with store.pool.acquire() as conn:
            id_ = await insert_user(
                conn,
                account_id=await account_id_of(conn, owner),
                name=name,
                password_hash=hash_password(password),
                scopes=sorted(scopes_of(scope)),
                networks=networks_of(allow_address),
                now=SystemClock().now(),
            )
            if operator and id_ is not None:
                await make_operator(conn, name, is_operator=True)
        if id_ is None:
            raise CommandError(f"there is a user named {name} already in this installation")
        return id_

    id_ = with_store(work)
    _tell(id_, name, password if password_file is None else None, as_json=as_json)


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
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            found = await find_user(conn, name)
            if found is None or found.account_id != account_id:
                raise CommandError(f"{owner} has no user {name}")
            return await make_link(conn, found.id)

    path = with_store(work)
    show({"user": name, "path": path}, as_json=as_json, plain=path)


async def make_link(conn: Connection, user_id: int) -> str:
    """The path of a link that logs this user in to the console once, within a day."""
    token = secrets.token_urlsafe(32)
    await insert_token(
        conn,
        digest=digest_of(token),
        user_id=user_id,
        kind="link",
        address=None,
        expires_at=SystemClock().now() + _LINK_LIFE,
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
    listed = [
        {
            "id": each.id,
            "user": each.name,
            "enabled": each.enabled,
            "scopes": sorted(each.scopes),
            "allowedAddresses": sorted(str(network) for network in each.networks),
            "created": each.created_at.isoformat(),
        }
        for each in users
    ]
    show({"account": owner, "users": listed}, as_json=as_json, plain="\n".join(lines))


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
    if len(password) < _SHORTEST:
        raise typer.BadParameter(f"a password must have at least {_SHORTEST} characters")
    return password


def _tell(id_: int | None, name: str, made: str | None, *, as_json: bool) -> None:
    answer: dict[str, object] = {"user": name}
    if id_ is not None:
        answer["id"] = id_
    if made is not None:
        answer["password"] = made
    show(answer, as_json=as_json, plain=made or name)
