"""Commands: accounts, webhooks."""

from typing import Annotated

import typer

from linegate.admin import settings
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.postgres.directory import (
    find_account,
    find_webhook_secret,
    set_default_endpoint,
)
from linegate.postgres.pool import Connection
from linegate.postgres.store import Store
from linegate.sealing import account_context
from linegate.webhook.guard import Guard

__all__ = [
    "AccountName",
    "account",
    "account_id_of",
    "create_account",
    "webhook",
]

account = typer.Typer(help="Accounts: everything belongs to one.", no_args_is_help=True)
webhook = typer.Typer(help="Where delivery reports are pushed.", no_args_is_help=True)

AccountName = Annotated[str, typer.Option("--account", help="The account's name.")]


@account.command("create")
def account_create(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Create an account and print its id."""
    id_ = with_store(lambda store: create_account(store, name))
    show({"id": id_, "name": name}, as_json=as_json, plain=str(id_))


@webhook.command("set")
def webhook_set(
    owner: AccountName,
    url: Annotated[str, typer.Option(help="Where reports without a URL of their own go.")],
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Set the account's own endpoint for delivery reports."""
    # Addresses and ports are the running service's to judge, at every connection.
    problem = Guard(allow_private=True).refusal_of(url)
    if problem is not None:
        raise CommandError(f"--url: {problem}")

    async def work(store: Store) -> int:
        async with store.pool.acquire() as conn:
            id_ = await account_id_of(conn, owner)
            return await set_default_endpoint(
                conn, account_id=id_, url=url, now=SystemClock().now()
            )

    id_ = with_store(work)
    show({"endpoint": id_, "url": url}, as_json=as_json, plain=url)


@webhook.command("secret")
def webhook_secret(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Print the secret that signs the account's delivery reports (Standard Webhooks)."""

    async def work(store: Store) -> str:
        async with store.pool.acquire() as conn:
            sealed = await find_webhook_secret(conn, await account_id_of(conn, owner))
        return store.vault.open(sealed, context=account_context(owner, "webhook_secret"))

    secret = with_store(work)
    show({"account": owner, "secret": secret}, as_json=as_json, plain=secret)


async def create_account(store: Store, name: str) -> int:
    """Create an account with a signing secret of its own; gives its id."""
    async with store.pool.acquire() as conn:
        now = SystemClock().now()
        id_ = await settings.create_account(conn, name, vault=store.vault, now=now)
    if id_ is None:
        raise CommandError(f"there is an account named {name} already")
    return id_


async def account_id_of(conn: Connection, name: str) -> int:
    """An account's id by its name. Raises: CommandError if there is none."""
    id_ = await find_account(conn, name)
    if id_ is None:
        raise CommandError(f"there is no account named {name}")
    return id_
