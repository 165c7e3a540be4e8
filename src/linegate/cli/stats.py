"""Commands: `linegate stats`, `linegate reconcile`."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from linegate.api.statistics import shown_figures
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, show, with_store
from linegate.clock import SystemClock
from linegate.domain.statistics import BY, Figures, Group, folded
from linegate.postgres.statistics import LineCount, Selection, list_line_counts, sum_statistics
from linegate.postgres.store import Store

__all__ = ["reconcile", "stats"]

_ROWS = 100_000
_BAR = 16
_DELIVERED = "DELIVERED_TO_HANDSET"


def stats(  # noqa: PLR0913, PLR0917 - one option each
    owner: AccountName,
    since: Annotated[
        str | None, typer.Option("--from", help="First day, like 2026-01-01; 30 days if not given.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day; today if not given.")] = None,
    by: Annotated[str, typer.Option(help="Told apart by: " + ", ".join(BY) + ".")] = "day",
    sender: Annotated[str | None, typer.Option(help="Of this sender alone.")] = None,
    application: Annotated[str | None, typer.Option(help="Of this application alone.")] = None,
    entity: Annotated[str | None, typer.Option(help="Of this entity alone.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Of this campaign alone.")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Count an account's messages by the day they were accepted on, and what became of them."""
    groups = by.split(",")
    if unknown := sorted(set(groups) - set(BY)):
        raise typer.BadParameter(f"--by {','.join(unknown)}: one of {', '.join(BY)}")
    today = SystemClock().now().date()
    last = _day(until, "--to") or today
    first = _day(since, "--from") or last - timedelta(days=29)
    asked = Selection(first, last, sender, application, entity, campaign)

    async def work(store: Store) -> dict[Group, Figures]:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            rows = await sum_statistics(conn, account_id, asked, groups, limit=_ROWS + 1)
        if len(rows) > _ROWS:
            raise CommandError(f"more than {_ROWS} rows: ask for less at once")
        return folded(rows)

    found = with_store(work)
    if as_json:
        results = [shown_figures(group, figures) for group, figures in found.items()]
        answer = {"account": owner, "from": str(first), "to": str(last), "results": results}
        show(answer, as_json=True, plain="")
        return
    Console().print(_chart(f"{owner}, {first} to {last}", groups, found))


def reconcile(
    owner: Annotated[
        str | None, typer.Option("--account", help="Of this account; of all if not given.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 7,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Show LINE's own count of delivered messages beside ours, by day (UTC+9)."""

    async def work(store: Store) -> list[LineCount]:
        since = (SystemClock().now() + timedelta(hours=9)).date() - timedelta(days=days)
        async with store.pool.acquire() as conn:
            account_id = None if owner is None else await account_id_of(conn, owner)
            return await list_line_counts(conn, account_id=account_id, since=since)

    counts = with_store(work)
    if as_json:
        show({"days": [_shown(each) for each in counts]}, as_json=True, plain="")
        return
    table = Table(title="delivered, by day of UTC+9")
    for name in ("day", "account", "sender", "kind", "ours", "late", "LINE", "difference"):
        table.add_column(name, justify="left" if name in ("account", "sender") else "right")
    for each in counts:
        style = "red" if each.difference else ""
        table.add_row(*(str(value) for value in _shown(each).values()), style=style)
    Console().print(table)


def _shown(each: LineCount) -> dict[str, object]:
    return {
        "day": each.day.isoformat(),
        "account": each.account,
        "sender": each.sender,
        "kind": "templated" if each.templated else "flexible",
        "delivered": each.delivered,
        "late": each.late,
        "line": "not yet" if each.line_says is None else each.line_says,
        "difference": "" if each.difference is None else each.difference,
    }


def _chart(title: str, by: Sequence[str], found: dict[Group, Figures]) -> Table:
    """A row for each group; the bar shows what was delivered, what failed and what is pending."""
    table = Table(title=title)
    for name in by:
        table.add_column(name, no_wrap=True)
    for name in ("taken", "delivered", "by SMS", "failed", "pending", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = max((each.accepted for each in found.values()), default=0)
    for group, figures in found.items():
        place = dict(zip(BY, group, strict=True))
        delivered = figures.ended.get(_DELIVERED, 0)
        failed = sum(figures.ended.values()) - delivered
        table.add_row(
            *(str(place[name] or "-") for name in by),
            *(
                f"{count:,}"
                for count in (
                    figures.accepted,
                    delivered,
                    figures.by_sms,
                    failed,
                    figures.pending,
                )
            ),
            ", ".join(f"{amount:f} {name}" for name, amount in sorted(figures.cost.items())),
            _bar((delivered, failed, figures.pending), most),
        )
    return table


def _bar(parts: tuple[int, int, int], most: int) -> str:
    if not most:
        return ""
    widths = [round(part * _BAR / most) for part in parts]
    colours = ("green", "red", "yellow")
    return "".join(
        f"[{colour}]{'█' * width}[/{colour}]"
        for colour, width in zip(colours, widths, strict=True)
        if width > 0
    )


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option} must be a day like 2026-01-31") from error
