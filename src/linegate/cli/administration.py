"""Commands: `linegate apply`, `linegate audit`, and an account's settings."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from linegate.admin.apply import apply_document
from linegate.admin.desired import AccountSettings, DocumentError, Secret
from linegate.admin.notes import Change
from linegate.admin.reading import read_toml
from linegate.admin.removal import drop_account
from linegate.admin.settings import change_account
from linegate.api.operator_shown import shown_account, shown_applied, shown_change
from linegate.cli.accounts import account, account_id_of
from linegate.cli.console import CommandError, JsonFlag, fail, show, with_store
from linegate.cli.setting import CLEAR, asked, at_account, hands_of, whole
from linegate.clock import SystemClock
from linegate.postgres.admin import AccountListed, list_accounts
from linegate.postgres.audit import Change as Audited
from linegate.postgres.audit import list_audit
from linegate.postgres.store import Store
from linegate.postgres.suspension import resume_account, suspend_account

__all__ = ["apply", "audit"]


def apply(
    file: Annotated[Path, typer.Argument(help="A TOML file.", exists=True, dir_okay=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and change nothing.")
    ] = False,
    pruned: Annotated[
        bool, typer.Option("--prune", help="Remove what a declared account's lists do not name.")
    ] = False,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Make accounts, senders, keys, limits and the rest as a file declares them.

    docs/howto/administer.md shows one. Applying it twice changes nothing the second time.
    """
    try:
        document = read_toml(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, DocumentError) as error:
        fail(_told(file, error))

    async def work(store: Store) -> list[Change]:
        secrets = Secrets(os.environ, file.parent)
        hands = replace(hands_of(store), resolve=secrets.text_of)
        now = SystemClock().now()
        try:
            return await apply_document(
                store.pool, document, hands, dry_run=dry_run, now=now, pruned=pruned
            )
        except DocumentError as error:
            raise CommandError(f"{_told(file, error)}; nothing was changed") from error

    changes = with_store(work)
    done = "would change" if dry_run else "changed"
    lines = [*map(_line, changes), f"{len(changes)} {done}"]
    answer = {"dryRun": dry_run, "changes": [shown_applied(each) for each in changes]}
    show(answer, as_json=as_json, plain="\n".join(lines))


def _line(each: Change) -> str:
    if not each.field:
        return f"{each.subject}: {each.after}"
    return f"{each.subject}: {each.field}: {_text(each.before)} -> {_text(each.after)}"


def _told(file: Path, error: ValueError | DocumentError) -> str:
    """What is wrong, each with its place in the file."""
    if isinstance(error, DocumentError) and error.violations:
        wrong = [f"\n  {each.property} {each.violation}" for each in error.violations]
        return f"{file}:{''.join(wrong)}"
    return f"{file}: {error}"


