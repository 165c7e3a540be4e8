"""Commands: accounts, keys, senders, webhooks."""

import os
from pathlib import Path
from typing import Annotated

import typer

from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.postgres.directory import (
    find_account,
    find_webhook_secret,
    insert_account,
    insert_sender,
    set_default_endpoint,
)
from linegate.postgres.pool import Connection
from linegate.postgres.store import Store
from linegate.sealing import account_context, sender_context
from linegate.webhook.signing import SECRET_BYTES, secret_of

__all__ = [
    "AccountName",
    "account",
    "account_id_of",
    "create_account",
    "create_sender",
    "sender",
    "webhook",
]

LINE_RATE = 1900
"""Requests a second to one channel: a little below LINE's 2,000, for what network delay bunches."""

account = typer.Typer(help="Accounts: everything belongs to one.", no_args_is_help=True)
sender = typer.Typer(help="Senders: LINE Official Accounts.", no_args_is_help=True)
webhook = typer.Typer(help="Where delivery reports are pushed.", no_args_is_help=True)

AccountName = Annotated[str, typer.Option("--account", help="The account's name.")]


@account.command("create")
def account_create(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Create an account and print its id."""
    id_ = with_store(lambda store: create_account(store, name))
    show({"id": id_, "name": name}, as_json=as_json, plain=str(id_))


@sender.command("create")
def sender_create(
    owner: AccountName,
    name: Annotated[str, typer.Option("--sender", help="Its name, as requests give it.")],
    channel_id: Annotated[str, typer.Option(help="The Messaging API channel's id.")],
    channel_secret: Annotated[
        str | None,
        typer.Option(help="The channel's secret.", envvar="LINEGATE_CHANNEL_SECRET"),
    ] = None,
    channel_secret_file: Annotated[
        Path | None, typer.Option(help="A file that holds the secret.")
    ] = None,
    access_token: Annotated[
        str | None,
        typer.Option(
            help="A long-lived channel access token; without it tokens are issued and renewed.",
            envvar="LINEGATE_ACCESS_TOKEN",
        ),
    ] = None,
    access_token_file: Annotated[
        Path | None, typer.Option(help="A file that holds the token.")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create a sender and print its id. LINE's events go to /line/webhook/NAME."""
    secret = _given(channel_secret, channel_secret_file, "--channel-secret")
    token = _given(access_token, access_token_file, None)
    id_ = with_store(
        lambda store: create_sender(
            store, owner, name, channel_id=channel_id, channel_secret=secret or "", token=token
        )
    )
    show({"id": id_, "sender": name}, as_json=as_json, plain=str(id_))


@webhook.command("set")
def webhook_set(
    owner: AccountName,
    url: Annotated[str, typer.Option(help="Where reports without a URL of their own go.")],
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Set the account's own endpoint for delivery reports."""

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
    secret = secret_of(os.urandom(SECRET_BYTES))
    sealed = store.vault.seal(secret, context=account_context(name, "webhook_secret"))
    async with store.pool.acquire() as conn:
        id_ = await insert_account(conn, name, webhook_secret=sealed, now=SystemClock().now())
    if id_ is None:
        raise CommandError(f"there is an account named {name} already")
    return id_


async def create_sender(
    store: Store, owner: str, name: str, *, channel_id: str, channel_secret: str, token: str | None
) -> int:
    """Create a sender of an account; gives its id."""
    vault = store.vault
    async with store.pool.acquire() as conn:
        id_ = await insert_sender(
            conn,
            account_id=await account_id_of(conn, owner),
            name=name,
            channel_id=channel_id,
            channel_secret=vault.seal(channel_secret, context=sender_context(name, "secret")),
            access_token=vault.seal(token, context=sender_context(name, "token"))
            if token
            else None,
            per_second=LINE_RATE,
            now=SystemClock().now(),
        )
    if id_ is None:
        raise CommandError(f"there is a sender named {name} already in this installation")
    return id_


async def account_id_of(conn: Connection, name: str) -> int:
    """An account's id by its name. Raises: CommandError if there is none."""
    id_ = await find_account(conn, name)
    if id_ is None:
        raise CommandError(f"there is no account named {name}")
    return id_


def _given(value: str | None, file: Path | None, needed: str | None) -> str | None:
    """A secret from the option, its variable or its file."""
    if value is None and file is not None:
        value = file.read_text(encoding="utf-8").strip()
    if not value and needed:
        raise typer.BadParameter(f"{needed}, its variable or {needed}-file is needed")
    return value or None
