"""Command: `linegate erase`."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from linegate.cli.accounts import account_id_of
from linegate.cli.console import CommandError, JsonFlag, actor, show, with_store
from linegate.clock import SystemClock
from linegate.domain.phone import normalise
from linegate.postgres.audit import note_change
from linegate.postgres.pool import Connection, transaction
from linegate.postgres.retention import (
    SentTo,
    end_unfinished,
    forget_early_receipts,
    messages_to,
    purge_bulk,
    purge_messages,
)
from linegate.postgres.store import Store

__all__ = ["erase", "erase_destination"]

_CHUNK = 200  # messages of one transaction: with a year of days a message takes 11 ms


def erase(
    destination: Annotated[str, typer.Option(help="The person's phone number.")],
    owner: Annotated[
        str | None, typer.Option("--account", help="Of this account alone; of all if not given.")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Remove a person: every message to a number with its attempts, logs and reports.

    What has not been sent yet is not sent. The blocklist keeps the number, so that nobody sends
    to it again; `linegate blocklist remove` takes it off. Counts stay: they name nobody.
    """
    digits = normalise(destination)
    if digits is None:
        raise typer.BadParameter("--destination must be a phone number with its country code")

    async def work(store: Store) -> int:
        account_id = None
        if owner is not None:
            async with store.pool.acquire() as conn:
                account_id = await account_id_of(conn, owner)
        return await erase_destination(store, digits, account_id)

    erased = with_store(work)
    show({"erased": erased}, as_json=as_json, plain=f"{erased} messages erased")


async def erase_destination(store: Store, digits: str, account_id: int | None) -> int:
    """Remove all messages to a number; gives how many. Raises: CommandError while LINE has one."""
    erased = 0
    while True:
        async with transaction(store.pool) as conn:
            sent = await messages_to(conn, digits, account_id=account_id, after=0, limit=_CHUNK)
            if not sent:
                await forget_early_receipts(conn, digits)
                return erased
            await end_unfinished(conn, sent, now=SystemClock().now())
            gone = await purge_messages(conn, [each.id for each in sent])
            if gone != len(sent):
                raise CommandError("messages changed while they were erased: run it again")
            for bulk_id in sorted({each.bulk_id for each in sent}):
                await purge_bulk(conn, bulk_id)
            await _note(conn, sent)
            erased += gone


async def _note(conn: Connection, sent: Sequence[SentTo]) -> None:
    """Write into the audit log that a person was removed, and not who."""
    for account_id, count in sorted(Counter(each.account_id for each in sent).items()):
        await note_change(
            conn,
            account_id=account_id,
            actor=actor(),
            kind="message",
            subject="to a destination",
            changes={"erased": [None, count]},
            now=SystemClock().now(),
        )