class Secrets:
    """Secrets of a declaration: text, an environment variable, or a file beside it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Look names up in `environment` and relative paths below `folder`."""
        self._environment = environment
        self._folder = folder

    def text_of(self, secret: Secret) -> str:
        """The text. Raises: DocumentError where there is none."""
        if isinstance(secret, str):
            return secret
        if (secret.env is None) == (secret.file is None):
            raise DocumentError("a secret is text, { env = NAME } or { file = PATH }")
        if secret.env is not None:
            if not self._environment.get(secret.env):
                raise DocumentError(f"the environment has no {secret.env}")
            return self._environment[secret.env]
        try:
            return (self._folder / str(secret.file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(str(error)) from error


def audit(
    owner: Annotated[
        str | None, typer.Option("--account", help="Of this account; of all if not given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Show who changed what, newest first."""

    async def work(store: Store) -> list[Audited]:
        async with store.pool.acquire() as conn:
            account_id = None if owner is None else await account_id_of(conn, owner)
            return await list_audit(conn, account_id=account_id, limit=limit)

    changes = with_store(work)
    if as_json:
        show({"changes": [shown_change(each) for each in changes]}, as_json=True, plain="")
        return
    table = Table()
    for name in ("at", "account", "who", "did", "what", "changes"):
        table.add_column(name)
    for each in changes:
        fields = "\n".join(
            f"{name}: {_text(before)} -> {_text(after)}"
            for name, (before, after) in each.changes.items()
            if each.action == "change"
        )
        table.add_row(
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            each.account or "",
            each.actor,
            each.action,
            f"{each.kind} {each.subject}",
            fields,
        )
    Console().print(table)


@account.command("list")
def account_list(as_json: Annotated[bool, JsonFlag] = False) -> None:
    """List accounts with their limits and how many of their messages have not ended."""

    async def work(store: Store) -> list[AccountListed]:
        async with store.pool.acquire() as conn:
            return await list_accounts(conn)

    accounts = with_store(work)
    lines = [
        f"{each.id}\t{each.name}\t{'suspended' if each.suspended_at else 'active'}\t{each.waiting}"
        for each in accounts
    ]
    shown = [shown_account(each) for each in accounts]
    show({"accounts": shown}, as_json=as_json, plain="\n".join(lines))


@account.command("set")
def account_set(
    name: str,
    default_sender: Annotated[
        str | None, typer.Option(help=f"The sender of messages that name none; {CLEAR}.")
    ] = None,
    requests_per_second: Annotated[
        str | None, typer.Option(help=f"Most requests in a second; {CLEAR}.")
    ] = None,
    messages_per_day: Annotated[
        str | None, typer.Option(help=f"Most messages of a UTC day; {CLEAR}.")
    ] = None,
    messages_waiting: Annotated[
        str | None, typer.Option(help=f"Most messages that have not ended; {CLEAR}.")
    ] = None,
    retention_days: Annotated[
        str | None, typer.Option(help=f"Days that ended messages are kept; {CLEAR}.")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Change settings of an account; what is not named stays. Counts within 2 seconds."""
    tree = {
        "defaultSender": default_sender,
        "requestsPerSecond": whole(requests_per_second),
        "messagesPerDay": whole(messages_per_day),
        "messagesWaiting": whole(messages_waiting),
        "retentionDays": whole(retention_days),
    }

    async def work(store: Store) -> AccountListed:
        async with at_account(store, name) as (conn, place):
            await change_account(conn, asked(tree, AccountSettings), place)
            return (await list_accounts(conn, name))[0]

    _show_account(with_store(work), as_json=as_json)


@account.command("show")
def account_show(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Show an account's settings."""

    async def work(store: Store) -> AccountListed:
        async with store.pool.acquire() as conn:
            await account_id_of(conn, name)
            return (await list_accounts(conn, name))[0]

    _show_account(with_store(work), as_json=as_json)


def _show_account(found: AccountListed, *, as_json: bool) -> None:
    shown = shown_account(found)
    lines = [f"{field}\t{_text(value)}" for field, value in shown.items()]
    show(shown, as_json=as_json, plain="\n".join(lines))


@account.command("suspend")
def account_suspend(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Let an account send nothing, within 2 seconds; it loses nothing."""
    _switch(name, suspended=True, as_json=as_json)


@account.command("resume")
def account_resume(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Let a suspended account go on; its messages have the validity they had."""
    _switch(name, suspended=False, as_json=as_json)


@account.command("remove")
def account_remove(name: str, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Remove an account that has never sent, with everything that belongs to it."""

    async def work(store: Store) -> None:
        async with at_account(store, name) as (conn, place):
            await drop_account(conn, place)

    with_store(work)
    show({"account": name, "removed": True}, as_json=as_json, plain=name)


def _switch(name: str, *, suspended: bool, as_json: bool) -> None:
    async def work(store: Store) -> None:
        change = suspend_account if suspended else resume_account
        async with store.pool.acquire() as conn:
            id_ = await account_id_of(conn, name)
            if not await change(conn, id_, now=SystemClock().now()):
                raise CommandError(f"{name} is {'' if suspended else 'not '}suspended")

    with_store(work)
    show({"account": name, "suspended": suspended}, as_json=as_json, plain=name)


def _text(value: object) -> str:
    return "-" if value is None else str(value)
