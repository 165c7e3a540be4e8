"""Commands: `linegate template`."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from linegate.admin.registration import import_template
from linegate.admin.removal import drop_template
from linegate.api.template_answer import encode_template
from linegate.api.template_request import TemplateRequest, read_template
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, fail, read_settings, show, with_store
from linegate.cli.setting import at_account
from linegate.clock import SystemClock
from linegate.line.catalogue import CatalogueError, load_catalogue
from linegate.postgres.directory import find_sender
from linegate.postgres.pool import Connection
from linegate.postgres.store import Store
from linegate.postgres.templates import (
    TemplateFilter,
    TemplateRow,
    decide_template,
    find_template_named,
    list_templates,
)

__all__ = ["template"]

_MOST = 10_000
_TOLD = 20  # violations of one file

template = typer.Typer(help="Registered templates.", no_args_is_help=True)

SenderName = Annotated[str, typer.Option("--sender", help="Its sender's name.")]
TemplateName = Annotated[str, typer.Option("--name", help="The template's name.")]
Language = Annotated[str, typer.Option(help="Its language; not given: the one without any.")]
Status = Literal["PENDING", "APPROVED", "REJECTED"]


class _Named(NamedTuple):
    """A template as an operator names it."""

    owner: str
    sender: str
    name: str
    language: str


@template.command("import")
def template_import(
    owner: AccountName,
    file: Annotated[Path, typer.Argument(help="One template, a list or one a line, as JSON; -.")],
    sender: Annotated[
        str | None, typer.Option("--sender", help="The sender of templates that name none.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Approve them as well.")] = False,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Register the templates of a file, or change those that there are. All of them or none."""
    now = SystemClock().now()
    wanted = _read_all(_text_of(file), sender, now)

    async def work(store: Store) -> list[TemplateRow]:
        async with store.pool.acquire() as conn, conn.transaction():
            account_id = await account_id_of(conn, owner)
            ids = [await _import_one(conn, account_id, each, now) for each in wanted]
            for id_ in ids if approve else ():
                await decide_template(conn, id_, status="APPROVED", reason=None, now=now)
            return [
                row
                for id_ in ids
                for row in await list_templates(conn, TemplateFilter(account_id, id_), limit=1)
            ]

    _show_rows(with_store(work), as_json=as_json)


@template.command("approve")
def template_approve(
    owner: AccountName,
    sender: SenderName,
    name: TemplateName,
    language: Language = "",
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Approve what a template says now: from now on this is sent. Counts within a second."""
    _decide(_Named(owner, sender, name, language), "APPROVED", None, as_json=as_json)


@template.command("reject")
def template_reject(
    owner: AccountName,
    sender: SenderName,
    name: TemplateName,
    reason: Annotated[str, typer.Option(help="Why: the account's users see it.")],
    language: Language = "",
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Reject what a template says now. A version that was approved before is sent again."""
    _decide(_Named(owner, sender, name, language), "REJECTED", reason, as_json=as_json)


@template.command("remove")
def template_remove(
    owner: AccountName,
    sender: SenderName,
    name: TemplateName,
    language: Language = "",
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Remove a template: nobody can send it any more; what was accepted goes out all the same."""
    named = _Named(owner, sender, name, language)

    async def work(store: Store) -> int:
        async with at_account(store, owner) as (conn, place):
            id_ = await _template_id_of(conn, named)
            await drop_template(conn, id_, name, place)
            return id_

    id_ = with_store(work)
    show({"templateId": str(id_), "removed": True}, as_json=as_json, plain=name)


@template.command("list")
def template_list(
    owner: AccountName,
    sender: Annotated[str | None, typer.Option("--sender", help="Of this sender only.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """List an account's templates: id, sender, name, language, version, status."""

    async def work(store: Store) -> list[TemplateRow]:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            wanted = TemplateFilter(account_id, sender=sender, status=status)
            return await list_templates(conn, wanted, limit=_MOST)

    _show_rows(with_store(work), as_json=as_json)


@template.command("catalogue")
def template_catalogue(
    file: Annotated[
        Path | None, typer.Argument(help="A file to check; the configured one if not given.")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Say how many keys of LINE's own templates are known, by country."""
    try:
        sizes = load_catalogue(file or read_settings().line_template_catalogue).sizes()
    except CatalogueError as error:
        fail(str(error))
    lines = [
        f"{code}\t" + "\t".join(f"{count} {kind}" for kind, count in kinds.items())
        for code, kinds in sizes.items()
    ]
    show(sizes, as_json=as_json, plain="\n".join(lines))


def _text_of(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")


def _read_all(text: str, sender: str | None, now: datetime) -> list[TemplateRequest]:
    """The templates of a file, or the end of the command with what is wrong in them."""
    wanted: list[TemplateRequest] = []
    wrong: list[str] = []
    for number, tree in enumerate(_trees(text), 1):
        if isinstance(tree, dict) and sender is not None:
            tree.setdefault("sender", sender)
        read = read_template(json.dumps(tree).encode(), now)
        if isinstance(read, TemplateRequest):
            wanted.append(read)
        else:
            wrong += [f"template {number}: {each.property} {each.violation}" for each in read]
    if wrong:
        fail("nothing was imported:\n  " + "\n  ".join(wrong[:_TOLD]))
    return wanted


def _trees(text: str) -> Sequence[Any]:
    """What a file holds: a JSON list, one object, or one object a line."""
    try:
        whole = json.loads(text)
    except ValueError:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            fail(f"the file is neither JSON nor JSON by the line: {error}")
    return whole if isinstance(whole, list) else [whole]


async def _import_one(
    conn: Connection, account_id: int, wanted: TemplateRequest, now: datetime
) -> int:
    return await import_template(
        conn,
        account_id=account_id,
        sender_id=await _sender_id_of(conn, account_id, wanted.sender or ""),
        name=wanted.name or "",
        language=wanted.language or "",
        says=wanted.says,
        now=now,
    )


async def _sender_id_of(conn: Connection, account_id: int, name: str) -> int:
    sender = await find_sender(conn, name)
    if sender is None or sender.account_id != account_id:
        raise CommandError(f"the account has no sender {name}")
    return sender.id


async def _template_id_of(conn: Connection, named: _Named) -> int:
    account_id = await account_id_of(conn, named.owner)
    sender_id = await _sender_id_of(conn, account_id, named.sender)
    id_ = await find_template_named(conn, sender_id, named.name, named.language)
    if id_ is None:
        language = f"in {named.language}" if named.language else "without a language"
        raise CommandError(f"{named.sender} has no template {named.name} {language}")
    return id_


def _decide(
    named: _Named, status: Literal["APPROVED", "REJECTED"], reason: str | None, *, as_json: bool
) -> None:
    async def work(store: Store) -> int:
        now = SystemClock().now()
        async with store.pool.acquire() as conn, conn.transaction():
            id_ = await _template_id_of(conn, named)
            if not await decide_template(conn, id_, status=status, reason=reason, now=now):
                raise CommandError(f"{named.name} was deleted just now")
            return id_

    id_ = with_store(work)
    show({"templateId": str(id_), "status": status}, as_json=as_json, plain=status)


def _show_rows(rows: Sequence[TemplateRow], *, as_json: bool) -> None:
    lines = [
        "\t".join(
            (str(row.id), row.sender, row.name, row.language or "-", f"v{row.version}", row.status)
        )
        for row in rows
    ]
    shown = [json.loads(encode_template(row)) for row in rows]
    show({"templates": shown}, as_json=as_json, plain="\n".join(lines))
