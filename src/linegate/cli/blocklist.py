"""Commands: `linegate blocklist`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.domain.phone import normalise
from linegate.postgres.blocklist import block, list_blocked, unblock
from linegate.postgres.store import Store

__all__ = ["blocklist"]

_AT_ONCE = 10_000

blocklist = typer.Typer(help="Destinations that an account never sends to.", no_args_is_help=True)

Numbers = Annotated[list[str] | None, typer.Argument(help="Phone numbers.")]
NumbersFile = Annotated[
    Path | None,
    typer.Option(
        "--file", help="A file with one phone number a line.", exists=True, dir_okay=False
    ),
]


@blocklist.command("add")
def blocklist_add(
    owner: AccountName,
    numbers: Numbers = None,
    file: NumbersFile = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Block destinations: from now on requests to them are answered REJECTED."""

    async def work(store: Store) -> int:
        asked = _asked(numbers, file)
        async with store.pool.acquire() as conn:
            account_id, now = await account_id_of(conn, owner), SystemClock().now()
            return sum([await block(conn, account_id, part, now=now) for part in _parts(asked)])

    added = with_store(work)
    show({"account": owner, "added": added}, as_json=as_json, plain=f"{added} added")


@blocklist.command("remove")
def blocklist_remove(
    owner: AccountName,
    numbers: Numbers = None,
    file: NumbersFile = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Let an account send to destinations again."""

    async def work(store: Store) -> int:
        asked = _asked(numbers, file)
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            return sum([await unblock(conn, account_id, part) for part in _parts(asked)])

    removed = with_store(work)
    show({"account": owner, "removed": removed}, as_json=as_json, plain=f"{removed} removed")


@blocklist.command("list")
def blocklist_list(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Print an account's blocked destinations, one a line."""

    async def work(store: Store) -> list[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = []
        async with store.pool.acquire() as conn:
            account_id, after = await account_id_of(conn, owner), ""
            while part := await list_blocked(conn, account_id, after=after, limit=_AT_ONCE):
                found += part
                after = part[-1][0]
        return found

    listed = with_store(work)
    rows = [{"destination": number, "blocked": since.isoformat()} for number, since in listed]
    plain = "\n".join(number for number, _ in listed)
    show({"account": owner, "blocklist": rows}, as_json=as_json, plain=plain)


def _asked(numbers: Iterable[str] | None, file: Path | None) -> list[str]:
    """Digits of the numbers given. Raises: CommandError naming the place of a bad one."""
    given = [(f"number {at}", text) for at, text in enumerate(numbers or (), 1)]
    if file is not None:
        lines = file.read_text(encoding="utf-8").splitlines()
        given += [(f"{file}, line {at}", text) for at, text in enumerate(lines, 1) if text.strip()]
    if not given:
        raise CommandError("numbers or --file are needed")
    digits: list[str] = []
    for place, text in given:
        number = normalise(text.strip())
        if number is None:
            raise CommandError(f"{place} is no phone number with its country code")
        digits.append(number)
    return digits


def _parts(numbers: Sequence[str]) -> Iterable[Sequence[str]]:
    return (numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE))
