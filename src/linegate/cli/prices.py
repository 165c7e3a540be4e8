"""Commands: what messages cost, as reports show it."""

import re
from typing import Annotated

import typer

from linegate.cli.accounts import AccountName
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.postgres.endpoints import set_price
from linegate.postgres.store import Store

__all__ = ["price"]

price = typer.Typer(help="Prices in delivery reports.", no_args_is_help=True)


@price.command("set")
def price_set(
    owner: AccountName,
    sender: Annotated[str, typer.Option(help="The sender's name.")],
    per_message: Annotated[
        str | None, typer.Option("--price", help="Of one delivered message, such as 0.15.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Three letters, such as EUR.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Set what a delivered message of a sender costs; without --price reports show none."""
    if (per_message is None) != (currency is None):
        raise typer.BadParameter("--price and --currency go together")
    if per_message is not None and not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", per_message):
        raise typer.BadParameter("--price is a number with at most 6 digits after the point")
    if currency is not None and not re.fullmatch(r"[A-Z]{3}", currency):
        raise typer.BadParameter("--currency is three capital letters")

    async def work(store: Store) -> None:
        async with store.pool.acquire() as conn:
            if not await set_price(
                conn, account=owner, sender=sender, price=per_message, currency=currency
            ):
                raise CommandError(f"there is no sender named {sender} in account {owner}")

    with_store(work)
    shown = {"sender": sender, "price": per_message, "currency": currency}
    plain = f"{per_message} {currency}" if per_message is not None else "no price"
    show(shown, as_json=as_json, plain=plain)
