"""Commands: where bulks are, and words to them."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from linegate.api.schemas_bulks import bulk_answer
from linegate.cli.accounts import account_id_of
from linegate.cli.console import CommandError, JsonFlag, actor, show, with_store
from linegate.domain.pace import Pace, Unit, pace_of
from linegate.domain.steering import BulkStatus
from linegate.domain.wiretime import parse_instant
from linegate.postgres.audit import By
from linegate.postgres.clock import installation_time
from linegate.postgres.steering import only_account
from linegate.postgres.store import Store
from linegate.shape.steering import BulkView, Change, NotAllowed, Steering

__all__ = ["bulk", "read_pace"]

bulk = typer.Typer(help="Bulks: where they are; pause, resume, cancel.", no_args_is_help=True)

BulkId = Annotated[str, typer.Argument(help="The bulkId, as it was answered.")]
Owner = Annotated[
    str | None, typer.Option("--account", help="The account's name; not needed if there is one.")
]
T = TypeVar("T")

_DONE = (BulkStatus.FINISHED, BulkStatus.CANCELED, BulkStatus.FAILED)
_UNITS: dict[str, Unit] = {"minute": "MINUTE", "hour": "HOUR", "day": "DAY"}


@bulk.command("list")
def list_(
    owner: Owner = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """List the newest bulks that were scheduled, imported, large or steered."""

    async def work(store: Store) -> list[BulkView]:
        account_id = await _account(store, owner)
        now = await _now(store)
        return await Steering(store.pool).page(account_id, before=None, limit=limit, now=now)

    views = with_store(work)
    if as_json:
        print(json.dumps([bulk_answer(view) for view in views]))
        return
    Console().print(_table(views) if views else "no bulk was scheduled, large or steered yet")


@bulk.command("show")
def show_(bulk_id: BulkId, owner: Owner = None, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Show where a bulk is."""
    view = with_store(lambda store: _view(store, owner, bulk_id))
    if as_json:
        print(json.dumps(bulk_answer(view)))
        return
    Console().print(_details(view))


