"""Commands: `linegate application` and `linegate entity`, with what each sets for its messages."""

from collections.abc import Callable
from typing import Annotated

import typer

from linegate.admin.desired import Division
from linegate.admin.removal import drop_division
from linegate.admin.settings import change_division
from linegate.api.operator_shown import shown_division as shown_as_json
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.cli.setting import CLEAR, asked, at_account, whole
from linegate.postgres.divisions import DivisionListed, Kind, list_divisions, shown_division
from linegate.postgres.store import Store

__all__ = ["application", "entity"]

_MOST = 100_000


def _commands(kind: Kind, plural: str) -> typer.Typer:
    group = typer.Typer(
        help=f"{plural.capitalize()} of an account and their settings.", no_args_is_help=True
    )
    group.command("set", help=f"Change settings of one {kind}, which is made if it is new.")(
        _set_command(kind)
    )
    group.command("list", help=f"List an account's {plural} with their settings.")(
        _list_command(kind, plural)
    )
    group.command(
        "remove",
        help=f"Remove one {kind} with its settings; a message that names it makes it again.",
    )(_remove_command(kind))
    return group


def _set_command(kind: Kind) -> Callable[..., None]:
    def set_(
        owner: AccountName,
        id_: Annotated[str, typer.Argument(metavar="ID", help=f"The {kind}'s id.")],
        name: Annotated[str | None, typer.Option(help=f"Its name; {CLEAR}.")] = None,
        default_sender: Annotated[
            str | None, typer.Option(help=f"The sender of messages that name none; {CLEAR}.")
        ] = None,
        webhook: Annotated[str | None, typer.Option(help=f"Where its reports go; {CLEAR}.")] = None,
        templates: Annotated[
            str | None, typer.Option(help=f"free, or required: templates only; {CLEAR}.")
        ] = None,
        messages_per_day: Annotated[
            str | None, typer.Option(help=f"Most messages of a UTC day; {CLEAR}.")
        ] = None,
        as_json: Annotated[bool, JsonFlag] = False,
    ) -> None:
        tree = {
            "name": name,
            "defaultSender": default_sender,
            "webhook": webhook,
            "templates": templates,
            "messagesPerDay": whole(messages_per_day),
        }

        async def work(store: Store) -> DivisionListed | None:
            async with at_account(store, owner) as (conn, place):
                await change_division(conn, kind, id_, asked(tree, Division, id=id_), place)
                return await shown_division(conn, place.account_id, kind, id_)

        changed = with_store(work)
        shown = shown_as_json(changed) if changed is not None else {}
        show(shown, as_json=as_json, plain=_line(shown))

    return set_


def _list_command(kind: Kind, plural: str) -> Callable[..., None]:
    def list_(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
        async def work(store: Store) -> list[DivisionListed]:
            async with store.pool.acquire() as conn:
                return await list_divisions(conn, await account_id_of(conn, owner), limit=_MOST)

        shown = [shown_as_json(each) for each in with_store(work) if each.kind == kind]
        plain = "\n".join(_line(each) for each in shown)
        show({"account": owner, plural: shown}, as_json=as_json, plain=plain)

    return list_


def _remove_command(kind: Kind) -> Callable[..., None]:
    def remove(
        owner: AccountName,
        id_: Annotated[str, typer.Argument(metavar="ID", help=f"The {kind}'s id.")],
        as_json: Annotated[bool, JsonFlag] = False,
    ) -> None:
        async def work(store: Store) -> None:
            async with at_account(store, owner) as (conn, place):
                if not await drop_division(conn, kind, id_, place):
                    raise CommandError(f"{owner} has no {kind} {id_}")

        with_store(work)
        show({"id": id_, "removed": True}, as_json=as_json, plain=id_)

    return remove


def _line(shown: dict[str, object]) -> str:
    return "\t".join("-" if value is None else str(value) for value in shown.values())


application = _commands("application", "applications")
entity = _commands("entity", "entities")
