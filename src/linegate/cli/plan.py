"""Command: when the messages of a request would leave, before it is sent."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from linegate.admin.senders import LINE_RATE
from linegate.api.convert import timing_of
from linegate.api.explain import read_request
from linegate.cli.console import JsonFlag, fail
from linegate.clock import SystemClock
from linegate.domain.forecast import Forecast, forecast, lots_of
from linegate.domain.wiretime import format_instant

__all__ = ["plan"]

_SERVED = frozenset({"JP", "TH", "TW"})
_WIDTH = 40


def plan(
    request: Annotated[Path, typer.Argument(help="A request as for POST /line/1/messages.")],
    count: Annotated[
        int | None,
        typer.Option(min=1, help="As if the only message had so many destinations like its own."),
    ] = None,
    rate: Annotated[
        int, typer.Option(min=1, help="Messages a second that LINE takes of the sender.")
    ] = LINE_RATE,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Show how many messages of a request would leave when; sends nothing."""
    now = SystemClock().now()
    try:
        asked = read_request(request.read_bytes(), now, needs_sender=False)
    except OSError as error:
        fail(str(error))
    if isinstance(asked, list):
        reasons = [f"{each.property} {each.violation}" for each in asked]
        fail("\n  ".join([f"{request} is not a valid request:", *reasons]))
    bulk = timing_of(asked, now, served=_SERVED)
    lots = list(lots_of(bulk))
    if count is not None:
        if not lots:
            fail("the request has no destination that could be sent to")
        total = sum(lot.messages for lot in lots)
        lots = [replace(lot, messages=max(1, lot.messages * count // total)) for lot in lots]
    send_at = bulk.schedule.send_at or now
    told = forecast(lots, pace=bulk.schedule.pace, send_at=send_at, per_second=rate, now=now)
    rejected = sum(len(part.rejections) for part in bulk.objects)
    if as_json:
        print(json.dumps(_answer(told, rejected)))
    else:
        _show(told, rejected)


def _answer(told: Forecast, rejected: int) -> dict[str, object]:
    return {
        "messages": told.messages,
        "rejected": rejected,
        "expired": told.expired,
        "firstAt": format_instant(told.first_at) if told.first_at else None,
        "lastAt": format_instant(told.last_at) if told.last_at else None,
        "steps": [
            {"from": format_instant(start), "messages": count} for start, count in told.steps()
        ],
    }


def _show(told: Forecast, rejected: int) -> None:
    console = Console()
    if told.first_at is None or told.last_at is None:
        console.print("no message would leave")
    else:
        console.print(_chart(told))
        lasts = timedelta(seconds=round((told.last_at - told.first_at).total_seconds()))
        console.print(
            f"{told.messages:,} messages, the first {told.first_at:%Y-%m-%d %H:%M:%S},"
            f" the last {told.last_at:%Y-%m-%d %H:%M:%S} UTC ({lasts})"
        )
    for count, words in (
        (told.expired, "would expire before their turn"),
        (told.untold, "would leave later than this looks ahead"),
        (rejected, "would be rejected: no number, or a country that is not served"),
    ):
        if count:
            console.print(f"{count:,} {words}")


def _chart(told: Forecast) -> Table:
    steps = told.steps()
    most = max(count for _, count in steps)
    table = Table("from (UTC)", "messages", "", box=None)
    table.columns[1].justify = "right"
    for start, count in steps:
        bar = "█" * max(1, round(count / most * _WIDTH))
        table.add_row(f"{start:%Y-%m-%d %H:%M:%S}", f"{count:,}", bar)
    return table
