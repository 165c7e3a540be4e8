"""Commands: `linegate application` and `linegate entity`, with what each sets for its messages."""

from collections.abc import Callable
from typing import Annotated

import typer

from linegate.admin.settings import DivisionChange, change_division
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import JsonFlag, show, with_store
from linegate.cli.setting import CLEAR, asked, told_as_command, whole
from linegate.clock import SystemClock
from linegate.postgres.divisions import DivisionListed, Kind, list_divisions
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

        async def work(store: Store) -> DivisionListed:
            async with store.pool.acquire() as conn, conn.transaction():
                account_id = await account_id_of(conn, owner)
                with told_as_command():
                    change = asked(tree, DivisionChange)
                    now = SystemClock().now()
                    await change_division(conn, account_id, kind, id_, change, now=now)
                listed = await list_divisions(conn, account_id, limit=_MOST)
            return next(each for each in listed if (each.kind, each.id) == (kind, id_))

        shown = _shown(with_store(work))
        show(shown, as_json=as_json, plain=_line(shown))

    return set_


def _list_command(kind: Kind, plural: str) -> Callable[..., None]:
    def list_(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
        async def work(store: Store) -> list[DivisionListed]:
            async with store.pool.acquire() as conn:
                return await list_divisions(conn, await account_id_of(conn, owner), limit=_MOST)

        shown = [_shown(each) for each in with_store(work) if each.kind == kind]
        plain = "\n".join(_line(each) for each in shown)
        show({"account": owner, plural: shown}, as_json=as_json, plain=plain)

    return list_


def _shown(each: DivisionListed) -> dict[str, object]:
    return {
        "id": each.id,
        "name": each.name,
        "defaultSender": each.default_sender,
        "webhook": each.url,
        "templates": each.templates,
        "messagesPerDay": each.messages_per_day,
    }


def _line(shown: dict[str, object]) -> str:
    return "\t".join("-" if value is None else str(value) for value in shown.values())


application = _commands("application", "applications")
entity = _commands("entity", "entities")