@bulk.command("watch")
def watch(bulk_id: BulkId, owner: Owner = None, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Follow a bulk until its end; with --json one line a second."""

    async def work(store: Store) -> None:
        console = Console()
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
        )
        task = progress.add_task(bulk_id, told="")
        with Live(progress, console=console, transient=False, auto_refresh=not as_json) as live:
            while True:
                view = await _view(store, owner, bulk_id)
                if as_json:
                    print(json.dumps(bulk_answer(view)), flush=True)
                else:
                    left = view.messages - view.ended
                    progress.update(
                        task,
                        description=f"{bulk_id} {view.status.value}",
                        completed=view.messages - left,
                        total=max(view.messages, 1),
                        told=_told(view),
                    )
                    live.refresh()
                if view.status in _DONE and not view.waiting + sum(view.counts):
                    return
                await asyncio.sleep(1)

    with_store(work)


@bulk.command("pause")
def pause(bulk_id: BulkId, owner: Owner = None, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """Stop a bulk; what is not handed over waits, and its validity with it."""
    _say(bulk_id, owner, BulkStatus.PAUSED, as_json=as_json)


@bulk.command("resume")
def resume(
    bulk_id: BulkId, owner: Owner = None, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Let a bulk go on; also contents of it that LINE refused are tried again."""
    _say(bulk_id, owner, BulkStatus.PROCESSING, as_json=as_json)


@bulk.command("cancel")
def cancel(
    bulk_id: BulkId, owner: Owner = None, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """End a bulk: what is not handed over is not sent, and each message gets its report."""
    _say(bulk_id, owner, BulkStatus.CANCELED, as_json=as_json)


@bulk.command("reschedule")
def reschedule(
    bulk_id: BulkId,
    owner: Owner = None,
    send_at: Annotated[
        str | None, typer.Option(help="When, with an offset: 2026-01-31T09:00:00+0900; or: now")
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="How fast: 6000/minute, 500/hour, 1000/day; or: none")
    ] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Give a bulk another time or another speed."""

    async def work(store: Store) -> BulkView:
        now = await _now(store)
        pace = read_pace(speed) if speed and speed != "none" else None
        change = Change(_instant(send_at, now), pace, no_pace=speed == "none")
        if change == Change():
            raise CommandError("give --send-at, --speed or both")
        account_id = await _account(store, owner)
        by = By(actor(), now)
        found = await Steering(store.pool).change(account_id, bulk_id, change, by)
        return _allowed(found, bulk_id)

    view = with_store(work)
    show(bulk_answer(view), as_json=as_json, plain=_told(view))


def read_pace(text: str) -> Pace:
    """`6000/minute`. Raises: CommandError."""
    amount, _, unit = text.partition("/")
    if not amount.isdigit() or int(amount) < 1 or unit.lower() not in _UNITS:
        raise CommandError("a speed is a number a unit: 6000/minute, 500/hour, 1000/day")
    return pace_of(int(amount), _UNITS[unit.lower()])


def _instant(text: str | None, now: datetime) -> datetime | None:
    if text is None or text == "now":
        return None if text is None else now
    at = parse_instant(text)
    if at is None or at - now > timedelta(days=180):
        raise CommandError("--send-at is an instant with an offset, at most 180 days ahead")
    return at


def _say(bulk_id: str, owner: str | None, wanted: BulkStatus, *, as_json: bool) -> None:
    async def work(store: Store) -> BulkStatus:
        account_id = await _account(store, owner)
        by = By(actor(), await _now(store))
        found = await Steering(store.pool).set_status(account_id, bulk_id, wanted, by)
        return _allowed(found, bulk_id)

    status = with_store(work)
    show({"bulkId": bulk_id, "status": status.value}, as_json=as_json, plain=status.value)


async def _view(store: Store, owner: str | None, bulk_id: str) -> BulkView:
    account_id = await _account(store, owner)
    found = await Steering(store.pool).show(account_id, bulk_id, await _now(store))
    return _allowed(found, bulk_id)


def _allowed(found: T | NotAllowed | None, bulk_id: str) -> T:
    if found is None:
        raise CommandError(f"the account has no bulk {bulk_id}")
    if isinstance(found, NotAllowed):
        raise CommandError(f"{found.property} {found.reason}")
    return found


async def _now(store: Store) -> datetime:
    async with store.pool.acquire() as conn:
        return await installation_time(conn)


async def _account(store: Store, owner: str | None) -> int:
    async with store.pool.acquire() as conn:
        if owner is not None:
            return await account_id_of(conn, owner)
        id_ = await only_account(conn)
    if id_ is None:
        raise CommandError("there are several accounts, or none: give --account")
    return id_


def _told(view: BulkView) -> str:
    parts = [f"{view.ended:,} of {view.messages:,} ended"]
    if view.waiting:
        parts.append(f"{view.waiting:,} waiting")
    if view.ends_at is not None:
        parts.append(f"last leaves {view.ends_at:%Y-%m-%d %H:%M:%S} UTC")
    if view.held:
        parts.append("LINE refuses its content: " + "; ".join(view.held))
    return " · ".join(parts)


def _table(views: list[BulkView]) -> Table:
    names = ("bulkId", "status", "sendAt (UTC)", "speed", "messages", "waiting", "ended", "ends")
    table = Table(*names)
    for view in views:
        table.add_row(
            view.bulk_id,
            view.status.value,
            f"{view.send_at:%Y-%m-%d %H:%M:%S}",
            _speed(view.pace),
            f"{view.messages:,}",
            f"{view.waiting:,}",
            f"{view.ended:,}",
            f"{view.ends_at:%m-%d %H:%M:%S}" if view.ends_at else "",
        )
    return table


def _details(view: BulkView) -> Table:
    table = Table(show_header=False)
    for name, value in bulk_answer(view).items():
        parts = value.items() if isinstance(value, dict) else ()
        table.add_row(name, ", ".join(f"{key} {inner}" for key, inner in parts) or str(value))
    return table


def _speed(pace: Pace | None) -> str:
    if pace is None:
        return ""
    return f"{pace.amount:,}/{pace.unit_name.lower()}"
